;; Writes one byte of output, then divides by zero.
(module
  (import "askee" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1 1)
  (data (i32.const 0) "A")
  (func (export "run")
    (call $write (i32.const 0) (i32.const 1))
    (drop (i32.div_u (i32.const 1) (i32.load (i32.const 8))))))
