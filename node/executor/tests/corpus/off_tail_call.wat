(module (func $f) (func (export "_start") (return_call $f)))
