;; Fibonacci by recursion: calls and branches.
(module
  (func $fib (param i32) (result i32)
    (if (i32.lt_u (local.get 0) (i32.const 2)) (then (return (local.get 0))))
    (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1)))
             (call $fib (i32.sub (local.get 0) (i32.const 2)))))
  (func (export "_start")
    (if (i32.ne (call $fib (i32.const 30)) (i32.const 832040)) (then unreachable))))
