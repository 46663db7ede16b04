;; A plugin that calls a host function.
(module
  (import "extism:host/env" "input_length" (func $input_length (result i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load (param i64) (result i32)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
  (import "extism:host/env" "output_set" (func $output (param i64 i64)))
  (import "extism:host/user" "math_sqrt" (func $sqrt (param i64) (result i64)))
  (memory (export "memory") 1)
  ;; ask gives its input to math.sqrt as the request, and outputs the answer.
  (func $ask (export "ask") (result i32) (local $size i64) (local $handle i64) (local $i i64)
    (local.set $size (call $input_length))
    (local.set $handle (call $alloc (local.get $size)))
    (block $done (loop $next
      (br_if $done (i64.eq (local.get $i) (local.get $size)))
      (call $store (i64.add (local.get $handle) (local.get $i)) (call $input_load (local.get $i)))
      (local.set $i (i64.add (local.get $i) (i64.const 1)))
      (br $next)))
    (local.set $handle (call $sqrt (local.get $handle)))
    (call $output (local.get $handle) (call $length (local.get $handle)))
    (i32.const 0))
  ;; often asks until it is stopped.
  (func (export "often") (result i32) (loop (drop (call $ask)) (br 0)) (unreachable))
  ;; twice asks two times.
  (func (export "twice") (result i32) (drop (call $ask)) (call $ask))
  ;; forged asks with handles that are none.
  (func (export "forged") (result i32)
    (drop (call $sqrt (i64.const 0)))
    (drop (call $sqrt (i64.const 1)))
    (drop (call $sqrt (i64.const -1)))
    (drop (call $sqrt (i64.const 0x1_0000_0001)))
    (call $output (call $sqrt (i64.const 65)) (i64.const 20))
    (i32.const 0)))
