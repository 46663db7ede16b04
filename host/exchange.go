package host

import (
	"encoding/binary"

	"github.com/tetratelabs/wazero/api"
)

// exchangeGlobal is an export of the guest that holds the address of its exchange: docs/abi.md, "The exchange". A guest need not have it.
const exchangeGlobal = "postern_exchange"

// An exchange is where guest and host give each other bytes without Extism's kernel between them, which takes 70 ns for
// eight bytes: the host reads and writes the guest's own memory. It is a struct of six u32 there, whose fields the guest can
// make anything; a lie hurts the liar. It is used only while the guest stands still.
type exchange struct {
	memory  api.Memory // nil: the guest has none
	address uint32
}

// The fields of an exchange, as offsets.
const (
	exchangeOn         = 0
	exchangeOut        = 4
	exchangeOutLength  = 8
	exchangeIn         = 12
	exchangeInCapacity = 16
	exchangeInLength   = 20
	exchangeSize       = 24
)

// Handles that are none: what a host call's parameter and result mean in an exchange.
const (
	exchanged = 0 // the request is in the exchange
	fetch     = 1 // the guest has made room for the answer to the last request
	answered  = 1 // the answer is in the exchange, or waits for room
)

func exchangeOf(mod api.Module) exchange {
	global := mod.ExportedGlobal(exchangeGlobal)
	if global == nil || global.Type() != api.ValueTypeI32 || mod.Memory() == nil {
		return exchange{}
	}
	e := exchange{memory: mod.Memory(), address: uint32(global.Get())}
	if _, ok := e.memory.Read(e.address, exchangeSize); !ok {
		return exchange{}
	}
	return e
}

func (e exchange) there() bool { return e.memory != nil }

// begin turns the exchange on for one call into the guest, and gives it the input if there is room.
func (e exchange) begin(input []byte) {
	fields, ok := e.fields()
	if !ok {
		return
	}
	binary.LittleEndian.PutUint32(fields[exchangeOn:], 1)
	binary.LittleEndian.PutUint32(fields[exchangeOutLength:], 0)
	if !e.put(input) {
		binary.LittleEndian.PutUint32(fields[exchangeInLength:], 0) // it is in the kernel
	}
}

// fields is a view of the struct.
func (e exchange) fields() ([]byte, bool) { return e.memory.Read(e.address, exchangeSize) }

// hasRoom reports whether put would have room for so many bytes.
func (e exchange) hasRoom(length int) bool {
	if !e.there() {
		return false
	}
	fields, ok := e.fields()
	return ok && uint64(length) <= uint64(binary.LittleEndian.Uint32(fields[exchangeInCapacity:]))
}

// put gives the guest bytes. It is false if there is no room for them: the guest knows then how long they are.
func (e exchange) put(data []byte) bool {
	fields, ok := e.fields()
	if !ok {
		return false
	}
	in, capacity := binary.LittleEndian.Uint32(fields[exchangeIn:]), binary.LittleEndian.Uint32(fields[exchangeInCapacity:])
	binary.LittleEndian.PutUint32(fields[exchangeInLength:], uint32(len(data)))
	// If its room is on the struct itself, the guest has confused nobody but itself.
	return uint64(len(data)) <= uint64(capacity) && e.memory.Write(in, data)
}

// take is what the guest says, at most max bytes of it: a view that ends when the guest goes on.
func (e exchange) take(max int) ([]byte, error) {
	fields, ok := e.fields()
	if !ok {
		return nil, errHandle
	}
	length := binary.LittleEndian.Uint32(fields[exchangeOutLength:])
	if uint64(length) > uint64(max) {
		return nil, errTooLarge
	}
	said, ok := e.memory.Read(binary.LittleEndian.Uint32(fields[exchangeOut:]), length)
	if !ok {
		return nil, errHandle
	}
	return said, nil
}
