package host

import (
	"fmt"

	"github.com/tetratelabs/wazero/experimental"
)

// allocator gives an instance its memories. wazero asks once for each: first for that of Extism's kernel, then for the guest's.
type allocator struct {
	kernel, guest *guestMemory
	asked         int
}

// Allocate implements [experimental.MemoryAllocator].
func (a *allocator) Allocate(cap, max uint64) experimental.LinearMemory {
	a.asked++
	var memory *guestMemory
	switch a.asked {
	case 1:
		memory = a.kernel // a megabyte, of which little is ever touched: nothing for Go's collector
	case 2:
		memory = a.guest
	default:
		panic(fmt.Errorf("host: a guest with %d memories", a.asked-1))
	}
	if err := memory.reserve(max); err != nil {
		panic(err) // instantiate recovers: there is no other way to say so here
	}
	return memory
}

// most is how long the memory may become that a module could take max bytes of.
func (m *guestMemory) most(max uint64) uint64 {
	if m.limit > 0 {
		return min(max, m.limit)
	}
	return max
}
