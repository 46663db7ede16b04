package link_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/postern-sandbox/postern/link"
)

// read gives an assembled module of testdata.
func read(t testing.TB, name string) []byte {
	t.Helper()
	module, err := os.ReadFile(filepath.Join("testdata", name+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func mustLink(t testing.TB, base []byte, opts link.Options) []byte {
	t.Helper()
	linked, err := link.Link(base, opts)
	if err != nil {
		t.Fatal(err)
	}
	return linked
}

func mustMeter(t testing.TB, module []byte) []byte {
	t.Helper()
	metered, err := link.Meter(module)
	if err != nil {
		t.Fatal(err)
	}
	return metered
}

// newRuntime is a WebAssembly 2.0 runtime: the interpreter, which starts at once and checks as the compiler does.
func newRuntime(t testing.TB) wazero.Runtime {
	config := wazero.NewRuntimeConfigInterpreter().WithCoreFeatures(api.CoreFeaturesV2)
	r := wazero.NewRuntimeWithConfig(context.Background(), config)
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

// instantiate runs a module whose imports are those of a linked guest. A granted function multiplies its argument by ten and
// adds its place in grants; the kernel's two functions answer 100 and 1000.
func instantiate(t testing.TB, module []byte, grants ...string) api.Module {
	t.Helper()
	ctx := t.Context()
	r := newRuntime(t)
	user := r.NewHostModuleBuilder(link.UserModule)
	for n, name := range grants {
		user.NewFunctionBuilder().WithFunc(func(_ context.Context, handle uint64) uint64 { return handle*10 + uint64(n) }).Export(name)
	}
	kernel := r.NewHostModuleBuilder("extism:host/env")
	kernel.NewFunctionBuilder().WithFunc(func() uint64 { return 100 }).Export("input_length")
	kernel.NewFunctionBuilder().WithFunc(func(uint64) uint64 { return 1000 }).Export("length")
	kernel.NewFunctionBuilder().WithFunc(func(uint64) {}).Export("log_info")
	wasi := r.NewHostModuleBuilder("wasi_snapshot_preview1")
	wasi.NewFunctionBuilder().WithFunc(func(uint32) {}).Export("proc_exit")
	placeholder := r.NewHostModuleBuilder("postern:link") // for modules that are only metered
	placeholder.NewFunctionBuilder().WithFunc(func(uint32, uint64) uint64 { return 0 }).Export("call")
	for _, b := range []wazero.HostModuleBuilder{user, kernel, wasi, placeholder} {
		if _, err := b.Instantiate(ctx); err != nil {
			t.Fatal(err)
		}
	}
	m, err := r.InstantiateWithConfig(ctx, module, wazero.NewModuleConfig().WithStartFunctions())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// call calls an export that has one result or none.
func call(t testing.TB, m api.Module, export string, args ...uint64) (uint64, error) {
	t.Helper()
	f := m.ExportedFunction(export)
	if f == nil {
		t.Fatalf("no export %q", export)
	}
	results, err := f.Call(t.Context(), args...)
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[0], nil
}

func mustCall(t testing.TB, m api.Module, export string, args ...uint64) uint64 {
	t.Helper()
	result, err := call(t, m, export, args...)
	if err != nil {
		t.Fatalf("%s%v: %v", export, args, err)
	}
	return result
}

// state is one of the globals that link adds.
func state(t testing.TB, m api.Module, name string) api.MutableGlobal {
	t.Helper()
	g, ok := m.ExportedGlobal(name).(api.MutableGlobal)
	if !ok {
		t.Fatalf("no mutable global %q", name)
	}
	return g
}
