package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// A charge is a subtraction and a look at the sign. What follows a negative sign happens once in many thousands of times, but it
// is a call, and where a call comes back into the code, a compiler must keep whatever is alive there in memory. That
// costs more than the charge itself. So the way of a charge that fails never comes back to where it left: it goes around
// and makes the charge again. In a function,
//
//	block $unpaid
//	  block $body
//	    (charge) (br_if $unpaid (negative))
//	    …
//	  end
//	  return
//	end
//	(refuel) (give the unit back) (call itself with the same arguments)
//
// and in a loop,
//
//	block $done
//	  loop $again
//	    block $unpaid
//	      loop $loop
//	        (charge) (br_if $unpaid (negative))
//	        …
//	      end
//	      br $done
//	    end
//	    (refuel) (give the unit back)
//	    br $again
//	  end
//	  unreachable
//	end
//
// Both put the rare way behind the frequent one, which is then straight. An argument has not been changed where a
// function's charge is made, and a loop begins again with the locals that it had: nothing else is alive in either place. A loop that takes
// parameters from the stack has them there, though; it calls from within. So does a function of very many parameters, which would make
// the module many times as long as it was.

// manyParameters is how many a function may have that calls itself again.
const manyParameters = 32

// weaver meters one function.
type weaver struct {
	*meter
	code []byte
	// open are the blocks of the original that are open, and depth counts those that are open in the output. The function is
	// the first of both.
	open  []openBlock
	depth uint32
}

// openBlock is a block of the original in the output.
type openBlock struct {
	depth uint32 // how many blocks are open there, it included
	loop  bool   // it is a loop with blocks around it
}

// function returns the metered code of f, whose index is given.
func (t *meter) function(f *wasm.Function, index uint32) []byte {
	w := &weaver{meter: t, code: f.Code}
	signature := t.m.Types[f.Type]
	out := make(wasm.Code, 0, len(f.Code)+len(f.Code)/2+64)
	if len(signature.Params) > manyParameters {
		w.begin(1, false)
		return wasm.Rewrite(t.ifRefuel(t.charge(out)), f.Code, woven, w.instruction)
	}
	out = out.Block(wasm.OpBlock).Typed(wasm.OpBlock, t.m.BlockType(signature.Results))
	w.begin(3, false)
	out = t.charge(out).Index(wasm.OpBrIf, 1)
	out = wasm.Rewrite(out, f.Code, woven, w.instruction)
	out = t.refuelAndGiveBack(out.Do(wasm.OpReturn).End())
	for i := range signature.Params {
		out = out.Get(uint32(i))
	}
	return out.Index(wasm.OpCall, index).End()
}

// woven says whether an instruction takes fuel, or has to do with blocks.
func woven(in wasm.Instruction) bool {
	switch in.Op {
	case wasm.OpBlock, wasm.OpLoop, wasm.OpIf, wasm.OpEnd, wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable:
		return true
	}
	return rangeCost(in.Op) != 0
}

func (w *weaver) instruction(out []byte, in wasm.Instruction) []byte {
	instruction := w.code[in.Start:in.End]
	switch in.Op {
	case wasm.OpBlock, wasm.OpIf:
		w.begin(1, false)
		return append(out, instruction...)
	case wasm.OpLoop:
		return w.loop(out, in, instruction)
	case wasm.OpEnd:
		return w.end(out)
	case wasm.OpBr, wasm.OpBrIf, wasm.OpBrTable:
		return wasm.MapLabels(out, w.code, in, w.label)
	}
	return append(wasm.Code(out).Index(wasm.OpCall, w.rangeCharge(rangeCost(in.Op))), instruction...)
}

// begin notes that a block of the original begins as the last of some that begin in the output.
func (w *weaver) begin(blocks uint32, loop bool) {
	w.depth += blocks
	w.open = append(w.open, openBlock{w.depth, loop})
}

// label is what a label of the original is called in the output.
func (w *weaver) label(label uint32) uint32 {
	return w.depth - w.open[len(w.open)-1-int(label)].depth
}

func (w *weaver) loop(out []byte, in wasm.Instruction, instruction []byte) wasm.Code {
	if in.Names == wasm.SpaceType && w.m.Types[in.Index].Params != "" {
		w.begin(1, false)
		return w.ifRefuel(w.charge(append(out, instruction...)))
	}
	w.begin(4, true)
	c := wasm.Code(out).Typed(wasm.OpBlock, instruction[1:]).Block(wasm.OpLoop).Block(wasm.OpBlock)
	return w.charge(append(c, instruction...)).Index(wasm.OpBrIf, 1)
}

func (w *weaver) end(out []byte) wasm.Code {
	last := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	c := wasm.Code(out).End()
	if !last.loop {
		w.depth--
		return c
	}
	w.depth -= 4
	c = w.refuelAndGiveBack(c.Index(wasm.OpBr, 2).End())
	return c.Index(wasm.OpBr, 0).End().Do(wasm.OpUnreachable).End()
}
