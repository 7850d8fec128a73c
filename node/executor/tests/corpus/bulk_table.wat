;; Table growth, fill, copy and init.
(module
  (table $t 10 200000 funcref)
  (elem $e func $f $f $f $f)
  (func $f)
  (func (export "_start") (local $n i32)
    (if (i32.ne (table.grow $t (ref.func $f) (i32.const 100000)) (i32.const 10)) (then unreachable))
    ;; Beyond the engine's cap, though within the module's own.
    (if (i32.ne (table.grow $t (ref.null func) (i32.const 50000)) (i32.const -1)) (then unreachable))
    (loop $again
      (table.fill $t (i32.const 0) (ref.null func) (i32.const 50000))
      (table.copy $t $t (i32.const 20000) (i32.const 60000) (i32.const 30000))
      (table.init $t $e (i32.const 5) (i32.const 0) (i32.const 4))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 400))))
    (call_indirect $t (i32.const 8))
    (call_indirect $t (i32.const 49999))
    (if (i32.eqz (ref.is_null (table.get $t (i32.const 9)))) (then unreachable))))
