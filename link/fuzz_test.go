package link_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/tetratelabs/wazero"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

func seed(f *testing.F) {
	for _, name := range []string{"bare", "costs", "dispatch", "plugin", "start", "table", "wasi"} {
		f.Add(read(f, name))
	}
	f.Add(toy.Wasm())
	f.Add(instructionGuest("fd 0d 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f"))
	f.Add(instructionGuest("02 40 0e 02 00 01 00 0b"))
}

// FuzzLink: linking fails with an error, or gives what Check accepts. What wazero compiles before the link, it
// compiles after.
func FuzzLink(f *testing.F) {
	seed(f)
	r := newRuntime(f)
	f.Fuzz(func(t *testing.T, base []byte) {
		grants := []string{"a_b", "c_d"}
		linked, err := link.Link(base, link.Options{Functions: grants, Meter: true})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "link: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		if err := link.Check(linked, grants); err != nil {
			t.Error(err)
		}
		compiles(t, r, base, linked)
	})
}

// FuzzPlugin: a plugin is refused with an error, or becomes a module that wazero compiles as it did before, with no import that a plugin may
// not have and nothing that runs by itself.
func FuzzPlugin(f *testing.F) {
	seed(f)
	f.Add(read(f, "tool"))
	r := newRuntime(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		plugin, err := link.Plugin(module, []string{"a_one"})
		if err != nil {
			if !strings.HasPrefix(err.Error(), "link: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		imports, err := link.Imports(plugin)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range imports {
			if stays, _ := link.PluginImport(i); !stays || i.Kind != "function" || i.Module == link.UserModule && i.Name != "a_one" {
				t.Errorf("import %v", i)
			}
		}
		exports, err := link.Exports(plugin)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range exports {
			if e.Name == "__wasm_call_ctors" || e.Name == "hs_init" {
				t.Errorf("export %v", e)
			}
		}
		compiles(t, r, module, plugin)
	})
}

// FuzzMeter: a module is decoded or refused, and what was decoded once is decoded again and stays the same.
func FuzzMeter(f *testing.F) {
	seed(f)
	r := newRuntime(f)
	f.Fuzz(func(t *testing.T, module []byte) {
		metered, err := link.Meter(module)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "link: ") {
				t.Errorf("error %v", err)
			}
			return
		}
		if again, err := link.Meter(module); err != nil || !bytes.Equal(metered, again) {
			t.Error("metering is not deterministic")
		}
		before, err := link.Imports(module)
		if err != nil {
			t.Fatal(err)
		}
		after, err := link.Imports(metered)
		if err != nil || len(before) != len(after) {
			t.Errorf("imports %v became %v (%v)", before, after, err)
		}
		sameForWazero(t, r, module, metered)
	})
}

// FuzzCode is FuzzMeter for the code of one function, which mutations of a whole module seldom reach.
func FuzzCode(f *testing.F) {
	for _, code := range []string{
		"", "41 00 0d 00", "02 40 0c 00 0b", "03 40 0c 00 0b", "04 7f 41 00 05 41 01 0b 1a", "0e 02 00 00 00", "10 00", "11 00 00",
		"1c 01 7f", "d0 70 d1", "d2 00", "28 02 04", "40 00", "fc 08 00 00", "fc 0c 00 00", "fd 0c" + strings.Repeat("80", 16),
		"fd 54 00 00 01", "fd 80 01", "42 80 80 80 80 80 80 80 80 80 7f", "43 00 00 00 00", "02 00 0b", "41 01 21 00 20 00 0f",
	} {
		f.Add(raw(code))
	}
	r := newRuntime(f)
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) > 100 {
			return
		}
		module := instructionGuest(fmt.Sprintf("%x", code))
		metered, err := link.Meter(module)
		if err == nil {
			sameForWazero(t, r, module, metered)
		}
	})
}

// FuzzFuel runs the code of one function, (i32) -> i32, metered. In whatever slices its fuel comes, it does the same and takes the
// same; and what ends before its fuel does, does so without metering.
func FuzzFuel(f *testing.F) {
	for _, code := range []string{
		"20 00", "03 40 20 00 41 01 6b 22 00 0d 00 0b 20 00", "02 40 03 40 20 00 0d 01 0c 00 0b 0b 41 07", "20 00 41 05 49 04 7f 20 00 41 01 6a 10 00 05 20 00 0b",
		"41 02 20 00 03 01 20 00 41 01 6b 22 00 0d 00 0b 6a", "02 40 02 40 02 40 20 00 0e 02 01 02 00 0b 0b 41 04 0f 0b 41 05",
		"20 00 40 00", "41 00 41 01 20 00 fc 0b 00 41 00 28 02 00", "03 7f 20 00 41 03 6a 22 00 41 20 49 0d 00 20 00 0b", "20 00 03 40 03 40 0c 01 0b 0b",
	} {
		f.Add(raw(code), uint32(3))
	}
	f.Fuzz(func(t *testing.T, code []byte, argument uint32) {
		if len(code) > 100 {
			return
		}
		body := fmt.Sprintf("01 01 7f %x 0b", code)
		plain := raw(header + "01 0b 02 60 01 7f 01 7f 60 02 7f 7f 00 " + "03 02 01 00 " + "05 04 01 01 01 02 " + "07 05 01 01 'f' 00 00 " +
			section("0a", fmt.Sprintf("01 %02x ", len(raw(body)))+body))
		metered, err := link.Meter(plain)
		if err != nil {
			return
		}
		const fuel = 5_000
		var first observed
		for slice := range int64(4) {
			r := tryRunner(t, wazero.NewRuntimeConfigInterpreter(), metered, slice)
			if r == nil {
				return // it is not valid; FuzzCode compares that
			}
			r.fresh(t)
			o := r.call(t, "f", uint64(argument), fuel)
			switch {
			case strings.Contains(o.trap, "stack overflow"):
				return // a refuelled function uses more of it
			case slice == 0:
				first = o
			case o.String() != first.String():
				t.Errorf("in slices of %d: %v, all at once: %v", slice, o, first)
			}
		}
		if first.fuel > fuel {
			return
		}
		r := newRunner(t, wazero.NewRuntimeConfigInterpreter(), plain, 0)
		r.fresh(t)
		o := r.call(t, "f", uint64(argument), 0)
		if o.fuel = first.fuel; o.String() != first.String() {
			t.Errorf("metered %v, unmetered %v", first, o)
		}
	})
}

// compiles checks that wazero compiles a linked module if it compiles the one that was linked.
func compiles(t *testing.T, r wazero.Runtime, base, linked []byte) {
	t.Helper()
	m, err := r.CompileModule(t.Context(), base)
	if err != nil {
		return
	}
	m.Close(t.Context())
	if m, err = r.CompileModule(t.Context(), linked); err != nil {
		t.Fatalf("it compiles, linked it does not: %v", err)
	}
	m.Close(t.Context())
}

// sameForWazero checks that wazero compiles both modules or neither.
func sameForWazero(t *testing.T, r wazero.Runtime, plain, metered []byte) {
	compile := func(module []byte) error {
		m, err := r.CompileModule(t.Context(), module)
		if err == nil {
			m.Close(t.Context())
		}
		return err
	}
	before, after := compile(plain), compile(metered)
	if before == nil && after != nil {
		t.Errorf("it compiles, metered it does not: %v", after)
	}
	if before != nil && after == nil {
		t.Errorf("it does not compile, metered it does: %v", before)
	}
}
