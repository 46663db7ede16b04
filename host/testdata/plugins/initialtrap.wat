;; A plugin that traps when it is initialised.
(module
  (memory (export "memory") 1)
  (func (export "_initialize") (unreachable))
  (func (export "quiet") (result i32) (i32.const 0)))
