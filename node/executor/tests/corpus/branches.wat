;; Branches that the processor cannot foresee.
(module
  (func (export "_start") (local $x i32) (local $y i32) (local $n i32)
    (loop $again
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
      (if (i32.and (local.get $x) (i32.const 0x40000000))
        (then (local.set $y (i32.xor (local.get $y) (i32.const 77))))
        (else (local.set $y (i32.rotl (local.get $y) (local.get $x)))))
      (block $d (block $c (block $b (block $a
        (br_table $a $b $c $d (i32.shr_u (local.get $x) (i32.const 30))))
        (local.set $y (i32.add (local.get $y) (i32.const 1))) (br $d))
        (local.set $y (i32.sub (local.get $y) (local.get $x))) (br $d))
        (local.set $y (i32.mul (local.get $y) (i32.const 5))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 3000000))))))
