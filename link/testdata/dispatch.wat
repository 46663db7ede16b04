;; Names functions in every way there is, before and after the placeholder, so that each mention must be renumbered.
(module
  (type $dispatch (func (param i32 i64) (result i64)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "extism:host/env" "input_length" (func $input (result i64)))
  (import "postern:link" "call" (func $call (type $dispatch)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (memory (export "memory") 1)
  (table $t 8 funcref)
  (table $u 2 funcref)
  (global $started (mut i32) (i32.const 0))
  (global $reference (mut funcref) (ref.func $call))
  (elem (table $t) (i32.const 0) func $call $own $started_get)                 ;; form 0
  (elem $passive func $own $call)                                              ;; form 1
  (elem declare func $length $own)                                             ;; form 3
  (elem (table $t) (i32.const 3) funcref (ref.func $call) (ref.null func))     ;; form 4
  (elem $expressions funcref (ref.func $call) (ref.func $own))                 ;; form 5
  (elem (table $u) (i32.const 0) func $yield $call)                            ;; form 2
  (start $begin)
  (func $begin (global.set $started (i32.const 42)))
  (func $own (export "own") (param i32 i64) (result i64)
    (i64.add (local.get 1) (i64.extend_i32_u (local.get 0))))
  (func $started_get (export "started") (result i32) (global.get $started))
  (func (export "direct") (param i32 i64) (result i64) (call $call (local.get 0) (local.get 1)))
  (func (export "kernel") (result i64) (i64.add (call $input) (call $length (i64.const 1))))
  (func (export "yield") (result i32) (call $yield))
  (func (export "by_table") (param i32 i32 i64) (result i64)
    (call_indirect $t (type $dispatch) (local.get 1) (local.get 2) (local.get 0)))
  (func (export "by_second_table") (param i32 i64) (result i64)
    (call_indirect $u (type $dispatch) (local.get 0) (local.get 1) (i32.const 1)))
  (func (export "by_passive") (param i32 i64) (result i64)
    (table.init $t $passive (i32.const 5) (i32.const 0) (i32.const 2))
    (call_indirect $t (type $dispatch) (local.get 0) (local.get 1) (i32.const 6)))
  (func (export "by_expressions") (param i32 i64) (result i64)
    (table.init $t $expressions (i32.const 5) (i32.const 0) (i32.const 2))
    (call_indirect $t (type $dispatch) (local.get 0) (local.get 1) (i32.const 5)))
  (func (export "by_reference") (param i32 i64) (result i64)
    (table.set $t (i32.const 7) (global.get $reference))
    (call_indirect $t (type $dispatch) (local.get 0) (local.get 1) (i32.const 7)))
  (func (export "by_ref_func") (param i32 i64) (result i64)
    (table.set $t (i32.const 7) (ref.func $own))
    (call_indirect $t (type $dispatch) (local.get 0) (local.get 1) (i32.const 7)))
  (export "call" (func $call)))
