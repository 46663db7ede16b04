package wasm

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
