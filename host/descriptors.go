package host

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// descriptors follows which files the guest has open, since that is the one part of its state that lies neither in
// its memory nor in its globals. What the guest says is not asked: the hook sees what WASI has answered.
type descriptors struct {
	open    map[uint32]struct{}
	strange bool // something was done to a descriptor that the guest did not open
}

// none reports whether the descriptors are those that an instance begins with, as it began with them.
func (d *descriptors) none() bool { return len(d.open) == 0 && !d.strange }

// descriptorHook stands before and behind the WASI functions that change what is open, or how far it has been read. Of a file
// that is closed again, nothing is left.
type descriptorHook struct{ name string }

// The functions of WASI that descriptorHook stands at; linking leaves no other that changes a descriptor.
var descriptorFunctions = map[string]bool{"path_open": true, "fd_close": true, "fd_readdir": true, "fd_seek": true, "fd_read": true}

// maxOpen is how many files a guest may have open. They are the host's memory.
const maxOpen = 1024

// badDescriptor is WASI's errno of a descriptor that is none.
const badDescriptor = 8

// pathOpenResult is which parameter of path_open says where the new descriptor goes.
const pathOpenResult = 8

func (h descriptorHook) Before(ctx context.Context, _ api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	keepDeadline(ctx)
	keepBounds(h.name, params)
	if x := executionOf(ctx); x != nil {
		in := x.instance
		if h.name == "path_open" && len(in.descriptors.open) >= maxOpen {
			panic(fmt.Errorf("host: the guest has more than %d files open", maxOpen))
		}
		in.wasiParameter = uint32(params[0])
		if h.name == "path_open" {
			in.wasiParameter = uint32(params[pathOpenResult])
		}
	}
}

func (h descriptorHook) After(ctx context.Context, _ api.Module, _ api.FunctionDefinition, results []uint64) {
	x := executionOf(ctx)
	if x == nil {
		return
	}
	errno := uint32(results[0])
	in := x.instance
	d, fd := &in.descriptors, in.wasiParameter
	if h.name == "path_open" {
		if errno != 0 {
			return // nothing was opened
		}
		var ok bool
		if fd, ok = in.module.Memory().ReadUint32Le(fd); !ok {
			d.strange = true
			return
		}
		if d.open == nil {
			d.open = make(map[uint32]struct{})
		}
		d.open[fd] = struct{}{}
		return
	}
	switch _, known := d.open[fd]; {
	case !known && errno != badDescriptor:
		// Also when it failed: wazero may have read before it found out that there is nowhere to put what it has read.
		d.strange = true
	case known && errno == 0 && h.name == "fd_close":
		delete(d.open, fd)
	}
}

func (descriptorHook) Abort(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ error) {
	if x := executionOf(ctx); x != nil {
		x.instance.descriptors.strange = true
	}
}
