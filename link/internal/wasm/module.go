// Package wasm decodes a WebAssembly 2.0 module as far as package link must understand it, and encodes it again.
//
// It checks the structure of a module and every index into a space that link extends (types, functions and globals),
// so that code which names nothing today cannot name something that link adds. It does not check types: whoever compiles
// the result does. What link never changes (tables, memories, data) is checked and kept as the bytes it came in.
package wasm

// The value types of WebAssembly 2.0.
const (
	I32       byte = 0x7f
	I64       byte = 0x7e
	F32       byte = 0x7d
	F64       byte = 0x7c
	V128      byte = 0x7b
	FuncRef   byte = 0x70
	ExternRef byte = 0x6f
)

// The kinds of imports and exports.
const (
	KindFunction byte = iota
	KindTable
	KindMemory
	KindGlobal
)

// FuncType is a function's type. Both fields hold one value type a byte; being strings, they compare with ==.
type FuncType struct{ Params, Results string }

// Limits are the size of a table (in elements) or a memory (in pages of 64 KiB). Max counts only when HasMax.
type Limits struct {
	Min, Max uint32
	HasMax   bool
}

// Import is one entry of the import section.
type Import struct {
	Module, Name string
	Kind         byte
	Type         uint32 // of a function: index into Module.Types
	Value        byte   // of a table or a global: the type of what it holds
	Mutable      bool   // of a global
	Limits       Limits // of a table or a memory
}

// Function is a function that the module defines.
type Function struct {
	Type   uint32 // index into Module.Types
	Locals []byte // the encoded vector of locals
	Code   []byte // instructions, the last of which is the function's end
}

// Table is a table that the module defines.
type Table struct {
	Type   byte
	Limits Limits
}

// Global is a global that the module defines.
type Global struct {
	Type    byte
	Mutable bool
	Init    []byte // a constant expression with its end
}

// Export is one entry of the export section.
type Export struct {
	Name  string
	Kind  byte
	Index uint32
}

// Element is one segment of the element section; its fields follow the binary format's eight forms.
type Element struct {
	Form        uint32
	Table       uint32   // forms 2 and 6
	Offset      []byte   // forms 0, 2, 4 and 6: a constant expression with its end
	Type        byte     // forms 1, 2 and 3: element kind; 5, 6 and 7: reference type
	Functions   []uint32 // forms 0 to 3
	Expressions [][]byte // forms 4 to 7: constant expressions with their ends
}

// Vector is a section that is kept as it came: how many entries it has and their bytes.
type Vector struct {
	Count uint32
	Bytes []byte
}

// Custom is a custom section.
type Custom struct {
	Name string
	Data []byte
}

// Module is a decoded module. Byte slices are parts of the decoded input and must not be written to.
type Module struct {
	Types     []FuncType
	Imports   []Import
	Functions []Function
	Tables    []Table
	Memories  Vector
	Globals   []Global
	Exports   []Export
	Start     *uint32
	Elements  []Element
	DataCount *uint32
	Data      Vector
	Customs   []Custom // in their order; they are encoded after all others
}

// imported counts the imports of one kind: the first indices of that kind's index space.
func (m *Module) imported(kind byte) uint32 {
	var n uint32
	for _, i := range m.Imports {
		if i.Kind == kind {
			n++
		}
	}
	return n
}

// FunctionCount is the size of the function index space: imported functions first, then defined ones.
func (m *Module) FunctionCount() uint32 {
	return m.imported(KindFunction) + uint32(len(m.Functions))
}

// GlobalCount is the size of the global index space.
func (m *Module) GlobalCount() uint32 { return m.imported(KindGlobal) + uint32(len(m.Globals)) }

// MemoryCount is the number of memories, imported or defined.
func (m *Module) MemoryCount() uint32 { return m.imported(KindMemory) + m.Memories.Count }

// TypeIndex returns the index of a function type, adding it when the module has none that is equal.
func (m *Module) TypeIndex(t FuncType) uint32 {
	for i, have := range m.Types {
		if have == t {
			return uint32(i)
		}
	}
	m.Types = append(m.Types, t)
	return uint32(len(m.Types) - 1)
}
