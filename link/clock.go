package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// Virtual time, in nanoseconds. It passes when somebody looks at the clock, so that a loop that waits for a deadline ends,
// and when somebody sleeps.
const (
	clockEpoch = 1_735_689_600_000_000_000 // 2025-01-01T00:00:00Z, since 1970
	clockTick  = 1_000_000                 // what a look at the clock takes
	clockEnd   = 1 << 62                   // sleep cannot go beyond: 146 years

	clockRealtime = 0
	clockLast     = 3 // monotonic, process and thread are 1, 2 and 3
)

// clockResolution is (clock, *resolution) -> errno.
func clockResolution(stubs) function {
	return function{code: checkClock(wasm.Code{}).
		Get(1).I64(clockTick).Access(wasm.OpI64Store, 0).
		I32(errnoSuccess)}
}

// clockTime is (clock, precision, *time) -> errno.
func clockTime(s stubs) function {
	return function{code: s.now(checkClock(wasm.Code{}).Get(2), 0).
		Access(wasm.OpI64Store, 0).
		Index(wasm.OpGlobalGet, s.clock).I64(clockTick).Do(wasm.OpI64Add).Index(wasm.OpGlobalSet, s.clock).
		I32(errnoSuccess)}
}

// checkClock returns EINVAL when local 0 is not a clock.
func checkClock(c wasm.Code) wasm.Code {
	return c.Get(0).I32(clockLast).Do(wasm.OpI32GtU).
		Block(wasm.OpIf).I32(errnoInval).Do(wasm.OpReturn).End()
}

// now pushes the time of the clock that a local names.
func (s stubs) now(c wasm.Code, clock uint32) wasm.Code {
	return c.Index(wasm.OpGlobalGet, s.clock).
		I64(0).I64(clockEpoch).Get(clock).Do(wasm.OpSelect).
		Do(wasm.OpI64Add)
}

// sleep lets the time in a local pass; the local is changed. A clock that has reached its end stands still, and never
// goes back.
func (s stubs) sleep(c wasm.Code, wait, room uint32) wasm.Code {
	c = c.I64(clockEnd).Index(wasm.OpGlobalGet, s.clock).Do(wasm.OpI64Sub).Set(room)
	c = c.Get(room).I64(0).Get(room).I64(0).Do(wasm.OpI64GtS, wasm.OpSelect).Set(room)
	c = smaller(c, wait, room)
	return c.Index(wasm.OpGlobalGet, s.clock).Get(wait).Do(wasm.OpI64Add).Index(wasm.OpGlobalSet, s.clock)
}

// smaller sets local a to the smaller of a and b, as unsigned numbers.
func smaller(c wasm.Code, a, b uint32) wasm.Code {
	return c.Get(a).Get(b).Get(a).Get(b).Do(wasm.OpI64LtU, wasm.OpSelect).Set(a)
}
