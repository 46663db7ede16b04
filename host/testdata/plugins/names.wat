;; A plugin whose functions, and whose allocator, have names of functions of Extism's kernel and of the guest's exports.
(module
  (import "extism:host/env" "alloc" (func $kernel_alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (memory (export "memory") 1)
  (data (i32.const 0) "\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff\ff") ;; no kernel's memory
  (func $say (param $digit i32) (result i32) (local $handle i64)
    (local.set $handle (call $kernel_alloc (i64.const 1)))
    (call $store (local.get $handle) (i32.add (i32.const 48) (local.get $digit)))
    (call $output (local.get $handle) (i64.const 1))
    (i32.const 0))
  (func $free (export "free") (param i32))
  (func $alloc (export "alloc") (param i64) (result i64) (i64.const 8))
  (func (export "reset") (result i32) (call $free (i32.const 0)) (call $say (i32.const 1)))
  (func (export "length") (result i32) (drop (call $alloc (i64.const -1))) (call $say (i32.const 2)))
  (func (export "exec") (result i32) (call $say (i32.const 3)))
  (func (export "configure") (result i32) (call $say (i32.const 4))))
