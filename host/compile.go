package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/postern-sandbox/postern/host/internal/unmetered"
)

// compiled is the guest as machine code, with the host functions bound to it.
type compiled struct {
	plugin *extism.CompiledPlugin
	hidden bool // see link.Detached

	unmetered bool  // for the benchmarks alone
	slice     int64 // see meter
	foreign   bool  // see instance

	once   sync.Once
	kernel []byte // what the memory of Extism's kernel begins with, without the zeros at its end
}

// kernelStart keeps what the first instance's kernel began with, which is what each one begins with.
func (c *compiled) kernelStart(memory []byte) []byte {
	c.once.Do(func() { c.kernel = bytes.Clone(bytes.TrimRight(memory, "\x00")) })
	return c.kernel
}

// compile makes the module ready to be instantiated. A cache that cannot be read or written makes it slower and
// is reported to the logger; it is never an error.
func (h *Host) compile(ctx context.Context, m *module) (*compiled, error) {
	c := &compiled{hidden: m.hidden, foreign: m.foreign, unmetered: unmetered.In(ctx), slice: slice}
	var err error
	if m.foreign {
		if c.slice, err = sliceOf(m.wasm); err != nil {
			return nil, fmt.Errorf("host: compile: %w", err)
		}
	}
	if h.cache != nil {
		if c.plugin, err = h.compileWithin(ctx, m, h.cache.code); err == nil {
			return c, nil
		}
		if errors.Is(err, errSlowCompile) {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, fmt.Errorf("host: compile: %w", context.Cause(ctx))
		}
		// It may as well be the module that is at fault. Then the second attempt says so.
		h.logger.Warn("compiling without a cache", "error", err)
	}
	if c.plugin, err = h.compileWithin(ctx, m, nil); err != nil {
		return nil, fmt.Errorf("host: compile: %w", err)
	}
	return c, nil
}

// compileTime is how long a plugin may take to be compiled. Go's own, of five megabytes, take some seconds.
const compileTime = 2 * time.Minute

var errSlowCompile = fmt.Errorf("it takes longer than %v to compile", compileTime)

// compileWithin is compileWith for as long as somebody wants to wait. wazero looks for no end while it compiles, and there are plugins that
// would take it hours, many loops within each other: such a compilation is left to itself, and what comes of it is thrown away.
func (h *Host) compileWithin(ctx context.Context, m *module, cache wazero.CompilationCache) (*extism.CompiledPlugin, error) {
	if !m.foreign {
		return h.compileWith(ctx, m, cache)
	}
	type compilation struct {
		plugin *extism.CompiledPlugin
		err    error
	}
	done, abandoned := make(chan compilation), make(chan struct{})
	go func() {
		plugin, err := h.compileWith(context.WithoutCancel(ctx), m, cache)
		select {
		case done <- compilation{plugin, err}:
		case <-abandoned:
			if err == nil {
				plugin.Close(context.Background())
			}
			if cache != nil {
				cache.Close(context.Background())
			}
		}
	}()
	abandon := func() {
		h.cache = nil // it goes with what uses it
		close(abandoned)
	}
	timer := time.NewTimer(compileTime)
	defer timer.Stop()
	select {
	case c := <-done:
		return c.plugin, c.err
	case <-ctx.Done():
		abandon()
		return nil, context.Cause(ctx)
	case <-timer.C:
		abandon()
		return nil, errSlowCompile
	}
}

func (h *Host) compileWith(ctx context.Context, m *module, cache wazero.CompilationCache) (*extism.CompiledPlugin, error) {
	config := wazero.NewRuntimeConfig()
	if cache != nil {
		config = config.WithCompilationCache(cache)
	}
	ctx = experimental.WithCompilationWorkers(ctx, runtime.GOMAXPROCS(0))
	ctx = experimental.WithFunctionListenerFactory(ctx, listeners{kernelGuard{bound: uint64(h.bounds.kernel)}, m.foreign})

	manifest := extism.Manifest{
		Wasm: []extism.Wasm{extism.WasmData{Data: m.wasm, Name: "main"}},
		// As a literal, unlike in JSON, zeros are zeros: no HTTP response has a byte, and a guest has no vars. Without
		// AllowedHosts no request is made in the first place. MaxPages holds for each memory: guest and kernel.
		Memory: &extism.ManifestMemory{MaxPages: uint32(h.bounds.pages), MaxVarBytes: int64(h.bounds.vars)},
	}
	return extism.NewCompiledPlugin(ctx, manifest, extism.PluginConfig{EnableWasi: true, RuntimeConfig: config}, h.hostFunctions())
}

func (c *compiled) close(ctx context.Context) error { return c.plugin.Close(ctx) }

// wasiOutputVariable makes Extism connect the guest's stdout and stderr to the host's, whatever the embedder configured.
const wasiOutputVariable = "EXTISM_ENABLE_WASI_OUTPUT"

// checkWASIOutput refuses to start a guest that Extism would connect to this process's stdout. The SDK reads
// the variable at each instance and leaves no way around it. Unsetting it here would change the process's environment under
// its owner's feet; a program that wants to be deaf to it unsets it in main.
func checkWASIOutput() error {
	if _, set := os.LookupEnv(wasiOutputVariable); set {
		return fmt.Errorf("host: the environment variable %s is set: guests could write to this process's stdout; unset it", wasiOutputVariable)
	}
	return nil
}
