package host

import "github.com/tetratelabs/wazero/api"

// interruptGlobal is an export of the guest that holds the address of how it can be asked to stop: docs/abi.md,
// "Interrupts". A guest need not have it.
const interruptGlobal = "postern_interrupt"

// An interrupt asks the interpreter to raise an exception between two of its instructions. What it reads and writes is
// the guest's own memory, at addresses that the guest names: a lie hurts the liar. It is used only while the guest stands
// still, in a hook.
type interrupt struct {
	memory  api.Memory // nil: the guest cannot be asked
	address uint32
}

func interruptOf(mod api.Module) interrupt {
	global := mod.ExportedGlobal(interruptGlobal)
	if global == nil || global.Type() != api.ValueTypeI32 || mod.Memory() == nil {
		return interrupt{}
	}
	return interrupt{memory: mod.Memory(), address: uint32(global.Get())}
}

// fields are what the guest says: where the flags are, which bit of them to set, where the exception is put, and which.
func (i interrupt) fields() (breaker, bit, pending, exception uint32, ok bool) {
	if i.memory == nil {
		return
	}
	var fields [4]uint32
	for n := range fields {
		if fields[n], ok = i.memory.ReadUint32Le(i.address + uint32(4*n)); !ok {
			return
		}
	}
	return fields[0], fields[1], fields[2], fields[3], fields[3] != 0
}

// ask reports whether the guest could be asked. It may still not heed it.
func (i interrupt) ask() bool {
	breaker, bit, pending, exception, ok := i.fields()
	if !ok {
		return false
	}
	flags, ok := i.memory.ReadUint32Le(breaker)
	if other, ok := i.memory.ReadUint32Le(pending); !ok || other != 0 && other != exception {
		return false
	}
	return ok && i.memory.WriteUint32Le(pending, exception) && i.memory.WriteUint32Le(breaker, flags|bit)
}

// waiting reports whether the guest has not noticed yet.
func (i interrupt) waiting() bool {
	_, _, pending, exception, ok := i.fields()
	if !ok {
		return true
	}
	now, ok := i.memory.ReadUint32Le(pending)
	return !ok || now == exception
}

// withdraw takes back what the guest has not noticed.
func (i interrupt) withdraw() {
	if !i.waiting() {
		return
	}
	breaker, bit, pending, _, ok := i.fields()
	if !ok {
		return
	}
	if flags, ok := i.memory.ReadUint32Le(breaker); ok {
		i.memory.WriteUint32Le(pending, 0)
		i.memory.WriteUint32Le(breaker, flags&^bit)
	}
}
