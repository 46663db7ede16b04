package link

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// An Answer is what a granted function always answers, whatever it is asked.
type Answer struct {
	Function string // as a symbol, "math_sqrt"
	JSON     []byte // as docs/abi.md has it: {"ok": …} and the like
}

// answersLimit bounds all answers of a module, in bytes.
const answersLimit = 64 << 20

// Answers returns a module that provides UserModule to a linked guest in the place of a host's functions: it exports each function by its symbol, and gives
// its answer in a block of Extism's. It imports extism:host/env::alloc and store_u64. Functions have their names in the name section too, since some of
// Extism's SDKs link by those.
func Answers(answers []Answer) ([]byte, error) {
	symbols := make([]string, len(answers))
	for i, a := range answers {
		symbols[i] = a.Function
	}
	ordered, err := Order(symbols)
	if err != nil {
		return nil, err
	}
	m := new(wasm.Module)
	handle := m.TypeIndex(wasm.FuncType{Params: string([]byte{wasm.I64}), Results: string([]byte{wasm.I64})})
	store := m.TypeIndex(wasm.FuncType{Params: string([]byte{wasm.I64, wasm.I64})})
	say := m.TypeIndex(wasm.FuncType{Params: string([]byte{wasm.I32, wasm.I32}), Results: string([]byte{wasm.I64})})
	m.Imports = []wasm.Import{
		{Module: kernelModule, Name: "alloc", Kind: wasm.KindFunction, Type: handle},
		{Module: kernelModule, Name: "store_u64", Kind: wasm.KindFunction, Type: store},
	}
	const alloc, storeWord, sayFunction = 0, 1, 2
	m.Functions = []wasm.Function{{Type: say, Locals: wasm.Locals(wasm.I64, wasm.I32), Code: sayWords(alloc, storeWord).End()}}
	names := []wasm.FunctionName{{Index: alloc, Name: "alloc"}, {Index: storeWord, Name: "store_u64"}, {Index: sayFunction, Name: "say"}}

	var data []byte
	for _, symbol := range ordered {
		json := answers[slices.Index(symbols, symbol)].JSON
		switch {
		case len(json) == 0:
			return nil, fmt.Errorf("link: the answer of %q is empty", symbol)
		case len(data)+len(json) > answersLimit:
			return nil, errors.New("link: the answers have more than 64 MiB")
		}
		// Spaces after JSON mean nothing, and whole words can be stored.
		padded := append(bytes.Clone(json), bytes.Repeat([]byte{' '}, -len(json)&7)...)
		index := m.FunctionCount()
		code := wasm.Code{}.I32(int32(len(data))).I32(int32(len(padded))).Index(wasm.OpCall, sayFunction).End()
		m.Functions = append(m.Functions, wasm.Function{Type: handle, Locals: wasm.Locals(), Code: code})
		m.Exports = append(m.Exports, wasm.Export{Name: symbol, Kind: wasm.KindFunction, Index: index})
		names = append(names, wasm.FunctionName{Index: index, Name: symbol})
		data = append(data, padded...)
	}
	pages := uint32((len(data) + pageSize - 1) / pageSize)
	m.SetMemoryLimits(wasm.Limits{Min: pages, Max: pages, HasMax: true})
	m.SetSegments([]wasm.Segment{{Offset: wasm.Code{}.I32(0).End(), Bytes: data}})
	m.Customs = []wasm.Custom{{Name: wasm.NameSection, Data: wasm.EncodeNames(names)}}
	return m.Encode(), nil
}

// sayWords is (address, length) -> handle of a block of Extism's with those bytes, whole words of them, or 0.
func sayWords(alloc, store uint32) wasm.Code {
	const at, length, handle, i = 0, 1, 2, 3
	c := wasm.Code{}.Get(length).Do(wasm.OpI64ExtendU).Index(wasm.OpCall, alloc).Index(wasm.OpLocalTee, handle).Do(wasm.OpI64Eqz)
	c = c.Block(wasm.OpIf).I64(0).Do(wasm.OpReturn).End()
	c = c.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(i).Get(length).Do(wasm.OpI32GeU).Index(wasm.OpBrIf, 1)
	c = c.Get(handle).Get(i).Do(wasm.OpI64ExtendU, wasm.OpI64Add)
	c = c.Get(at).Get(i).Do(wasm.OpI32Add).Access(wasm.OpI64Load, 0).Index(wasm.OpCall, store)
	return advanceBy(c, i, 8).Index(wasm.OpBr, 0).End().End().Get(handle)
}
