package wasm

import (
	"cmp"
	"slices"
)

// NameSection is the name of the custom section that names functions for stack traces.
const NameSection = "name"

// FunctionName is one function's name in the name section.
type FunctionName struct {
	Index uint32
	Name  string
}

// functionNames is the part of the name section that names functions.
const functionNames byte = 1

// DecodeNames reads the function names out of a name section. The section is information only: ok is false when it is malformed.
func DecodeNames(data []byte) (names []FunctionName, ok bool) {
	r := &reader{data: data, end: len(data)}
	for r.more() {
		id := r.byte()
		part := r.part(r.u32())
		if id == functionNames && part.err == nil {
			for n := part.count("names"); n > 0 && part.err == nil; n-- {
				names = append(names, FunctionName{part.u32(), part.name()})
			}
			r.finish(part, "function names")
		}
	}
	return names, r.err == nil
}

// EncodeNames writes a name section that names functions only.
func EncodeNames(names []FunctionName) []byte {
	names = slices.Clone(names)
	slices.SortFunc(names, func(a, b FunctionName) int { return cmp.Compare(a.Index, b.Index) })
	part := appendVector(nil, names, func(b []byte, n FunctionName) []byte {
		return appendBytes(appendU32(b, n.Index), n.Name)
	})
	return appendBytes([]byte{functionNames}, part)
}
