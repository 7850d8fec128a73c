;; Writes its input to stdout, in pieces of up to 1000 bytes and two buffers.
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  ;; Two buffers: 400 bytes at 1024 and 600 at 4096.
  (data (i32.const 0) "\00\04\00\00\90\01\00\00\00\10\00\00\58\02\00\00")
  (func (export "_start") (local $read i32)
    (loop $again
      (drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 2) (i32.const 32)))
      (local.set $read (i32.load (i32.const 32)))
      (i32.store (i32.const 64) (i32.const 1024))
      (i32.store (i32.const 68) (select (i32.const 400) (local.get $read)
                                        (i32.gt_u (local.get $read) (i32.const 400))))
      (i32.store (i32.const 72) (i32.const 4096))
      (i32.store (i32.const 76) (i32.sub (local.get $read) (i32.load (i32.const 68))))
      (drop (call $fd_write (i32.const 1) (i32.const 64) (i32.const 2) (i32.const 96)))
      (br_if $again (local.get $read)))))
