(module (import "m" "m" (memory 1)))
