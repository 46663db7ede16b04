;; A table that may grow without end, and one that may not.
(module
  (import "postern:link" "call" (func $call (param i32 i64) (result i64)))
  (memory (export "memory") 1)
  (table $t 10 funcref)
  (table $small 1 5 funcref)
  (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
  (func (export "grow_small") (param i32) (result i32) (table.grow $small (ref.null func) (local.get 0))))
