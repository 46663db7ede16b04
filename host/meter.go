package host

import (
	"context"
	"errors"
	"time"

	"github.com/tetratelabs/wazero/api"

	"github.com/postern-sandbox/postern/link"
)

// A meter is the fuel gauge of one instance: a global that the linked module counts down at each loop iteration and
// function call. When it is below zero, the module calls a function of its own, link.RefuelFunction, which traps if it still
// is. The host listens there and hands out the fuel in slices; at the end of a slice it looks whether the guest must
// stop.
//
// So the guest comes out of its machine code after every slice. That is what makes limits work at all: Go cannot
// interrupt machine code that it has not compiled, and once the garbage collector wants the world to stop, every
// goroutine waits for the guest, those included that would watch a clock and take the fuel away. It also
// means that one goroutine alone touches the gauge.
type meter struct {
	fuel      api.MutableGlobal
	interrupt interrupt
	ctx       context.Context // of the call that runs, nil between calls; the guest stops when it is done
	slice     int64           // fuel that is handed out at once
	reserve   int64           // fuel that is not handed out yet, never negative
	asked     time.Time       // when the guest was asked to stop; zero if it was not
}

// A guest that was asked to stop has so long to notice, which it does between two instructions of Python: one that does not
// is in the middle of a loop in C.
const patience = 20 * time.Millisecond

// grace is how long a guest that has noticed may take: to leave its try statements and to describe where it was.
const grace = 250 * time.Millisecond

// slice is how much fuel is handed out at once. One unit of it is a nanosecond or two of the interpreter, and up to 200 of what has much straight code
// between two charges, such as a hash function: 20 milliseconds at most. A guest that was asked to stop is looked after more often, by so many parts.
const (
	slice      = 100_000
	shortParts = 10
)

// straight is how many bytes of code a plugin may run through in a slice: a tenth of a second of square roots, one a byte.
const straight = 20_000_000

// sliceOf is the slice of a plugin. Its author may have written code that runs for a second between two charges; slices of it are shorter.
func sliceOf(plugin []byte) (int64, error) {
	longest, err := link.LongestFunction(plugin)
	if err != nil {
		return 0, err
	}
	return min(max(straight/int64(max(longest, 1)), 1), slice), nil
}

// noMeter is for the benchmarks: it gives fuel to nobody and stops nobody.
type noMeter struct{ api.MutableGlobal }

func (noMeter) Get() uint64 { return 0 }
func (noMeter) Set(uint64)  {}

func newMeter(mod api.Module, slice int64) (*meter, error) {
	fuel, ok := mod.ExportedGlobal(link.FuelGlobal).(api.MutableGlobal)
	if !ok || fuel.Type() != api.ValueTypeI64 || mod.ExportedFunction(link.RefuelFunction) == nil {
		return nil, errors.New("host: the module is not metered: it does not export " + link.FuelGlobal + " and " + link.RefuelFunction)
	}
	return &meter{fuel: fuel, interrupt: interruptOf(mod), slice: slice}, nil
}

// start gives the guest fuel for a call that ends with ctx.
func (m *meter) start(ctx context.Context, fuel int64) {
	m.ctx, m.asked = ctx, time.Time{}
	m.reserve = max(fuel-m.slice, 0)
	m.set(min(fuel, m.slice))
}

// end is for when the guest has returned: what follows, until the next call is under way, has no deadline. A guest that has finished
// before it noticed that it was to stop must not find the request later, in this session or in one that is made of its memory.
func (m *meter) end() {
	m.ctx = nil
	if !m.asked.IsZero() {
		m.interrupt.withdraw()
	}
}

// refuel hands out the next slice, or what there is. It leaves the gauge below zero when the guest must stop.
func (m *meter) refuel() {
	if m.expired() {
		return
	}
	// One charge can exceed a slice: it takes the fuel for a whole range of memory at once.
	next := m.slice
	if !m.asked.IsZero() {
		next = max(m.slice/shortParts, 1)
	}
	more := min(m.reserve, next+max(0, -m.gauge()))
	m.reserve -= more
	m.set(m.gauge() + more)
}

// expired reports whether the guest must be stopped now.
func (m *meter) expired() bool { return m.ctx != nil && m.ctx.Err() != nil && !m.mayGoOn() }

// mayGoOn asks the guest to stop, and reports whether it may go on for now so that it can.
func (m *meter) mayGoOn() bool {
	if m.asked.IsZero() {
		m.asked = time.Now()
		return m.interrupt.ask()
	}
	if m.interrupt.waiting() {
		return time.Since(m.asked) < patience
	}
	return time.Since(m.asked) < grace
}

// tells reports whether the guest is to learn now that it must stop, from whatever the host is about to tell it: it was asked and has not noticed.
// What it was asked is taken back.
func (m *meter) tells() bool {
	if m.asked.IsZero() || !m.interrupt.waiting() {
		return false
	}
	m.interrupt.withdraw()
	return true
}

// left is the fuel that the guest has not used: negative when it ran out.
func (m *meter) left() int64 { return m.reserve + m.gauge() }

func (m *meter) gauge() int64   { return int64(m.fuel.Get()) }
func (m *meter) set(fuel int64) { m.fuel.Set(uint64(fuel)) }
