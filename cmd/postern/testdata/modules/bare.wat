;; A plugin that has no description: it logs, and calls a capability.
(module
  (import "extism:host/env" "log_info" (func $log (param i64)))
  (import "extism:host/user" "kv_get" (func $get (param i64) (result i64)))
  (memory (export "memory") 1)
  (func (export "run") (result i32) (call $log (call $get (i64.const 0))) (i32.const 0))
  (func (export "helper") (param i32)))
