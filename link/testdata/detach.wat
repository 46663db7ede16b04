;; State in every form: an active and a passive data segment, a mutable global.
(module
  (memory (export "memory") 1)
  (data (i32.const 8) "\2a\00\00\00")
  (data $passive "\07")
  (global $g (mut i32) (i32.const 5))
  (func (export "load") (result i32) (i32.load (i32.const 8)))
  (func (export "passive") (result i32)
    (memory.init $passive (i32.const 100) (i32.const 0) (i32.const 1))
    (i32.load8_u (i32.const 100)))
  (func (export "bump") (result i32)
    (global.set $g (i32.add (global.get $g) (i32.const 1)))
    (global.get $g)))
