;; A base guest that makes the host work: each of its tricks takes hardly any fuel. The first byte of exec's input says which.
(module
  (type $call (func (param i32 i64) (result i64)))
  (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
  (import "extism:host/env" "store_u64" (func $store_u64 (param i64 i64)))
  (import "extism:host/env" "input_load_u8" (func $input_load_u8 (param i64) (result i32)))
  (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_readdir" (func $fd_readdir (param i32 i32 i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_get" (func $path_filestat_get (param i32 i32 i32 i32 i32) (result i32)))
  (import "postern:link" "call" (func $call (type $call)))
  (memory (export "memory") 2)

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

  ;; value is a result whose value is 100 and a number below that.
  (func $value (param $n i32)
    (i32.store8 (i32.const 52) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 10))))
    (i32.store8 (i32.const 53) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (call $say (i32.const 32) (i32.const 144)))

  ;; room makes the memory 1024 pages longer: 64 MiB.
  (func $room (drop (memory.grow (i32.const 1024))))

  (func (export "configure") (result i32)
    (call $say (i32.const 0) (i32.const 24))
    (i32.const 0))

  (func (export "exec") (result i32)
    (local $how i32) (local $i i32)
    (local.set $how (call $input_load_u8 (i64.const 9))) ;; of {"code":"X"}
    ;; r: read the root so that it fails, with nowhere to say how much was read; s: look whether it was read
    (if (i32.eq (local.get $how) (i32.const 114)) (then
      (call $value (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 4096) (i64.const 0) (i32.const -1)))
      (return (i32.const 0))))
    (if (i32.eq (local.get $how) (i32.const 115)) (then
      (call $value (call $fd_readdir (i32.const 3) (i32.const 4096) (i32.const 4096) (i64.const 2) (i32.const 1024)))
      (return (i32.const 0))))
    ;; o: open the root without end
    (if (i32.eq (local.get $how) (i32.const 111)) (then
      (loop $again
        (drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 1028) (i32.const 1) (i32.const 2) (i64.const 0) (i64.const 0) (i32.const 0) (i32.const 1024)))
        (br $again))))
    ;; v: write eight million times 4 KiB at once
    (if (i32.eq (local.get $how) (i32.const 118)) (then
      (call $room)
      (local.set $i (i32.const 131072))
      (loop $next
        (i64.store (local.get $i) (i64.const 0x0000100000000000))
        (local.set $i (i32.add (local.get $i) (i32.const 8)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 67108864))))
      (call $value (call $fd_write (i32.const 1) (i32.const 131072) (i32.const 8372224) (i32.const 1024)))
      (return (i32.const 0))))
    ;; p: a path of 64 MiB
    (if (i32.eq (local.get $how) (i32.const 112)) (then
      (call $room)
      (call $value (call $path_filestat_get (i32.const 3) (i32.const 0) (i32.const 131072) (i32.const 67108864) (i32.const 1024)))
      (return (i32.const 0))))
    ;; c: host calls without end, all with a block that is nothing
    (if (i32.eq (local.get $how) (i32.const 99)) (then
      (loop $again
        (drop (call $call (i32.const 0) (i64.const 77)))
        (br $again))))
    ;; w: two million things withheld, each of them empty
    (if (i32.eq (local.get $how) (i32.const 119)) (then
      (call $room)
      (memory.copy (i32.const 131072) (i32.const 256) (i32.const 104))
      (local.set $i (i32.const 131176))
      (loop $next
        (i32.store (local.get $i) (i32.const 0x2c7d7b)) ;; {},
        (local.set $i (i32.add (local.get $i) (i32.const 3)))
        (br_if $next (i32.lt_u (local.get $i) (i32.const 6131072))))
      (i32.store (local.get $i) (i32.const 0x7d5d7d7b)) ;; {}]}
      (call $say (i32.const 131072) (i32.sub (i32.add (local.get $i) (i32.const 4)) (i32.const 131072)))
      (return (i32.const 0))))
    (call $value (i32.const 0))
    (i32.const 0))

  (data (i32.const 0) "{\"ok\":true,\"abi\":1}     ")
  (data (i32.const 32) "{\"ok\":true,\"value\":100,\"repr\":\"\",\"is_final_answer\":false,\"stdout\":\"\",\"stderr\":\"\",\"error\":null,\"withheld\":[]}                                        ")
  (data (i32.const 256) "{\"ok\":true,\"value\":1,\"repr\":\"\",\"is_final_answer\":false,\"stdout\":\"\",\"stderr\":\"\",\"error\":null,\"withheld\":[")
  (data (i32.const 1028) "."))
