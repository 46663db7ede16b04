;; A base guest that has a log of its output and lies about it. The first byte of exec's input says how; a capital has it trap after the lie. Between two stores of a trick the host
;; looks, because of a host call.
(module
  (type $call (func (param i32 i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "postern:link" "call" (func $call (type $call)))
  (memory (export "memory") 2)
  (global (export "postern_output") i32 (i32.const 1024))

  (func (export "_initialize"))

  ;; say stores bytes of this module's memory as the output.
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

  ;; first says where the first piece is, piece where the one behind it is and how long it is. Then the host looks.
  (func $first (param $at i32)
    (i32.store (i32.const 1024) (local.get $at))
    (call $look))
  (func $piece (param $at i32) (param $next i32) (param $length i32)
    (i32.store (local.get $at) (local.get $next))
    (i32.store (i32.add (local.get $at) (i32.const 4)) (local.get $length))
    (call $look))
  (func $look (drop (call $call (i32.const 0) (i64.const 77))))

  (func (export "configure") (result i32)
    (call $say (i32.const 0) (i32.const 24))
    (i32.const 0))

  (func (export "exec") (result i32)
    (local $how i32) (local $trap i32)
    (local.set $how (call $input_load_u8 (i64.const 9))) ;; of {"code":"X"}
    (local.set $trap (i32.and (i32.ge_u (local.get $how) (i32.const 65)) (i32.le_u (local.get $how) (i32.const 90))))
    (local.set $how (i32.or (local.get $how) (i32.shl (local.get $trap) (i32.const 5))))
    (i32.store (i32.const 1024) (i32.const 0))
    (block $done
      ;; a: the first piece is nowhere; b: its header goes over the end of memory
      (if (i32.eq (local.get $how) (i32.const 97)) (then (call $first (i32.const -1)) (br $done)))
      (if (i32.eq (local.get $how) (i32.const 98)) (then (call $first (i32.const 131068)) (br $done)))
      ;; l: it is as long as there are numbers; e: it is all the rest of memory
      (if (i32.eq (local.get $how) (i32.const 108)) (then
        (call $piece (i32.const 4096) (i32.const 0) (i32.const -1)) (call $first (i32.const 4096)) (br $done)))
      (if (i32.eq (local.get $how) (i32.const 101)) (then
        (call $piece (i32.const 8192) (i32.const 0) (i32.const 122872)) (call $first (i32.const 8192)) (br $done)))
      ;; n: it is empty and its own next; c: two come one after the other for ever
      (if (i32.eq (local.get $how) (i32.const 110)) (then
        (call $piece (i32.const 4096) (i32.const 4096) (i32.const 0)) (call $first (i32.const 4096)) (br $done)))
      (if (i32.eq (local.get $how) (i32.const 99)) (then
        (call $piece (i32.const 4096) (i32.const 4196) (i32.const 1))
        (call $piece (i32.const 4196) (i32.const 4096) (i32.const 1))
        (call $first (i32.const 4096)) (br $done)))
      ;; s: what was there is there no more, and then again with more
      (if (i32.eq (local.get $how) (i32.const 115)) (then
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 5)) (call $first (i32.const 4096))
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 2))
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 10)) (br $done)))
      ;; h: the same, and nothing after it
      (if (i32.eq (local.get $how) (i32.const 104)) (then
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 5)) (call $first (i32.const 4096))
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 2)) (br $done)))
      ;; r: what was shown is written over
      (if (i32.eq (local.get $how) (i32.const 114)) (then
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 5)) (call $first (i32.const 4096))
        (i64.store (i32.const 4104) (i64.const 0x4141414141414141))
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 10)) (br $done)))
      ;; f: the first piece is another one later; z: the next one is nowhere
      (if (i32.eq (local.get $how) (i32.const 102)) (then
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 5)) (call $piece (i32.const 4196) (i32.const 0) (i32.const 8))
        (call $first (i32.const 4096)) (call $first (i32.const 4196)) (br $done)))
      (if (i32.eq (local.get $how) (i32.const 122)) (then
        (call $piece (i32.const 4096) (i32.const -4) (i32.const 5)) (call $first (i32.const 4096))
        (call $piece (i32.const 4096) (i32.const 0) (i32.const 10)) (br $done)))
      ;; m: marks; w: marks where none are needed, a character that they cut, and what is no character
      (if (i32.eq (local.get $how) (i32.const 109)) (then
        (call $piece (i32.const 4196) (i32.const 0) (i32.const 8)) (call $first (i32.const 4196)) (br $done)))
      (if (i32.eq (local.get $how) (i32.const 119)) (then
        (call $piece (i32.const 4296) (i32.const 0) (i32.const 13)) (call $first (i32.const 4296)) (br $done)))
      ;; u: a character byte by byte, and the beginning of another
      (if (i32.eq (local.get $how) (i32.const 117)) (then
        (call $piece (i32.const 4396) (i32.const 0) (i32.const 1)) (call $first (i32.const 4396))
        (call $piece (i32.const 4396) (i32.const 0) (i32.const 2))
        (call $piece (i32.const 4396) (i32.const 0) (i32.const 3))
        (call $piece (i32.const 4396) (i32.const 0) (i32.const 5)) (br $done)))
      ;; t: it traps with something said
      (if (i32.eq (local.get $how) (i32.const 116)) (then
        (i32.store (i32.const 1024) (i32.const 4096))
        (i32.store (i32.const 4096) (i32.const 0))
        (i32.store (i32.const 4100) (i32.const 10))
        (unreachable))))
    (if (local.get $trap) (then (unreachable)))
    (call $say (i32.const 32) (i32.const 144))
    (i32.const 0))

  (data (i32.const 0) "{\"ok\":true,\"abi\":1}     ")
  (data (i32.const 32) "{\"ok\":true,\"value\":100,\"repr\":\"\",\"is_final_answer\":false,\"stdout\":\"\",\"stderr\":\"\",\"error\":null,\"withheld\":[]}                                        ")
  (data (i32.const 4104) "helloworld")
  (data (i32.const 4204) "ab\ffcd\feef")
  (data (i32.const 4304) "\feo\ff\ffx\e2\fe\82\ff\82\acy\f0")
  (data (i32.const 4404) "\e2\82\acz\c3"))
