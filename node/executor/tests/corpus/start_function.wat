;; The start function runs first, with fuel; the command then sees what it did.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "\40\00\00\00\04\00\00\00")
  (func $first (i32.store (i32.const 64) (i32.const 0x0a214948)))
  (start $first)
  (func (export "_start")
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
