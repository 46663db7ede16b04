(module (memory 1) (func $f) (start $f))
