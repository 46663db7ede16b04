;; A plugin whose start function never ends.
(module
  (memory (export "memory") 1)
  (func $start (loop (br 0)))
  (start $start)
  (func (export "quiet") (result i32) (i32.const 0)))
