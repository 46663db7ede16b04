package link

import (
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// InitializeFunction is what Detach makes of the export _initialize.
const InitializeFunction = reserved + "initialize"

// StateGlobal returns the name under which Detach exports a mutable global of the module, counted from 0.
func StateGlobal(n int) string { return fmt.Sprintf("%s%d", statePrefix, n) }

const statePrefix = reserved + "state."

// imageLimit bounds a module's initial memory, in bytes.
const imageLimit = 256 << 20

const pageSize = 64 << 10

// Detached is a module apart from what its memory begins with. Together they are the module that they came from; the host
// puts them together, or puts the memory of an instance that has already run in the place of the initial one.
type Detached struct {
	Module []byte
	Memory []byte // the initial contents of the memory: a whole number of pages
	State  int    // how many mutable globals there are; see StateGlobal

	// Hidden says that the module's code can change state that is neither in its memory nor in its globals: its tables, or
	// which segments it has dropped. Such an instance cannot be put back to what it was.
	Hidden bool
}

// Detach takes the active data segments out of a module and exports all of its state: every mutable global under the
// name that StateGlobal gives it. The export _initialize is renamed to InitializeFunction, so that nobody calls it who only
// follows the convention. The module's memory must be its own, and its mutable globals numbers of at most 64 bits.
//
// If code names data segments, they stay in the module, empty and passive, which is what an active segment is after instantiation.
// If it does not, all of them go: an instance costs less without.
func Detach(module []byte) (*Detached, error) {
	m, err := decode(module)
	if err != nil {
		return nil, err
	}
	limits, ok := m.MemoryLimits()
	switch {
	case !ok:
		return nil, errors.New("link: detach: the module does not define exactly one memory")
	case m.Start != nil:
		return nil, errors.New("link: detach: the module has a start function")
	case uint64(limits.Min)*pageSize > imageLimit:
		return nil, fmt.Errorf("link: detach: the memory begins with %d pages, more than %d bytes", limits.Min, imageLimit)
	}
	memory := make([]byte, int(limits.Min)*pageSize)
	segments := m.Segments()
	for i, s := range segments {
		if s.Offset == nil {
			continue
		}
		offset, ok := wasm.ConstI32(s.Offset)
		if !ok || uint64(offset)+uint64(len(s.Bytes)) > uint64(len(memory)) {
			return nil, fmt.Errorf("link: detach: data segment %d is not at a constant place within the memory", i)
		}
		copy(memory[offset:], s.Bytes)
		segments[i] = wasm.Segment{}
	}
	if m.Uses(namesSegment) {
		m.SetSegments(segments) // their number is already in DataCount: such code needs it
	} else {
		m.SetSegments(nil)
		m.DataCount = nil
	}
	state := 0
	first := m.GlobalCount() - uint32(len(m.Globals))
	for i, g := range m.Globals {
		if g.Mutable {
			if !wordGlobal(g.Type) {
				return nil, fmt.Errorf("link: detach: global %d is mutable and no number of at most 64 bits: it could not be put back", first+uint32(i))
			}
			m.Exports = append(m.Exports, wasm.Export{Name: StateGlobal(state), Kind: wasm.KindGlobal, Index: first + uint32(i)})
			state++
		}
	}
	for i, e := range m.Exports {
		if e.Name == "_initialize" {
			m.Exports[i].Name = InitializeFunction
		}
	}
	return &Detached{Module: m.Encode(), Memory: memory, State: state, Hidden: m.Uses(hidesState)}, nil
}

// wordGlobal says whether a global of this type is what its 64 bits are. Those of a reference are an address of the process that runs the module: given to
// another instance, it would lead anywhere. Half of a vector is lost.
func wordGlobal(t byte) bool {
	return t == wasm.I32 || t == wasm.I64 || t == wasm.F32 || t == wasm.F64
}

// namesSegment says whether an instruction has the index of a data segment.
func namesSegment(op wasm.Op) bool { return op == wasm.OpMemoryInit || op == wasm.OpDataDrop }

// hidesState says whether an instruction changes state that Detach cannot export.
func hidesState(op wasm.Op) bool {
	switch op {
	case wasm.OpDataDrop, wasm.OpElemDrop,
		wasm.OpTableSet, wasm.OpTableInit, wasm.OpTableCopy, wasm.OpTableGrow, wasm.OpTableFill:
		return true
	}
	return false
}
