;; Writes 64 KiB of output again and again.
(module
  (import "askee" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1 1)
  (func (export "run")
    (loop $again
      (call $write (i32.const 0) (i32.const 65536))
      (br $again))))
