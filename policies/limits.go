package policies

import "time"

// Limits is the [limits] table: what one Exec may use. All but Memory begin
// anew with each Exec.
type Limits struct {
	WallTime  time.Duration // time that passes, host calls included
	Fuel      int64         // loop iterations plus function calls of the guest
	Memory    int64         // bytes of linear memory; the host rounds down to whole pages of 64KiB
	Output    int64         // bytes of stdout and stderr together that are kept
	Result    int64         // bytes of the value that comes back, encoded
	HostCalls int64         // calls of capabilities
	Recursion int64         // how deep calls of Python functions may be nested
}

// DefaultLimits returns the limits of a policy that sets none.
func DefaultLimits() Limits {
	return Limits{}.WithDefaults()
}

// WithDefaults returns the limits with the default in place of each one that
// is zero or negative. No limit can be zero in a policy file, so nothing is
// lost by it.
func (l Limits) WithDefaults() Limits {
	for _, limit := range limits {
		if field := limit.field(&l); *field <= 0 {
			*field = limit.byDefault
		}
	}
	return l
}

const (
	kib = 1 << 10
	mib = 1 << 20
	gib = 1 << 30
)

// A limit is one key of a table of limits, which T is, and the values it may have.
type limit[T any] struct {
	name      string
	quantity  quantity
	byDefault int64
	min, max  int64
	doc       string
	unit      string
	field     func(*T) *int64
}

// limitSection makes the keys of a table of limits.
func limitSection[T any](limits []limit[T]) section[T] {
	s := make(section[T], len(limits))
	for i, l := range limits {
		s[i] = key[T]{
			Key: Key{
				Path: l.name, Type: l.quantity.typ, Default: l.quantity.print(l.byDefault),
				Min: l.quantity.print(l.min), Max: l.quantity.print(l.max), Doc: l.doc, Unit: l.unit,
			},
			read: func(c *checker, f field, into *T) { *l.field(into) = c.quantity(f, l.quantity, l.min, l.max) },
		}
		s[i].Example = s[i].literal(s[i].Default)
	}
	return s
}

// limits is the whole of [limits]. The maxima are what the machinery below can
// hold, or else are so far off that only a slip of the pen exceeds them; the
// minima are what any program needs at all.
var limits = []limit[Limits]{
	{
		"wall_time", durations, int64(10 * time.Second), int64(time.Millisecond), int64(24 * time.Hour),
		"How long an Exec may take by the clock, host calls included.",
		"time",
		func(l *Limits) *int64 { return (*int64)(&l.WallTime) },
	},
	{
		"fuel", counts, 5_000_000_000, 100_000, 1_000_000_000_000_000,
		"How many loop iterations and function calls the guest's machine code may execute. The same program uses the same fuel on every machine.",
		"loop iterations and calls",
		func(l *Limits) *int64 { return &l.Fuel },
	},
	{
		// CPython boots in 32MiB. Linear memory ends one page before 4GiB.
		"memory", sizes, 256 * mib, 32 * mib, 4*gib - 64*kib,
		"How large the guest's linear memory may grow, the interpreter included.",
		"bytes",
		func(l *Limits) *int64 { return &l.Memory },
	},
	{
		"output", sizes, 64 * kib, 1 * kib, 16 * mib,
		"How much of stdout and stderr together is kept; the rest is cut with a notice.",
		"bytes",
		func(l *Limits) *int64 { return &l.Output },
	},
	{
		"result", sizes, 1 * mib, 1 * kib, 64 * mib,
		"How large the value that comes back may be, in its encoded form.",
		"bytes",
		func(l *Limits) *int64 { return &l.Result },
	},
	{
		"host_calls", counts, 1_000, 1, 1_000_000_000,
		"How many capabilities may be called.",
		"calls",
		func(l *Limits) *int64 { return &l.HostCalls },
	},
	{
		// Below the minimum the standard library's own modules fail.
		"recursion", counts, 1_000, 100, 100_000,
		"How deep calls of Python functions may be nested; beyond it there is a RecursionError.",
		"calls",
		func(l *Limits) *int64 { return &l.Recursion },
	},
}
