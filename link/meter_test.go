package link_test

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/link"
)

// costs are exports of costs.wasm and what a call takes.
var costs = []struct {
	export string
	args   []uint64
	fuel   uint64
}{
	{"empty", nil, 1},
	{"calls", nil, 3},
	{"indirect", nil, 2},
	{"recurse", []uint64{0}, 1},
	{"recurse", []uint64{5}, 6},
	{"loop", []uint64{1}, 1 + 1},
	{"loop", []uint64{10}, 1 + 10},
	{"nested", []uint64{4}, 1 + 4 + 4*3},
	{"parameters", []uint64{5}, 1 + 5},
	{"own_global", nil, 1},
	{"fill", []uint64{0}, 1},
	{"fill", []uint64{63}, 1},
	{"fill", []uint64{64}, 1 + 1},
	{"fill", []uint64{6400}, 1 + 100},
	{"copy", []uint64{129}, 1 + 2},
	{"init", []uint64{64}, 1 + 1},
	{"grow", []uint64{0}, 1},
	{"grow", []uint64{3}, 1 + 3*1024},
	{"grow", []uint64{65536}, 1 + 65536*1024}, // fails, and is paid for
	{"grow", []uint64{0xffffffff}, 1 + 0xffffffff*1024},
	{"table_fill", []uint64{7}, 1},
	{"table_fill", []uint64{16}, 1 + 2},
	{"table_copy", []uint64{8}, 1 + 1},
	{"table_init", []uint64{8}, 1 + 1},
	{"table_grow", []uint64{80}, 1 + 10},
	{"table_grow", []uint64{0xffffffff}, 1 + 0xffffffff/8},
}

func TestLongestFunction(t *testing.T) {
	for name, want := range map[string]int{"detach-none": 0, "detach-start": 2} {
		if got, err := link.LongestFunction(read(t, name)); err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", name, got, err, want)
		}
	}
	whole := read(t, "detach")
	for n := range len(whole) {
		link.LongestFunction(whole[:n])
	}
	if _, err := link.LongestFunction(whole[:len(whole)-1]); err == nil {
		t.Error("cut off: no error")
	}
}

func TestFuel(t *testing.T) {
	plain, metered := read(t, "costs"), mustMeter(t, read(t, "costs"))
	for _, test := range costs {
		name := fmt.Sprintf("%s%v", test.export, test.args)
		want := mustCall(t, instantiate(t, plain), test.export, test.args...)

		m := instantiate(t, metered)
		fuel := state(t, m, link.FuelGlobal)
		if fuel.Get() != math.MaxInt64 {
			t.Fatalf("the fuel begins as %d", fuel.Get())
		}
		if got := mustCall(t, m, test.export, test.args...); got != want {
			t.Errorf("%s gave %d, unmetered %d", name, got, want)
		}
		if used := math.MaxInt64 - fuel.Get(); used != test.fuel {
			t.Errorf("%s took %d, want %d", name, used, test.fuel)
		}

		m = instantiate(t, metered)
		fuel = state(t, m, link.FuelGlobal)
		fuel.Set(test.fuel)
		if got := mustCall(t, m, test.export, test.args...); got != want || fuel.Get() != 0 {
			t.Errorf("%s with just enough fuel gave %d and left %d", name, got, int64(fuel.Get()))
		}

		m = instantiate(t, metered)
		fuel = state(t, m, link.FuelGlobal)
		fuel.Set(test.fuel - 1)
		_, err := call(t, m, test.export, test.args...)
		if err == nil || !strings.Contains(err.Error(), "unreachable") || int64(fuel.Get()) >= 0 {
			t.Errorf("%s with too little fuel: %v, left %d", name, err, int64(fuel.Get()))
		}
		if _, err := call(t, m, "empty"); err == nil {
			t.Errorf("%s: a call without fuel succeeded", name)
		}
		fuel.Set(1)
		if _, err := call(t, m, "empty"); err != nil {
			t.Errorf("%s: a call with new fuel failed: %v", name, err)
		}
	}
}

func TestEndlessLoopEnds(t *testing.T) {
	m := instantiate(t, mustMeter(t, read(t, "costs")))
	fuel := state(t, m, link.FuelGlobal)
	fuel.Set(100_000)
	if _, err := call(t, m, "forever"); err == nil || int64(fuel.Get()) != -1 {
		t.Errorf("forever: %v, left %d", err, int64(fuel.Get()))
	}
}

func TestWhatIsNotPaidForIsNotDone(t *testing.T) {
	m := instantiate(t, mustMeter(t, read(t, "costs")))
	state(t, m, link.FuelGlobal).Set(2)
	if _, err := call(t, m, "fill", 1024); err == nil {
		t.Fatal("fill succeeded")
	}
	if b, _ := m.Memory().Read(0, 1024); !bytes.Equal(b, make([]byte, 1024)) {
		t.Error("fill wrote")
	}
	state(t, m, link.FuelGlobal).Set(2)
	if _, err := call(t, m, "grow", 1); err == nil || m.Memory().Size() != 2*65536 {
		t.Errorf("grow: %v, memory %d", err, m.Memory().Size())
	}
}

func TestStartFunctionHasLittleFuel(t *testing.T) {
	m := instantiate(t, mustMeter(t, read(t, "start")))
	if got := mustCall(t, m, "count"); got != 100 {
		t.Errorf("the start function counted to %d", got)
	}
	// One for the start, a hundred for its loop, one for count.
	if got := state(t, m, link.FuelGlobal).Get(); got != link.StartFuel-102 {
		t.Errorf("%d left, want %d", got, link.StartFuel-102)
	}
}

func TestMeteringTwiceIsAnError(t *testing.T) {
	_, err := link.Meter(mustMeter(t, read(t, "costs")))
	if want := `link: the module is metered already: it exports "postern:fuel"`; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

func TestStubsAreMetered(t *testing.T) {
	m := instantiate(t, mustLink(t, read(t, "dispatch"), link.Options{Functions: []string{"a_b"}, Meter: true}), "a_b")
	fuel := state(t, m, link.FuelGlobal)
	fuel.Set(10)
	mustCall(t, m, "yield")        // the export and the stub
	mustCall(t, m, "direct", 0, 7) // the export and the dispatcher
	if fuel.Get() != 10-2-2 {
		t.Errorf("%d left, want 6", fuel.Get())
	}
}

// TestPluginKeepsItsIndices: imports of all kinds stay where they are, and the fuel comes after the plugin's globals.
func TestPluginKeepsItsIndices(t *testing.T) {
	plain, err := link.Imports(read(t, "plugin"))
	if err != nil {
		t.Fatal(err)
	}
	metered, err := link.Imports(mustMeter(t, read(t, "plugin")))
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(plain) != fmt.Sprint(metered) {
		t.Errorf("imports %v became %v", plain, metered)
	}
	if _, err := newRuntime(t).CompileModule(t.Context(), mustMeter(t, read(t, "plugin"))); err != nil {
		t.Error(err)
	}
}

// Code that names a global or a function which is not there must not come to name one that metering adds.
func TestInvalidModulesDoNotBecomeValid(t *testing.T) {
	for name, body := range map[string]string{
		"the fuel":                "42 ff 00 24 00 0b",
		"the charge":              "41 00 10 01 1a 41 00 41 00 41 00 fc 0b 00 0b",
		"the charge's type":       "41 00 41 00 11 02 00 1a 0b",
		"a block's new type":      "41 00 02 02 0b 1a 0b",
		"a block around the code": "41 00 0c 01 0b",
		"a block around a loop":   "03 7e 42 00 0c 02 0b 0b",
	} {
		m := module("03 02 01 00 05 03 01 00 01 " + section("0a", fmt.Sprintf("01 %02x 00 ", len(raw(body))+1)+body))
		if out, err := link.Meter(m); err == nil {
			t.Errorf("%s: metered to %x", name, out)
		}
	}
}

// TestTablesStaySmall: a table without a maximum could grow to 32 GiB of the host's memory.
func TestTablesStaySmall(t *testing.T) {
	for name, module := range map[string][]byte{"metered": mustMeter(t, read(t, "table")), "linked": mustLink(t, read(t, "table"), link.Options{})} {
		m := instantiate(t, module)
		if got := mustCall(t, m, "grow", 999_990); got != 10 {
			t.Errorf("%s: growing to a million gave %d", name, got)
		}
		if got := mustCall(t, m, "grow", 1); uint32(got) != math.MaxUint32 {
			t.Errorf("%s: growing beyond a million gave %d", name, got)
		}
		if got := mustCall(t, m, "grow_small", 6); uint32(got) != math.MaxUint32 {
			t.Errorf("%s: a maximum of 5 was raised", name)
		}
	}
}
