;; Writes 64 KiB to stderr eight times: the log is cut, the program goes on.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 2)
  (data (i32.const 0) "\00\01\00\00\00\00\01\00")
  (func (export "_start") (local $n i32)
    (memory.fill (i32.const 256) (i32.const 0x61) (i32.const 65536))
    (loop $again
      (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 8))))))
