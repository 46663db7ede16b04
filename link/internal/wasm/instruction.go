package wasm

// Space is an index space that link adds to.
type Space uint8

// The spaces; SpaceNone means that an instruction names nothing in any of the others.
const (
	SpaceNone Space = iota
	SpaceType
	SpaceFunction
	SpaceGlobal
	spaces
)

func (s Space) String() string { return [...]string{"nothing", "type", "function", "global"}[s] }

// Instruction is one instruction of a piece of code.
type Instruction struct {
	Op         Op
	Start, End int // where it is in the code
	Names      Space
	Index      uint32 // in the space that it names
	Label      uint32 // of a branch: the outermost label that it names
}

// instruction reads one instruction. It does not compare the index with anything.
func (r *reader) instruction() (in Instruction) {
	in.Start = r.pos
	if r.more() && plainShapes[r.data[r.pos]] == nothing { // the common case, before all else
		in.Op = Op(r.data[r.pos])
		r.pos++
		in.End = r.pos
		return in
	}
	first := r.byte()
	in.Op = Op(first)
	shape := plainShapes[first]
	if first == 0xfc || first == 0xfd {
		shape = r.secondOpcode(&in)
	}
	if shape == unknown {
		r.failAt(in.Start, "unknown instruction 0x%02x", first)
	}
	if shape != nothing {
		r.immediates(shape, &in)
	}
	in.End = r.pos
	return in
}

// secondOpcode reads what follows the prefix of in. It must be in its shortest form: wazero looks at its first byte only,
// so that a longer one would be one instruction to us and another to wazero, and could hide code from us.
func (r *reader) secondOpcode(in *Instruction) shape {
	second := r.u32()
	table := &bulkShapes
	if in.Op == 0xfd {
		table = &simdShapes
	}
	if second > 0xff || table[second] == unknown {
		r.failAt(in.Start, "unknown instruction 0x%02x 0x%02x", uint16(in.Op), second)
		return unknown
	}
	if length := r.pos - in.Start; length > 2 && second < 0x80 || length > 3 {
		r.failAt(in.Start, "opcode 0x%02x 0x%02x is not in its shortest form", uint16(in.Op), second)
	}
	in.Op = in.Op<<8 | Op(second)
	return table[second]
}

func (r *reader) immediates(s shape, in *Instruction) {
	switch s {
	case blockType:
		r.blockType(in)
	case index:
		r.u32()
	case function:
		in.Names, in.Index = SpaceFunction, r.u32()
	case global:
		in.Names, in.Index = SpaceGlobal, r.u32()
	case label:
		in.Label = r.u32()
	case labels:
		for n := r.count("labels"); n > 0 && r.err == nil; n-- {
			in.Label = max(in.Label, r.u32())
		}
		in.Label = max(in.Label, r.u32())
	case indirect:
		in.Names, in.Index = SpaceType, r.u32()
		r.u32()
	case valueTypes:
		for n := r.count("types"); n > 0 && r.err == nil; n-- {
			r.valueType()
		}
	case heapType:
		r.refType()
	case memory:
		r.memoryZero()
	case memories:
		r.memoryZero()
		r.memoryZero()
	case memoryData:
		r.u32()
		r.memoryZero()
	case tables:
		r.u32()
		r.u32()
	case memoryAccess:
		r.memoryAccess()
	case accessLane:
		r.memoryAccess()
		r.byte()
	case lane:
		r.byte()
	case int32Value:
		r.signed(32)
	case int64Value:
		r.signed(64)
	case bytes4:
		r.bytes(4)
	case bytes8:
		r.bytes(8)
	case bytes16:
		r.bytes(16)
	}
}

// blockType reads a block's type: empty, one value type, or the index of a function type as a 33-bit integer.
func (r *reader) blockType(in *Instruction) {
	start := r.pos
	switch v := r.signed(33); {
	case v >= 0:
		in.Names, in.Index = SpaceType, uint32(v)
	case r.err != nil:
	case r.pos-start > 1:
		r.failAt(start, "unknown block type")
	case v != -64: // 0x40: empty
		r.pos = start
		r.valueType()
	}
}

func (r *reader) memoryZero() {
	start := r.pos
	if r.byte() != 0 {
		r.failAt(start, "more than one memory is not supported")
	}
}

func (r *reader) memoryAccess() {
	start := r.pos
	if align := r.u32(); align >= 32 { // bit 6 would announce a memory's index
		r.failAt(start, "alignment 2^%d is not supported", align)
	}
	r.u32()
}

// MapLabels appends a branch with every label changed. The branch is one of code that has been decoded before.
func MapLabels(out, code []byte, in Instruction, change func(label uint32) uint32) []byte {
	r := &reader{data: code, pos: in.Start + 1, end: in.End}
	out = append(out, byte(in.Op))
	if in.Op == OpBrTable {
		out = appendU32(out, r.u32())
	}
	for r.more() {
		out = appendU32(out, change(r.u32()))
	}
	return out
}

// Rewrite appends code that has been decoded before to out. Where touches says so, edit appends something in the place of
// the instruction; all others are copied as they are.
func Rewrite(out, code []byte, touches func(Instruction) bool, edit func(out []byte, in Instruction) []byte) []byte {
	r := &reader{data: code, end: len(code)}
	copied := 0
	for r.more() {
		if in := r.instruction(); touches(in) {
			out = edit(append(out, code[copied:in.Start]...), in)
			copied = in.End
		}
	}
	return append(out, code[copied:]...)
}

// Uses reports whether any function has an instruction that is asked for.
func (m *Module) Uses(asked func(Op) bool) bool {
	for _, f := range m.Functions {
		for r := (&reader{data: f.Code, end: len(f.Code)}); r.more(); {
			if asked(r.instruction().Op) {
				return true
			}
		}
	}
	return false
}
