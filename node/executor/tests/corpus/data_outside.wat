;; An active data segment that does not fit: the program never starts.
(module
  (memory 1)
  (data (i32.const 65530) "0123456789")
  (func (export "_start")))
