package link

import (
	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// relink replaces the imports of a base guest that checkBase has passed: its placeholder by the granted functions and a
// dispatcher, its WASI functions that are not kept by stubs.
func relink(m *wasm.Module, functions []string, kept map[string]bool) {
	global := stubs{clock: addState(m, ClockGlobal, 0), entropy: addState(m, EntropyGlobal, 0)}
	var firstGrant uint32
	for _, i := range m.Imports {
		if i.Module != placeholderModule && (i.Module != wasiModule || kept[i.Name]) {
			firstGrant++
		}
	}
	replaceImports(m, functions, func(i wasm.Import) (function, bool) {
		switch {
		case i.Module == placeholderModule:
			return dispatcher(firstGrant, uint32(len(functions))), true
		case i.Module == wasiModule && !kept[i.Name]:
			return global.function(i.Name), true
		}
		return function{}, false
	})
}

// replaceImports puts generated functions in the place of the imports for which there is one, all of which are functions, and adds imports of the granted functions.
//
// The function index space becomes: kept imports, granted functions, the module's own functions, generated functions.
// Generated ones are in the order of the imports that they replace.
func replaceImports(m *wasm.Module, granted []string, generate func(wasm.Import) (function, bool)) {
	old := m.Imports
	own := uint32(len(m.Functions))

	var replaced []uint32
	var bodies []function
	newIndex := make([]uint32, m.FunctionCount())
	m.Imports = make([]wasm.Import, 0, len(old)+len(granted))
	for n, i := range old {
		if body, ok := generate(i); ok {
			replaced, bodies = append(replaced, uint32(n)), append(bodies, body)
			continue
		}
		newIndex[n] = uint32(len(m.Imports))
		m.Imports = append(m.Imports, i)
	}
	if len(granted) > 0 {
		grant := m.TypeIndex(wasm.FuncType{Params: string([]byte{wasm.I64}), Results: string([]byte{wasm.I64})})
		for _, f := range granted {
			m.Imports = append(m.Imports, wasm.Import{Module: UserModule, Name: f, Kind: wasm.KindFunction, Type: grant})
		}
	}
	firstOwn := uint32(len(m.Imports))
	for n := range own {
		newIndex[uint32(len(old))+n] = firstOwn + n
	}
	for n, r := range replaced {
		newIndex[r] = firstOwn + own + uint32(n)
	}

	renumber(m, newIndex)
	for n, r := range replaced {
		m.Functions = append(m.Functions, wasm.Function{Type: old[r].Type, Locals: wasm.Locals(bodies[n].locals...), Code: bodies[n].code.End()})
	}
}

// addState appends a mutable i64 global and exports it. No code that m has can name it: Decode refused indices beyond the
// globals there were.
func addState(m *wasm.Module, name string, initial int64) uint32 {
	index := m.GlobalCount()
	m.Globals = append(m.Globals, wasm.Global{Type: wasm.I64, Mutable: true, Init: wasm.Code{}.I64(initial).End()})
	m.Exports = append(m.Exports, wasm.Export{Name: name, Kind: wasm.KindGlobal, Index: index})
	return index
}

// dispatcher is the body of (index i32, handle i64) -> i64: it calls import number first+index, and traps when there are
// only n.
func dispatcher(first, n uint32) function {
	var c wasm.Code
	for range n + 1 {
		c = c.Block(wasm.OpBlock)
	}
	c = c.Get(0).BranchTable(n).End()
	for i := range n {
		c = c.Get(1).Index(wasm.OpCall, first+i).Do(wasm.OpReturn).End()
	}
	return function{code: c.Do(wasm.OpUnreachable)}
}
