;; A start function: it runs before anybody can set the fuel.
(module
  (global $n (mut i32) (i32.const 0))
  (func $begin (loop $again
    (global.set $n (i32.add (global.get $n) (i32.const 1)))
    (br_if $again (i32.lt_u (global.get $n) (i32.const 100)))))
  (func (export "count") (result i32) (global.get $n))
  (start $begin))
