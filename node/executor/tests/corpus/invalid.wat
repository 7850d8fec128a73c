;; An i32 where an i64 is due.
(module (func (export "_start") (drop (i64.add (i32.const 1) (i64.const 1)))))
