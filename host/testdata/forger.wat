;; A base guest that forges the headers of Extism's memory blocks. The first byte of exec's input says how.
(module
  (type $call (func (param i32 i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "free" (func $free (param i64)))
  (import "extism:host/env" "length" (func $length (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "postern:link" "call" (func $call (type $call)))
  (memory (export "memory") 1)

  (func (export "_initialize"))

  ;; say stores 48 bytes of this module's memory as the output.
  (func $say (param $from i32) (param $bytes i32)
    (local $block i64) (local $i i32)
    (local.set $block (call $alloc (i64.extend_i32_u (local.get $bytes))))
    (loop $next
      (call $store_u64
        (i64.add (local.get $block) (i64.extend_i32_u (local.get $i)))
        (i64.load (i32.add (local.get $from) (local.get $i))))
      (local.set $i (i32.add (local.get $i) (i32.const 8)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $bytes))))
    (call $output_set (local.get $block) (i64.extend_i32_u (local.get $bytes))))

  (func (export "configure") (result i32)
    (call $say (i32.const 0) (i32.const 24))
    (i32.const 0))

  ;; forge makes the input's block, the first of all, one whose size leads back to itself: (12 - 12) mod 2^32.
  (func $forge
    (call $store_u64 (i64.const 65) (i64.const 0xfffffff400000002)))

  ;; crumble makes a block of that many bytes into blocks of none.
  (func $crumble (param $bytes i64)
    (local $at i64) (local $end i64)
    (local.set $at (call $alloc (local.get $bytes)))
    (local.set $end (i64.sub (i64.add (local.get $at) (local.get $bytes)) (i64.const 20)))
    (call $store_u64 (i64.sub (local.get $at) (i64.const 8)) (i64.const 0))
    (loop $next
      (call $store_u64 (local.get $at) (i64.const 1))
      (call $store_u64 (i64.add (local.get $at) (i64.const 4)) (i64.const 0))
      (local.set $at (i64.add (local.get $at) (i64.const 12)))
      (br_if $next (i64.lt_u (local.get $at) (local.get $end)))))

  (func (export "exec") (result i32)
    (local $how i32) (local $block i64)
    ;; input is {"code":"X"}: X is byte 9
    (local.set $how (call $input_load_u8 (i64.const 9)))
    ;; a: forge, then alloc, past the bump allocation; f: then free; l: then length
    (if (i32.eq (local.get $how) (i32.const 97)) (then
      (call $forge) (drop (call $alloc (i64.const 1000000)))))
    (if (i32.eq (local.get $how) (i32.const 102)) (then
      (call $forge) (call $free (i64.const 100))))
    (if (i32.eq (local.get $how) (i32.const 108)) (then
      (call $forge) (drop (call $length (i64.const 100)))))
    ;; h: forge, then a host call, whose answer needs an alloc; the handle is the input's
    (if (i32.eq (local.get $how) (i32.const 104)) (then
      (local.set $block (call $alloc (i64.const 32)))
      (call $store_u64 (local.get $block) (i64.load (i32.const 128)))
      (call $store_u64 (i64.add (local.get $block) (i64.const 8)) (i64.load (i32.const 136)))
      (call $store_u64 (i64.add (local.get $block) (i64.const 16)) (i64.load (i32.const 144)))
      (call $store_u64 (i64.add (local.get $block) (i64.const 24)) (i64.load (i32.const 152)))
      (call $forge)
      (drop (call $call (i32.const 0) (local.get $block)))))
    ;; w: more blocks than anybody needs; k: many, and a loop whose every call walks them all
    (if (i32.eq (local.get $how) (i32.const 119)) (then
      (call $crumble (i64.const 1000000)) (drop (call $length (i64.const 77)))))
    (if (i32.eq (local.get $how) (i32.const 107)) (then
      (call $crumble (i64.const 480000))
      (loop $walk (drop (call $length (i64.const 77))) (br $walk))))
    ;; p: a proper result, and a position beyond memory for the next call's reset
    (call $say (i32.const 256) (i32.const 128))
    (if (i32.eq (local.get $how) (i32.const 112)) (then
      (call $store_u64 (i64.const 9) (i64.const 0x7fffffff))))
    ;; b: a proper result, and a forged block for the next call
    (if (i32.eq (local.get $how) (i32.const 98)) (then
      (call $forge)))
    ;; o: an output that ends outside memory
    (if (i32.eq (local.get $how) (i32.const 111)) (then
      (call $store_u64 (i64.const 57) (i64.const 0xffffffff))))
    ;; m: more of Extism's memory than any guest needs
    (if (i32.eq (local.get $how) (i32.const 109)) (then
      (loop $more
        (drop (call $alloc (i64.const 1000000)))
        (br $more))))
    (i32.const 0))

  (data (i32.const 0) "{\"ok\":true,\"abi\":1}     ")
  (data (i32.const 128) "{\"args\":[],\"kwargs\":{}}         ")
  (data (i32.const 256) "{\"ok\":true,\"value\":1,\"repr\":\"1\",\"is_final_answer\":false,\"stdout\":\"\",\"stderr\":\"\",\"error\":null,\"withheld\":[]}                            "))
