package wasm

// Code builds instructions. Each method appends one or a few and returns the longer code, so that a function reads
// from top to bottom as it would in the text format.
type Code []byte

// Do appends instructions that have no immediates.
func (c Code) Do(ops ...Op) Code {
	for _, op := range ops {
		c = append(c, byte(op))
	}
	return c
}

// Index appends an instruction whose immediate is one index: local.get, call, br, global.set and the like.
func (c Code) Index(op Op, index uint32) Code { return appendU32(append(c, byte(op)), index) }

// Get appends a local.get.
func (c Code) Get(local uint32) Code { return c.Index(OpLocalGet, local) }

// Set appends a local.set.
func (c Code) Set(local uint32) Code { return c.Index(OpLocalSet, local) }

// I32 appends an i32.const.
func (c Code) I32(v int32) Code { return appendSigned(append(c, byte(OpI32Const)), int64(v)) }

// I64 appends an i64.const.
func (c Code) I64(v int64) Code { return appendSigned(append(c, byte(OpI64Const)), v) }

// Access appends a load or a store that is aligned to nothing, at a constant offset from the address.
func (c Code) Access(op Op, offset uint32) Code { return appendU32(append(c, byte(op), 0), offset) }

// InitMemory appends a memory.init from a data segment.
func (c Code) InitMemory(segment uint32) Code {
	return append(appendU32(append(c, 0xfc, 8), segment), 0)
}

// CopyMemory appends a memory.copy.
func (c Code) CopyMemory() Code { return append(c, 0xfc, 10, 0, 0) }

// emptyBlock is the type of a block without parameters and results.
const emptyBlock = 0x40

// Block appends a block, loop or if without parameters and results.
func (c Code) Block(op Op) Code { return append(c, byte(op), emptyBlock) }

// Typed appends a block, loop or if of an encoded type.
func (c Code) Typed(op Op, blockType []byte) Code { return append(append(c, byte(op)), blockType...) }

// BlockType encodes the type of a block without parameters.
func (m *Module) BlockType(results string) []byte {
	switch len(results) {
	case 0:
		return []byte{emptyBlock}
	case 1:
		return []byte{results[0]}
	}
	return appendSigned(nil, int64(m.TypeIndex(FuncType{Results: results})))
}

// BranchTable appends a br_table to labels 0 to n-1, and to label n for all other values.
func (c Code) BranchTable(n uint32) Code {
	c = appendU32(append(c, byte(OpBrTable)), n)
	for i := range n {
		c = appendU32(c, i)
	}
	return appendU32(c, n)
}

// End appends an end.
func (c Code) End() Code { return append(c, byte(OpEnd)) }

// Locals encodes a function's locals, of the given types in their order.
func Locals(types ...byte) []byte {
	return appendVector(nil, types, func(b []byte, t byte) []byte { return append(b, 1, t) })
}
