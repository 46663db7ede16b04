package link_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"

	"github.com/postern-sandbox/postern/link"
)

// The modules of testdata/metered have no imports, and each function that they export takes one i32. What a call
// gives, traps with and leaves behind must not depend on whether it is metered, by whom it is run, and in
// which slices its fuel comes. What it takes must not, either.

// arguments are what each function is called with: in one instance, one after the other, so that what earlier calls
// have left behind counts.
var arguments = []uint64{0, 1, 2, 3, 5, 8, 9, 14}

// observed is what can be told of one call.
type observed struct {
	call    string
	results []uint64
	trap    string
	fuel    int64 // 0 where nothing is metered
}

func (o observed) String() string {
	return fmt.Sprintf("%s gives %d, traps %q, takes %d", o.call, o.results, o.trap, o.fuel)
}

// runner compiles one module and hands out its fuel as a host does: a slice at the start, and one more each time that
// the refuel function is called. A slice of 0 is all at once.
type runner struct {
	runtime  wazero.Runtime
	compiled wazero.CompiledModule
	slice    int64

	// Of the instance that runs last:
	module         api.Module
	fuel           api.MutableGlobal // nil without metering
	given, reserve int64
}

func newRunner(t *testing.T, config wazero.RuntimeConfig, module []byte, slice int64) *runner {
	t.Helper()
	r := tryRunner(t, config, module, slice)
	if r == nil {
		t.Fatal("the module is not valid")
	}
	return r
}

// tryRunner is nil when the module is not valid.
func tryRunner(t *testing.T, config wazero.RuntimeConfig, module []byte, slice int64) *runner {
	t.Helper()
	r := &runner{slice: slice}
	ctx := experimental.WithFunctionListenerFactory(t.Context(), r)
	r.runtime = wazero.NewRuntimeWithConfig(ctx, config)
	t.Cleanup(func() { r.runtime.Close(context.Background()) })
	var err error
	if r.compiled, err = r.runtime.CompileModule(ctx, module); err != nil {
		return nil
	}
	return r
}

func (r *runner) NewFunctionListener(def api.FunctionDefinition) experimental.FunctionListener {
	if slices.Contains(def.ExportNames(), link.RefuelFunction) {
		return r
	}
	return nil
}

func (r *runner) Before(context.Context, api.Module, api.FunctionDefinition, []uint64, experimental.StackIterator) {
	if r.slice > 0 {
		r.give(max(r.slice, r.slice-r.gauge()))
	}
}

func (r *runner) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (r *runner) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}

func (r *runner) gauge() int64 { return int64(r.fuel.Get()) }

func (r *runner) give(fuel int64) {
	fuel = min(fuel, r.reserve)
	r.reserve -= fuel
	r.fuel.Set(uint64(r.gauge() + fuel))
}

// fresh makes a new instance.
func (r *runner) fresh(t *testing.T) {
	t.Helper()
	var err error
	if r.module, err = r.runtime.InstantiateModule(t.Context(), r.compiled, wazero.NewModuleConfig().WithName("")); err != nil {
		t.Fatal(err)
	}
	if r.module.ExportedGlobal(link.FuelGlobal) != nil {
		r.fuel = state(t, r.module, link.FuelGlobal)
	}
}

// call calls an export with an amount of fuel.
func (r *runner) call(t *testing.T, export string, argument uint64, fuel int64) observed {
	t.Helper()
	if r.fuel != nil {
		r.fuel.Set(0)
		r.given, r.reserve = fuel, fuel
		if r.slice > 0 {
			r.give(r.slice)
		} else {
			r.give(fuel)
		}
	}
	results, err := r.module.ExportedFunction(export).Call(t.Context(), argument)
	o := observed{call: fmt.Sprintf("%s(%d)", export, argument), results: results}
	if err != nil {
		o.trap, _, _ = strings.Cut(err.Error(), "\n")
	}
	if r.fuel != nil {
		o.fuel = r.given - r.reserve - r.gauge()
	}
	return o
}

// left describes what the instance has in its memory and globals.
func (r *runner) left() string {
	var b strings.Builder
	if len(r.compiled.ExportedMemories()) > 0 {
		memory := r.module.Memory()
		all, _ := memory.Read(0, memory.Size())
		fmt.Fprintf(&b, "%d bytes of memory: %x", len(all), sha256.Sum256(all))
	}
	for _, name := range []string{"g", "steps"} {
		if g := r.module.ExportedGlobal(name); g != nil {
			fmt.Fprintf(&b, " %s=%d", name, g.Get())
		}
	}
	return b.String()
}

// plenty is more than any call takes.
const plenty = 1 << 40

// all calls all exports in one fresh instance. Each gets the fuel that enough says.
func (r *runner) all(t *testing.T, exports []string, enough func(call int) int64) (calls []observed, left string) {
	t.Helper()
	r.fresh(t)
	for _, export := range exports {
		for _, argument := range arguments {
			calls = append(calls, r.call(t, export, argument, enough(len(calls))))
		}
	}
	return calls, r.left()
}

func TestMeteredModulesDoTheSame(t *testing.T) {
	modules, err := filepath.Glob("testdata/metered/*.wasm")
	if err != nil || len(modules) < 8 {
		t.Fatalf("%d modules, %v", len(modules), err)
	}
	for _, file := range modules {
		name := strings.TrimSuffix(filepath.Base(file), ".wasm")
		t.Run(name, func(t *testing.T) {
			plain := newRunner(t, wazero.NewRuntimeConfigInterpreter(), read(t, "metered/"+name), 0)
			exports := slices.Sorted(maps.Keys(plain.compiled.ExportedFunctions()))
			want, wantLeft := plain.all(t, exports, func(int) int64 { return 0 })
			metered := mustMeter(t, read(t, "metered/"+name))
			measured, _ := newRunner(t, wazero.NewRuntimeConfigInterpreter(), metered, 0).all(t, exports, func(int) int64 { return plenty })
			for i := range want {
				want[i].fuel = measured[i].fuel
				if want[i].fuel <= 0 {
					t.Errorf("%v", measured[i])
				}
			}
			for how, config := range map[string]wazero.RuntimeConfig{
				"compiled": wazero.NewRuntimeConfig(), "interpreted": wazero.NewRuntimeConfigInterpreter(),
			} {
				for _, slice := range []int64{0, 1, 2, 7} {
					how := fmt.Sprintf("%s, in slices of %d", how, slice)
					r := newRunner(t, config, metered, slice)
					for _, enough := range []func(int) int64{func(int) int64 { return plenty }, func(call int) int64 { return want[call].fuel }} {
						got, left := r.all(t, exports, enough)
						compareCalls(t, how, got, want)
						if left != wantLeft {
							t.Errorf("%s: it left %s, unmetered %s", how, left, wantLeft)
						}
					}
					lessIsTooLittle(t, how, r, exports)
				}
			}
		})
	}
}

func compareCalls(t *testing.T, how string, got, want []observed) {
	t.Helper()
	for i, w := range want {
		if got[i].String() != w.String() {
			t.Errorf("%s:\n got %v\nwant %v", how, got[i], w)
		}
	}
}

// lessIsTooLittle: with one unit less than it takes, each call traps, and the gauge stays below zero.
func lessIsTooLittle(t *testing.T, how string, r *runner, exports []string) {
	t.Helper()
	for _, export := range exports {
		for _, argument := range arguments {
			r.fresh(t)
			fuel := r.call(t, export, argument, plenty).fuel
			r.fresh(t)
			o := r.call(t, export, argument, fuel-1)
			if !strings.Contains(o.trap, "unreachable") || r.gauge() >= 0 || r.reserve > 0 {
				t.Errorf("%s: with %d of fuel %v; %d are left", how, fuel-1, o, r.gauge()+r.reserve)
			}
		}
	}
}
