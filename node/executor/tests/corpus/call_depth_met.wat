;; 50,000 nested calls, done three times over: frames are given back.
(module
  (func $down (param i32) (result i32)
    (if (i32.eqz (local.get 0)) (then (return (i32.const 0))))
    (i32.add (i32.const 1) (call $down (i32.sub (local.get 0) (i32.const 1)))))
  (func (export "_start") (local $round i32)
    (loop $again
      (if (i32.ne (call $down (i32.const 50000)) (i32.const 50000)) (then unreachable))
      (local.set $round (i32.add (local.get $round) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $round) (i32.const 3))))))
