;; Wants 2 GiB from the first moment.
(module
  (memory (export "memory") 32768 65536)
  (func (export "run")))
