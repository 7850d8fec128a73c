(module (func (export "_start") (drop (ref.null extern))))
