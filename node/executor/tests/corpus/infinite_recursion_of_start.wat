;; The start function runs out of fuel before the command.
(module
  (global $n (mut i64) (i64.const 0))
  (func $spin (loop $again (global.set $n (i64.add (global.get $n) (i64.const 1))) (br $again)))
  (start $spin)
  (func (export "_start")))
