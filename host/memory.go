package host

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
)

// allocator gives an instance its memories. wazero asks twice for each: first for Extism's kernel, then for the guest.
type allocator struct {
	guest *guestMemory
	asked int
}

// Allocate implements [experimental.MemoryAllocator].
func (a *allocator) Allocate(cap, max uint64) experimental.LinearMemory {
	a.asked++
	switch a.asked {
	case 1:
		return &sliceMemory{max: max}
	case 2:
		if err := a.guest.reserve(max); err != nil {
			panic(err) // instantiate recovers: there is no other way to say so here
		}
		return a.guest
	}
	panic(fmt.Errorf("host: a guest with %d memories", a.asked-1))
}

// sliceMemory is a memory as wazero itself would make it.
type sliceMemory struct {
	bytes []byte
	max   uint64
}

// Reallocate implements [experimental.LinearMemory].
func (m *sliceMemory) Reallocate(size uint64) []byte {
	if size > m.max {
		return nil
	}
	if grow := int(size) - len(m.bytes); grow > 0 {
		m.bytes = append(m.bytes, make([]byte, grow)...)
	}
	return m.bytes
}

// Free implements [experimental.LinearMemory].
func (m *sliceMemory) Free() { m.bytes = nil }
