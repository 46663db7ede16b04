;; Imports more than any policy grants, under names that would redraw a terminal.
(module
 (import "extism:host/env" "http_request" (func (param i64 i64) (result i64)))
 (import "env" "x\1b[1A\1b[2K\0a\09evil\0aextism:host/env\09alloc" (func (param i64) (result i64)))
 (import "extism:host/user" "math_sqrt" (func (param i64) (result i64)))
)
