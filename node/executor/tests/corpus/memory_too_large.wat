(module (memory 10000) (func (export "_start")))
