package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// An instance is one running copy of the guest: its memory, its globals, and Extism's kernel beside it.
type instance struct {
	plugin *extism.Plugin
	stdio  *tail
	image  *image // nil for the one that is booted
	begin  *delta // how it differed from the image when it began; nil: not at all
	hidden bool   // see link.Detached

	unmetered bool  // for the benchmarks alone
	slice     int64 // see meter
	foreign   bool  // a plugin, which does not know docs/abi.md
	begun     bool  // of a plugin: its start function and its initialiser have run in this instance

	memory, kernelMemory *guestMemory
	kernelStart          []byte // what the kernel's memory began with, without the zeros at its end
	kernelSize           uint64 // how long it was then
	broken               bool   // it was stopped by force: its stack is gone, and what its memory holds nobody knows

	module  api.Module // nil until the guest is first entered, as are the kernel, the meter and the globals
	kernel  *kernel
	meter   *meter
	globals []api.MutableGlobal
	exports map[string]api.Function // those of module that were called

	exchange exchange
	printed  outputLog

	descriptors   descriptors
	wasiParameter uint32 // for descriptorHook: what the function that runs was asked

	// Of the call that runs: its input, its fuel, and whether the guest has got both.
	input   []byte
	fuel    int64
	started bool
}

// instantiate makes an instance whose memory begins as memory says. It has to be entered before it is what its image is.
func (c *compiled) instantiate(ctx context.Context, files fs.FS, memory *guestMemory) (_ *instance, err error) {
	if err := checkWASIOutput(); err != nil {
		return nil, err
	}
	in := &instance{
		stdio: new(tail), image: memory.image, begin: memory.begin, hidden: c.hidden, unmetered: c.unmetered, slice: c.slice, foreign: c.foreign,
		memory: memory, kernelMemory: &guestMemory{limit: kernelLimit(memory.limit)},
		exports: make(map[string]api.Function),
	}
	defer func() {
		if r := recover(); r != nil { // allocator
			err = fmt.Errorf("host: start guest: %v", r)
		}
		if err != nil {
			in.kernelMemory.Free()
			in.memory.Free()
		}
	}()
	ctx = experimental.WithMemoryAllocator(ctx, &allocator{kernel: in.kernelMemory, guest: memory})
	// Everything else is wazero's default, which is deterministic and empty: no arguments, environment or
	// stdin, a clock that does not tell the time, the same entropy each time.
	config := wazero.NewModuleConfig().WithStdout(in.stdio).WithStderr(in.stdio)
	if files != nil {
		config = config.WithFSConfig(wazero.NewFSConfig().WithFSMount(files, "/"))
	}
	in.plugin, err = c.plugin.Instance(ctx, extism.PluginInstanceConfig{ModuleConfig: config})
	if err != nil {
		return nil, fmt.Errorf("host: start guest: %w", err)
	}
	in.plugin.SetLogger(func(extism.LogLevel, string) {}) // its default is the process's log
	in.kernelStart, in.kernelSize = c.kernelStart(in.kernelMemory.bytes()), in.kernelMemory.size()
	return in, nil
}

// kernelLimit is how long the memory of Extism's kernel may become beside a memory of limited length: its own first pages are not
// the guest's.
func kernelLimit(limit uint64) uint64 {
	if limit == 0 {
		return 0
	}
	return limit + 2*minPages*pageSize
}

// entered is called with the guest's module when a call has reached the guest and none of its code has run.
func (in *instance) entered(ctx context.Context, mod api.Module) error {
	if in.module == nil {
		if err := in.adopt(ctx, mod); err != nil {
			return err
		}
	}
	if !in.started {
		in.started = true
		in.meter.start(ctx, in.fuel)
		if in.exchange.there() {
			in.exchange.begin(in.input)
		}
	}
	return nil
}

// adopt takes hold of the module, and makes its globals what the instance begins with.
func (in *instance) adopt(ctx context.Context, mod api.Module) error {
	meter := &meter{fuel: noMeter{}}
	if !in.unmetered {
		var err error
		if meter, err = newMeter(mod, in.slice); err != nil {
			return err
		}
	}
	module, ok := ctx.Value(extism.PluginCtxKey("extism")).(api.Module)
	if !ok {
		return errors.New("host: Extism does not tell its host functions where its kernel is")
	}
	in.kernel = &kernel{Module: module, functions: make(map[string]api.Function)}
	in.module, in.meter = mod, meter
	if !in.foreign {
		in.exchange, in.printed = exchangeOf(mod), outputLogOf(mod)
	}
	if in.image == nil {
		return nil
	}
	var err error
	if in.globals, err = stateGlobals(mod, len(in.image.state)); err != nil {
		return err
	}
	in.setGlobals()
	return nil
}

// setGlobals makes the globals what the instance begins with.
func (in *instance) setGlobals() {
	state := in.image.state
	if in.begin != nil {
		state = in.begin.globals
	}
	for i, global := range in.globals {
		global.Set(state[i])
	}
}

// run calls an export with an amount of fuel, and stops it when ctx ends. left is what is left of the fuel: negative if it
// ran out. After an error the instance cannot be used any more.
func (in *instance) run(ctx context.Context, export string, input []byte, fuel int64, bound int) (output []byte, left int64, err error) {
	in.fuel, in.started = fuel, false
	output, err = in.enter(ctx, export, input, bound)
	in.broken = err != nil
	if !in.started {
		return output, fuel, err
	}
	in.meter.end()
	return output, in.meter.left(), err
}

var errNotUnderstood = errors.New("host: the guest did not understand the request")

// enter calls an export and returns its output, of at most bound bytes. The first call is Extism's own: before it,
// nobody knows the modules.
func (in *instance) enter(ctx context.Context, export string, input []byte, bound int) ([]byte, error) {
	// Each call begins with the kernel's reset. When that fails, Extism prints to stdout: better not to begin.
	if _, err := checkKernel(in.plugin.Memory()); err != nil {
		return nil, err
	}
	// The guest reads whole words quickly, and the bytes of an unfinished one slowly. Spaces after JSON mean nothing.
	for len(input)%8 != 0 {
		input = append(input, ' ')
	}
	in.input = input
	defer func() { in.input = nil }()
	if in.module != nil {
		return in.drive(ctx, export, input, bound)
	}
	code, output, err := in.plugin.CallWithContext(ctx, export, input)
	switch {
	case err != nil:
		return nil, err
	case code != 0:
		return nil, fmt.Errorf("%w: %s returned %d", errNotUnderstood, export, code)
	case in.module == nil:
		return nil, errors.New("host: the guest was never entered")
	case in.module.IsClosed():
		return nil, errors.New("host: the guest exited")
	case in.exchange.there():
		return in.exchangedOutput(bound)
	case len(output) > bound:
		return nil, fmt.Errorf("%w: %d bytes, more than %d", errMalformed, len(output), bound)
	}
	return output, nil
}

// interrupted reports whether the guest was asked to stop in the last call.
func (in *instance) interrupted() bool { return in.meter != nil && !in.meter.asked.IsZero() }

func (in *instance) close(ctx context.Context) error { return in.plugin.CloseWithContext(ctx) }
