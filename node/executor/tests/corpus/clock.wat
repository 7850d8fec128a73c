;; All four clocks stand still at 0; a fifth does not exist.
(module
  (import "wasi_snapshot_preview1" "clock_time_get" (func $time (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_res_get" (func $resolution (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "\40\00\00\00\18\00\00\00")
  (func (export "_start") (local $clock i32)
    (loop $next
      (i64.store (i32.const 64) (i64.const -1))
      (i64.store (i32.const 72) (i64.const -1))
      (i32.store (i32.const 80) (call $time (local.get $clock) (i64.const 1) (i32.const 64)))
      (i32.store (i32.const 84) (call $resolution (local.get $clock) (i32.const 72)))
      (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
      (local.set $clock (i32.add (local.get $clock) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $clock) (i32.const 5))))))
