(module (import "m" "g" (global $g i32)) (memory 1) (data (global.get $g) "x"))
