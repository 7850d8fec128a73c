;; Fills, copies with overlap and initialises 1 MiB again and again.
(module
  (memory 33)
  (data $piece "0123456789abcdef0123456789abcdef")
  (func (export "_start") (local $n i32)
    (loop $again
      (memory.fill (i32.const 0) (local.get $n) (i32.const 1048576))
      (memory.init $piece (i32.const 100) (i32.const 0) (i32.const 32))
      (memory.copy (i32.const 1048576) (i32.const 0) (i32.const 1048576))
      (memory.copy (i32.const 1) (i32.const 0) (i32.const 1048575))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 400))))
    (if (i32.ne (i32.load8_u (i32.const 101)) (i32.const 0x30)) (then unreachable))))
