;; Writes a page of text without end.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 2)
  (data (i32.const 0) "\00\01\00\00\00\00\01\00")
  (func (export "_start")
    (memory.fill (i32.const 256) (i32.const 0x61) (i32.const 65536))
    (loop $again
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br $again))))
