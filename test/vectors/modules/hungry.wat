;; Declares 4 GiB, grows until it is refused, and reports how many pages it has.
(module
  (import "askee" "output_write" (func $write (param i32 i32)))
  (memory (export "memory") 1 65536)
  (func (export "run")
    (block $refused
      (loop $again
        (br_if $refused (i32.eq (memory.grow (i32.const 64)) (i32.const -1)))
        (br $again)))
    (i32.store (i32.const 0) (memory.size))
    (call $write (i32.const 0) (i32.const 4))))
