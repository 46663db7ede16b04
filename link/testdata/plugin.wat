;; Imports of every kind, as a module that is only metered may have them.
(module
  (import "env" "host" (func $host (param i32) (result i32)))
  (import "env" "memory" (memory 1 4))
  (import "env" "table" (table 1 funcref))
  (import "env" "limit" (global $limit i32))
  (import "env" "count" (global $count (mut i64)))
  (global $own (mut i32) (global.get $limit))
  (func (export "run") (param f64 v128) (result i32)
    (global.set $own (call $host (global.get $own)))
    (global.get $own)))
