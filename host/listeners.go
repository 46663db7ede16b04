package host

import (
	"context"
	"errors"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/postern-sandbox/postern/link"
)

const (
	wasiModule   = "wasi_snapshot_preview1"
	kernelModule = "extism:host/env"
)

// pluginPowers are the functions of Extism, in Go, that a plugin may call and a guest may not: they do work that is not fuel.
var pluginPowers = map[string]bool{
	"log_trace": true, "log_debug": true, "log_info": true, "log_warn": true, "log_error": true, "var_get": true, "var_set": true,
}

// listeners places hooks into the code that wazero compiles. Each costs a call into Go, so they are on a
// handful of functions only; all others compile as without. The hooks keep no state and find the session in the
// context, so that compiled code can come out of a cache, whose key covers which functions have a hook.
//
// One hook is the [kernelGuard], one the [meter]'s, one keeps the deadline where the guest spends time that is not fuel, one follows
// what files are open. The last is how the host gets hold of the guest's globals: Extism's Plugin does
// not give out its module, and of wazero's public interfaces only this one hands over the running module itself
// (a memory allocator sees the memory alone; reflection would break silently).
type listeners struct {
	guard   kernelGuard
	foreign bool // the module is a plugin, whose exports are not the guest's, whatever their names
}

func (l listeners) NewFunctionListener(def api.FunctionDefinition) experimental.FunctionListener {
	if def.GoFunction() != nil {
		if def.ModuleName() == kernelModule && pluginPowers[def.Name()] {
			return deadlineHook{}
		}
		if def.ModuleName() != wasiModule {
			return nil
		}
		for _, name := range def.ExportNames() {
			if descriptorFunctions[name] {
				return descriptorHook{name}
			}
			if _, bounded := wasiBounds[name]; bounded {
				return boundHook{name}
			}
		}
		return deadlineHook{}
	}
	for _, name := range def.ExportNames() {
		switch {
		case guestEntries[name] && !l.foreign:
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
		if err := x.instance.entered(ctx, mod); err != nil {
			panic(err) // to wazero, a trap
		}
	}
}

func (entryHook) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (entryHook) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

// refuelHook hands out fuel when a slice of it is used up, and shows what was printed meanwhile.
type refuelHook struct{}

func (refuelHook) Before(ctx context.Context, mod api.Module, _ api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	x := executionOf(ctx)
	switch {
	case x == nil:
	case x.instance.module == nil: // see instance.introduce
		if err := x.instance.adopt(ctx, mod); err != nil {
			panic(err) // to wazero, a trap
		}
	default:
		x.showAndGoOn(false)
		x.instance.meter.refuel()
	}
}

func (refuelHook) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (refuelHook) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

// deadlineHook stands before the functions that do work in the host without being capabilities. A guest that calls them in a loop uses
// hardly any fuel, so the end of a slice would come late.
type deadlineHook struct{}

func (deadlineHook) Before(ctx context.Context, _ api.Module, _ api.FunctionDefinition, _ []uint64, _ experimental.StackIterator) {
	keepDeadline(ctx)
}

func (deadlineHook) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (deadlineHook) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

// keepDeadline panics, which is a trap to the guest, when the time of the call that runs is over.
func keepDeadline(ctx context.Context) {
	if x := executionOf(ctx); x != nil && !x.serving && x.instance.meter != nil && x.instance.meter.expired() {
		panic(errStopped)
	}
}

var errStopped = errors.New("host: stopped")
