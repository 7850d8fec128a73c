;; Loads whose address depends on the load before, all over as much memory as the task allows.
(module
  (memory 1)
  (func (export "_start") (local $at i32) (local $mask i32) (local $n i32)
    ;; The largest power of two of pages that can be had.
    (loop $more
      (br_if $more (i32.ne (memory.grow (memory.size)) (i32.const -1))))
    (local.set $mask (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 8)))
    ;; Touch each 4 KiB once, so that what follows measures caches.
    (loop $touch
      (i32.store (local.get $at) (local.get $at))
      (local.set $at (i32.add (local.get $at) (i32.const 4096)))
      (br_if $touch (i32.lt_u (local.get $at) (local.get $mask))))
    (local.set $at (i32.const 0))
    (loop $again
      (local.set $at
        (i32.and (local.get $mask)
          (i32.add (i32.const 1013904223)
            (i32.mul (i32.const 1664525)
              (i32.add (local.get $at) (i32.load (local.get $at)))))))
      (local.set $n (i32.add (local.get $n) (i32.const 1)))
      (br_if $again (i32.lt_u (local.get $n) (i32.const 3000000))))))
