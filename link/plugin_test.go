package link_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/link/internal/wasm"
)

func mustPlugin(t *testing.T, granted ...string) []byte {
	t.Helper()
	module, err := link.Plugin(read(t, "tool"), granted)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func TestPluginImports(t *testing.T) {
	imports, err := link.Imports(mustPlugin(t, "a_one", "b_two"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range imports {
		got = append(got, i.Module+"::"+i.Name)
	}
	want := []string{
		"extism:host/env::input_length", "extism:host/env::log_info", "extism:host/user::a_one", "wasi_snapshot_preview1::proc_exit",
	}
	if !slices.Equal(got, want) {
		t.Errorf("imports %q, want %q", got, want)
	}
	all, err := link.Imports(read(t, "tool"))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range all {
		stays, replaced := link.PluginImport(i)
		if stays != slices.Contains(want, i.Module+"::"+i.Name) || stays == replaced {
			t.Errorf("%v: stays %v, replaced %v", i, stays, replaced)
		}
	}
}

func TestPluginRefusesImports(t *testing.T) {
	for _, test := range []struct {
		module  string
		granted []string
		want    []string
	}{
		{"tool", nil, []string{"extism:host/user::a_one (i64) -> i64: not granted"}},
		{"plugin", nil, []string{
			"env::host (i32) -> i32: plugins import nothing from this module", "env::memory memory 1..4: plugins import nothing from this module",
			"env::table table funcref 1..: plugins import nothing from this module", "env::limit global i32: plugins import nothing from this module",
			"env::count global mutable i64: plugins import nothing from this module",
		}},
		{"bare", nil, []string{"postern:link::call (i32 i64) -> i64: plugins import nothing from this module"}},
	} {
		_, err := link.Plugin(read(t, test.module), test.granted)
		var refused *link.ImportError
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", test.module, err)
			continue
		}
		var got []string
		for _, x := range refused.Extra {
			got = append(got, x.Import.String()+": "+x.Reason)
			if stays, replaced := link.PluginImport(x.Import); (stays || replaced) && x.Import.Module != link.UserModule {
				t.Errorf("%v is refused, and PluginImport says otherwise", x.Import)
			}
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: %q, want %q", test.module, got, test.want)
		}
	}
	if _, err := link.Plugin(mustPlugin(t, "a_one"), []string{"a_one"}); err == nil || !strings.Contains(err.Error(), "linked already") {
		t.Errorf("twice: %v", err)
	}
}

// The tables of a plugin take the host's memory, which no limit of the tool counts: all of them together have so many elements as one may have.
func TestPluginTables(t *testing.T) {
	for name, want := range map[string][]uint32{"tables": {333_344, 333_324, 7}, "tables-large": nil} {
		module, err := link.Plugin(read(t, name), nil)
		if want == nil {
			if err == nil || !strings.Contains(err.Error(), "1000001 elements, more than 1000000") {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := wasm.Decode(module)
		if err != nil {
			t.Fatal(err)
		}
		var got []uint32
		for _, table := range m.Tables {
			got = append(got, table.Limits.Max)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: maxima %d, want %d", name, got, want)
		}
	}
}

func TestPluginRuns(t *testing.T) {
	m := instantiate(t, mustPlugin(t, "a_one"), "a_one")
	for _, step := range []struct {
		export string
		args   []uint64
		want   uint64
	}{
		{"started", nil, 0}, // the start function has not run
		{link.StartFunction, nil, 0},
		{"started", nil, 42},
		{"granted", []uint64{7}, 70},
		{"length", nil, 100},
		{"config", nil, 0},
	} {
		if got, err := call(t, m, step.export, step.args...); err != nil || got != step.want {
			t.Errorf("%s: %d, %v; want %d", step.export, got, err, step.want)
		}
	}
	again := instantiate(t, mustPlugin(t, "a_one"), "a_one")
	if first, second := mustCall(t, m, "time"), mustCall(t, again, "time"); first != second {
		t.Errorf("the clock tells the time: %d and %d", first, second)
	}
	if _, err := call(t, m, "fetch"); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("fetch: %v", err)
	}
	state(t, m, link.FuelGlobal).Set(1000)
	if _, err := call(t, m, "loop"); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("loop: %v", err)
	}
}

func TestExports(t *testing.T) {
	exports, err := link.Exports(read(t, "tool"))
	if err != nil {
		t.Fatal(err)
	}
	want := []link.Export{{"memory", "memory", ""}, {"started", "function", "() -> i32"}, {"granted", "function", "(i64) -> i64"}}
	if !slices.Equal(exports[:3], want) {
		t.Errorf("%+v", exports)
	}
}
