;; Chains of divisions, which wait for each other.
(module
  (func (export "_start") (local $x i64) (local $y i32) (local $z f64) (local $n i32)
    (local.set $x (i64.const -1))
    (local.set $y (i32.const -1))
    (local.set $z (f64.const 1e300))
    (loop $again
      (local.set $x (i64.add (i64.div_u (i64.const -1) (local.get $x)) (i64.const 3)))
      (local.set $y (i32.add (i32.rem_u (i32.const -7) (local.get $y)) (i32.const 5)))
      (local.set $z (f64.sqrt (f64.div (f64.const 1e300) (local.get $z))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 3000000))))))
