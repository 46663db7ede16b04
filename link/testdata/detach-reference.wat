(module (memory 1) (func $f) (global (mut i32) (i32.const 1)) (global (mut funcref) (ref.func $f)) (elem declare func $f))
