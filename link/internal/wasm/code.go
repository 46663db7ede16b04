package wasm

// sizes are the number of types, functions and globals of a module.
type sizes [spaces]uint32

func (r *reader) checkIndex(in Instruction, have sizes) {
	if in.Names != SpaceNone && in.Index >= have[in.Names] {
		r.failAt(in.Start, "%s %d of %d", in.Names, in.Index, have[in.Names])
	}
}

// code reads instructions to the end of r, which must be the end of the function. Blocks are counted, not recursed
// into: nesting costs nothing.
func (r *reader) code(have sizes) []byte {
	start := r.pos
	for depth := uint32(1); depth > 0 && r.err == nil; {
		in := r.instruction()
		r.checkIndex(in, have)
		switch in.Op {
		case OpBr, OpBrIf, OpBrTable:
			if in.Label >= depth {
				r.failAt(in.Start, "label %d of %d", in.Label, depth)
			}
		case OpBlock, OpLoop, OpIf:
			depth++
		case OpEnd:
			depth--
		}
	}
	return r.data[start:r.pos:r.pos]
}

// constant reads a constant expression with its end.
func (r *reader) constant(have sizes) []byte {
	start := r.pos
	for r.err == nil {
		in := r.instruction()
		r.checkIndex(in, have)
		switch in.Op {
		case OpI32Const, OpI64Const, OpF32Const, OpF64Const, OpV128Const, OpRefNull, OpRefFunc, OpGlobalGet:
		case OpEnd:
			return r.data[start:r.pos:r.pos]
		default:
			r.failAt(in.Start, "instruction 0x%02x in a constant expression", uint16(in.Op))
		}
	}
	return nil
}

// locals reads the vector of a function's locals and returns its bytes. total counts those of the whole module.
func (r *reader) locals(total *uint64) []byte {
	start := r.pos
	var here uint64
	for n := r.count("groups of locals"); n > 0 && r.err == nil; n-- {
		here += uint64(r.u32())
		r.valueType()
	}
	*total += here
	if here > MaxLocals {
		r.failAt(start, "%d locals, more than %d", here, MaxLocals)
	}
	if *total > MaxAllLocals {
		r.failAt(start, "more than %d locals in all functions", MaxAllLocals)
	}
	return r.data[start:r.pos:r.pos]
}
