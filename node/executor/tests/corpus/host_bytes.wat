;; 64 MiB of random bytes, 64 KiB at a time.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory 2)
  (func (export "_start") (local $n i32)
    (loop $again
      (drop (call $random (i32.const 0) (i32.const 65536)))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 1024))))))
