;; A plugin that takes ten megabytes when it starts, if it gets them, and says whether it has.
(module
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (global $has (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $has (i32.ne (memory.grow (i32.const 160)) (i32.const -1))))
  (func (export "count") (result i32) (local $handle i64)
    (local.set $handle (call $alloc (i64.const 1)))
    (call $store (local.get $handle) (i32.add (i32.const 48) (global.get $has)))
    (call $output (local.get $handle) (i64.const 1))
    (i32.const 0)))
