package host

import (
	"context"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/postern-sandbox/postern/link"
)

// listeners places three hooks into the code that wazero compiles. Each costs a call into Go, so they are on a
// handful of functions only; all others compile as without. The hooks keep no state and find the session in the
// context, so that compiled code can come out of a cache, whose key covers which functions have a hook.
//
// One hook is the [kernelGuard], one the [meter]'s. The third is how the host gets hold of the guest's globals: Extism's Plugin does
// not give out its module, and of wazero's public interfaces only this one hands over the running module itself
// (a memory allocator sees the memory alone; reflection would break silently).
type listeners struct {
	guard kernelGuard
}

func (l listeners) NewFunctionListener(def api.FunctionDefinition) experimental.FunctionListener {
	if def.GoFunction() != nil {
		return nil
	}
	for _, name := range def.ExportNames() {
		switch {
		case guestEntries[name]:
			return entryHook{}
		case name == link.RefuelFunction:
			return refuelHook{}
		case guardedKernelFunctions[name]:
			return l.guard
		}
	}
	return nil
}

// guestEntries are the exports through which the host enters the guest.
var guestEntries = map[string]bool{link.InitializeFunction: true, "configure": true, "exec": true, "set": true, "call": true}

// entryHook tells a session's instance that the guest is entered.
type entryHook struct{}

func (entryHook) Before(ctx context.Context, mod api.Module, _ api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	if x := executionOf(ctx); x != nil {
		if err := x.session.instance.entered(ctx, mod); err != nil {
			panic(err) // to wazero, a trap
		}
	}
}

func (entryHook) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (entryHook) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

// refuelHook hands out fuel when a slice of it is used up.
type refuelHook struct{}

func (refuelHook) Before(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	if x := executionOf(ctx); x != nil {
		x.session.instance.meter.refuel()
	}
}

func (refuelHook) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (refuelHook) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}
