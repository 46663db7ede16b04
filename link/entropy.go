package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// random is (*buffer, length) -> errno: bytes of splitmix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", 2014), the low byte of each number first. The generator is there to be repeatable, not to keep secrets. The
// rest of a number whose bytes were not all wanted is dropped.
func random(s stubs) function {
	const (
		buffer, length = 0, 1 // parameters
		word           = 2
	)
	c := wasm.Code{}.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(length).Do(wasm.OpI32Eqz).Index(wasm.OpBrIf, 1)
	c = s.next(c, word)
	c = c.Get(length).I32(8).Do(wasm.OpI32GeU).Block(wasm.OpIf)
	c = c.Get(buffer).Get(word).Access(wasm.OpI64Store, 0)
	c = advance(c, buffer, length, 8).Index(wasm.OpBr, 1).End()

	// Fewer than eight bytes are left: one by one, and done.
	c = c.Block(wasm.OpLoop)
	c = c.Get(buffer).Get(word).Access(wasm.OpI64Store8, 0)
	c = c.Get(word).I64(8).Do(wasm.OpI64ShrU).Set(word)
	c = advance(c, buffer, length, 1).Get(length).Index(wasm.OpBrIf, 0).End()

	return function{locals: []byte{wasm.I64}, code: c.End().End().I32(errnoSuccess)}
}

// advance moves to the part of a buffer after its first n bytes.
func advance(c wasm.Code, buffer, length uint32, n int32) wasm.Code {
	return c.Get(buffer).I32(n).Do(wasm.OpI32Add).Set(buffer).
		Get(length).I32(n).Do(wasm.OpI32Sub).Set(length)
}

// next sets a local to the generator's next number.
func (s stubs) next(c wasm.Code, word uint32) wasm.Code {
	const golden, first, second = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9, 0x94d049bb133111eb
	c = c.Index(wasm.OpGlobalGet, s.entropy).I64(signed(golden)).Do(wasm.OpI64Add).
		Index(wasm.OpLocalTee, word).Index(wasm.OpGlobalSet, s.entropy)
	c = mix(c, word, 30).I64(signed(first)).Do(wasm.OpI64Mul).Set(word)
	c = mix(c, word, 27).I64(signed(second)).Do(wasm.OpI64Mul).Set(word)
	return mix(c, word, 31).Set(word)
}

// mix pushes word ^ word>>shift.
func mix(c wasm.Code, word uint32, shift int64) wasm.Code {
	return c.Get(word).Get(word).I64(shift).Do(wasm.OpI64ShrU, wasm.OpI64Xor)
}

func signed(bits uint64) int64 { return int64(bits) }
