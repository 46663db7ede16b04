package wasm

import "encoding/binary"

// Segment is one data segment. Offset is its constant expression with its end; nil means that it is passive.
type Segment struct {
	Offset []byte
	Bytes  []byte
}

// Segments reads the data section of a module that Decode has accepted.
func (m *Module) Segments() []Segment {
	r := &reader{data: m.Data.Bytes, end: len(m.Data.Bytes)}
	segments := make([]Segment, 0, m.Data.Count)
	for range m.Data.Count {
		var s Segment
		switch form := r.u32(); form {
		case 2: // active, of a memory that is named
			r.u32()
			fallthrough
		case 0:
			start := r.pos
			for r.more() && r.data[r.pos] != byte(OpEnd) {
				r.byte()
				r.signed(64)
			}
			r.byte()
			s.Offset = r.data[start:r.pos]
		}
		s.Bytes = r.bytes(r.count("bytes"))
		segments = append(segments, s)
	}
	return segments
}

// SetSegments replaces the data section. The number of segments must stay: code names them by their index.
func (m *Module) SetSegments(segments []Segment) {
	var b []byte
	for _, s := range segments {
		if s.Offset == nil {
			b = appendU32(b, 1)
		} else {
			b = append(appendU32(b, 0), s.Offset...)
		}
		b = appendBytes(b, s.Bytes)
	}
	m.Data = Vector{Count: uint32(len(segments)), Bytes: b}
}

// ConstI32 is the value of a constant expression that is an i32.const alone.
func ConstI32(expression []byte) (value uint32, ok bool) {
	if len(expression) < 3 || expression[0] != byte(OpI32Const) {
		return 0, false
	}
	r := &reader{data: expression, pos: 1, end: len(expression)}
	v := r.signed(32)
	if r.byte() != byte(OpEnd) || r.err != nil || r.pos != r.end {
		return 0, false
	}
	return uint32(int32(v)), true
}

// Constant is the constant expression, with its end, of a number of a type, whose bits are given. ok is false for a type that is no number.
func Constant(valueType byte, bits uint64) (expression []byte, ok bool) {
	switch valueType {
	case I32:
		return Code{}.I32(int32(uint32(bits))).End(), true
	case I64:
		return Code{}.I64(int64(bits)).End(), true
	case F32:
		return Code(binary.LittleEndian.AppendUint32([]byte{byte(OpF32Const)}, uint32(bits))).End(), true
	case F64:
		return Code(binary.LittleEndian.AppendUint64([]byte{byte(OpF64Const)}, bits)).End(), true
	}
	return nil, false
}

// SetMemoryLimits replaces the memories that the module defines by one.
func (m *Module) SetMemoryLimits(l Limits) {
	m.Memories = Vector{Count: 1, Bytes: appendLimits(nil, l)}
}

// MemoryLimits are the limits of the one memory that the module defines.
func (m *Module) MemoryLimits() (l Limits, ok bool) {
	if m.Memories.Count != 1 {
		return Limits{}, false
	}
	r := &reader{data: m.Memories.Bytes, end: len(m.Memories.Bytes)}
	l = r.limits()
	return l, r.err == nil
}
