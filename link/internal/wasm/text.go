package wasm

import (
	"fmt"
	"strings"
)

var typeNames = map[byte]string{I32: "i32", I64: "i64", F32: "f32", F64: "f64", V128: "v128", FuncRef: "funcref", ExternRef: "externref"}

// TypeName is a value type's name in the text format.
func TypeName(t byte) string { return typeNames[t] }

// String gives the type as "(i32 i64) -> i64"; several results or none are in parentheses.
func (t FuncType) String() string {
	results := names(t.Results)
	if len(t.Results) != 1 {
		results = "(" + results + ")"
	}
	return "(" + names(t.Params) + ") -> " + results
}

func names(types string) string {
	list := make([]string, len(types))
	for i := range len(types) {
		list[i] = TypeName(types[i])
	}
	return strings.Join(list, " ")
}

// String gives the limits as "1..2", or "1.." without a maximum.
func (l Limits) String() string {
	if !l.HasMax {
		return fmt.Sprintf("%d..", l.Min)
	}
	return fmt.Sprintf("%d..%d", l.Min, l.Max)
}
