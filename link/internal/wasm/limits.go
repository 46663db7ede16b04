package wasm

import "fmt"

// A few bytes of a module can make whoever compiles or runs it allocate gigabytes. These limits are far above what compilers
// produce, and keep that small. Memories have limits of their own, which the host sets.
const (
	MaxLocals    = 50_000     // locals of one function, as the JavaScript API has it
	MaxAllLocals = 10_000_000 // locals of all functions
	MaxTables    = 16
	MaxElements  = 1_000_000 // of one table
)

// CapTables lowers the maximum of each table that the module defines to MaxElements, so that it cannot grow beyond.
func (m *Module) CapTables() {
	for i := range m.Tables {
		l := &m.Tables[i].Limits
		if !l.HasMax || l.Max > MaxElements {
			l.Max, l.HasMax = MaxElements, true
		}
	}
}

// ShareTables lowers the maximum of each table that the module defines so that all of them together cannot grow beyond MaxElements. It fails when they begin with more.
func (m *Module) ShareTables() error {
	total := uint64(0)
	for i := range m.Tables {
		total += uint64(m.Tables[i].Limits.Min)
	}
	if total > MaxElements {
		return fmt.Errorf("its tables have %d elements, more than %d", total, MaxElements)
	}
	for i := range m.Tables {
		l := &m.Tables[i].Limits
		most := l.Min + uint32((MaxElements-total)/uint64(len(m.Tables)))
		if !l.HasMax || l.Max > most {
			l.Max, l.HasMax = most, true
		}
	}
	return nil
}
