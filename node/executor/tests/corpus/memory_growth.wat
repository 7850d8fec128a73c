;; Grows by 1, then by 7 until it may not, then far too much: writes each answer and the size.
(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory 1)
  (data (i32.const 0) "\40\00\00\00\04\00\00\00")
  (func $put (param i32)
    (i32.store (i32.const 64) (local.get 0))
    (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
  (func (export "_start") (local $answer i32)
    (call $put (memory.grow (i32.const 0)))
    (call $put (memory.grow (i32.const 1)))
    (loop $more
      (call $put (local.tee $answer (memory.grow (i32.const 7))))
      (br_if $more (i32.ne (local.get $answer) (i32.const -1))))
    (call $put (memory.grow (i32.const 1000)))
    (call $put (memory.size))
    ;; The last byte is there.
    (i32.store8 (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)) (i32.const 9))
    (call $put (i32.load8_u (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1))))))
