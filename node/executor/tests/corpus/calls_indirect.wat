;; Calls through a table, whose target the processor cannot foresee.
(module
  (type $step (func (param i32) (result i32)))
  (table funcref (elem $a $b $c $d))
  (func $a (type $step) (i32.add (local.get 0) (i32.const 0x9e3779b9)))
  (func $b (type $step) (i32.xor (local.get 0) (i32.const 0x85ebca6b)))
  (func $c (type $step) (i32.rotl (local.get 0) (i32.const 13)))
  (func $d (type $step) (i32.mul (local.get 0) (i32.const 0xc2b2ae35)))
  (func (export "_start") (local $x i32) (local $n i32)
    (loop $again
      (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)))
      (local.set $x (call_indirect (type $step) (local.get $x)
                      (i32.shr_u (local.get $x) (i32.const 30))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 3000000))))))
