;; A function of WASI by another type.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i64) (result i32)))
  (func (export "_start")))
