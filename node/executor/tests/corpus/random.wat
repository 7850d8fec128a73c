;; 100 random bytes in pieces of 1, 63 and 36.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "\40\00\00\00\64\00\00\00")
  (func (export "_start")
    (drop (call $random (i32.const 64) (i32.const 1)))
    (drop (call $random (i32.const 65) (i32.const 63)))
    (drop (call $random (i32.const 128) (i32.const 36)))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))
