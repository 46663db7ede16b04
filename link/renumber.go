package link

import (
	"strings"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// renumber gives every mention of function i the index newIndex[i]: in code, exports, elements, globals, the start and
// the name section. Decode has checked that no mention is out of range.
func renumber(m *wasm.Module, newIndex []uint32) {
	namesFunction := func(in wasm.Instruction) bool { return in.Names == wasm.SpaceFunction }
	rename := func(out []byte, in wasm.Instruction) []byte { return wasm.Code(out).Index(in.Op, newIndex[in.Index]) }
	code := func(code []byte) []byte {
		return wasm.Rewrite(make([]byte, 0, len(code)+len(code)/16), code, namesFunction, rename)
	}
	for i := range m.Functions {
		m.Functions[i].Code = code(m.Functions[i].Code)
	}
	for i := range m.Globals {
		m.Globals[i].Init = code(m.Globals[i].Init)
	}
	for i := range m.Elements {
		e := &m.Elements[i]
		for n, f := range e.Functions {
			e.Functions[n] = newIndex[f]
		}
		for n, x := range e.Expressions {
			e.Expressions[n] = code(x)
		}
	}
	for i, e := range m.Exports {
		if e.Kind == wasm.KindFunction {
			m.Exports[i].Index = newIndex[e.Index]
		}
	}
	if m.Start != nil {
		*m.Start = newIndex[*m.Start]
	}
	m.Customs = renumberCustoms(m.Customs, newIndex)
}

// renumberCustoms keeps function names for stack traces, under the new indices, and drops the rest of the name section and
// whatever is malformed in it.
func renumberCustoms(customs []wasm.Custom, newIndex []uint32) []wasm.Custom {
	var kept []wasm.Custom
	for _, c := range stable(customs) {
		if c.Name == wasm.NameSection {
			names, ok := wasm.DecodeNames(c.Data)
			if !ok {
				continue
			}
			var known []wasm.FunctionName
			for _, n := range names {
				if int(n.Index) < len(newIndex) {
					known = append(known, wasm.FunctionName{Index: newIndex[n.Index], Name: n.Name})
				}
			}
			c.Data = wasm.EncodeNames(known)
		}
		kept = append(kept, c)
	}
	return kept
}

// stable drops the custom sections that speak of places in the code, or of a linking that is over: they would be wrong
// once the code has changed.
func stable(customs []wasm.Custom) []wasm.Custom {
	var kept []wasm.Custom
	for _, c := range customs {
		switch {
		case strings.HasPrefix(c.Name, ".debug_"), strings.HasPrefix(c.Name, "reloc."), strings.HasPrefix(c.Name, "metadata.code."),
			c.Name == "linking", c.Name == "sourceMappingURL", c.Name == "external_debug_info":
		default:
			kept = append(kept, c)
		}
	}
	return kept
}
