package link_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

func TestEachMentionOfAFunctionIsRenumbered(t *testing.T) {
	grants := []string{"a_one", "b_two", "b_two_3"}
	for _, test := range []struct {
		export string
		args   []uint64
		want   uint64
	}{
		{"direct", []uint64{0, 7}, 70},
		{"direct", []uint64{1, 7}, 71},
		{"direct", []uint64{2, 7}, 72},
		{"call", []uint64{2, 7}, 72},
		{"own", []uint64{2, 7}, 9},
		{"by_table", []uint64{0, 1, 7}, 71}, // form 0, the dispatcher
		{"by_table", []uint64{1, 1, 7}, 8},  // form 0, the guest's own
		{"by_table", []uint64{3, 1, 7}, 71}, // form 4
		{"by_second_table", []uint64{1, 7}, 71},
		{"by_passive", []uint64{1, 7}, 71},
		{"by_expressions", []uint64{1, 7}, 71},
		{"by_reference", []uint64{1, 7}, 71},
		{"by_ref_func", []uint64{1, 7}, 8},
		{"kernel", nil, 1100},
		{"started", nil, 42},
		{"yield", nil, 0},
	} {
		for _, meter := range []bool{false, true} {
			linked := mustLink(t, read(t, "dispatch"), link.Options{Functions: []string{"b_two", "b_two_3", "a_one"}, Meter: meter})
			if got := mustCall(t, instantiate(t, linked, grants...), test.export, test.args...); got != test.want {
				t.Errorf("%s%v gave %d, want %d (meter %v)", test.export, test.args, got, test.want, meter)
			}
		}
	}
}

func TestDispatcherTrapsOutOfRange(t *testing.T) {
	for _, grants := range [][]string{nil, {"a_one"}, {"a_one", "b_two"}} {
		m := instantiate(t, mustLink(t, read(t, "dispatch"), link.Options{Functions: grants}), grants...)
		for _, index := range []uint64{uint64(len(grants)), uint64(len(grants)) + 1, 0x7fffffff, 0x80000000, 0xffffffff} {
			if got, err := call(t, m, "direct", index, 7); err == nil || !strings.Contains(err.Error(), "unreachable") {
				t.Errorf("index %d of %d: %d, %v", index, len(grants), got, err)
			}
		}
		if len(grants) > 0 {
			if got := mustCall(t, m, "direct", 0, 7); got != 70 {
				t.Errorf("after the traps, index 0 gave %d, want 70", got)
			}
		}
	}
}

func TestManyFunctions(t *testing.T) {
	grants := make([]string, 500)
	for i := range grants {
		grants[i] = "f_x" + strings.Repeat("x", i)
	}
	shuffled := append([]string(nil), grants...)
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	m := instantiate(t, mustLink(t, read(t, "bare"), link.Options{Functions: shuffled}), grants...)
	if got := mustCall(t, m, "exec"); got != 0 {
		t.Errorf("exec gave %d", got)
	}
	m = instantiate(t, mustLink(t, read(t, "dispatch"), link.Options{Functions: shuffled}), grants...)
	for _, index := range []uint64{0, 63, 64, 127, 128, 499} {
		if got := mustCall(t, m, "direct", index, 1); got != 10+index {
			t.Errorf("index %d gave %d", index, got)
		}
	}
}

func TestFunctionNamesSurvive(t *testing.T) {
	m := instantiate(t, mustLink(t, read(t, "dispatch"), link.Options{Meter: true}))
	_, err := call(t, m, "direct", 0, 0)
	if err == nil || !strings.Contains(err.Error(), ".call(i32,i64) i64") {
		t.Errorf("the stack trace does not name the function $call: %v", err)
	}
}

func TestLinkIsDeterministic(t *testing.T) {
	base := toy.Wasm()
	opts := link.Options{Functions: []string{"math_sqrt", "http_get", "math_log"}, KeepWASI: []string{"clock_time_get", "random_get"}, Meter: true}
	first := mustLink(t, base, opts)
	opts.Functions = []string{"math_log", "math_sqrt", "http_get"}
	opts.KeepWASI = []string{"random_get", "clock_time_get"}
	if second := mustLink(t, base, opts); !bytes.Equal(first, second) {
		t.Error("the order of the options changed the output")
	}
	if !bytes.Equal(base, toy.Wasm()) {
		t.Error("linking changed its input")
	}
	if got := strings.Join(opts.Functions, " "); got != "math_log math_sqrt http_get" {
		t.Errorf("linking sorted the caller's slice: %s", got)
	}
}

func TestMeterAfterLinkIsLinkWithMeter(t *testing.T) {
	opts := link.Options{Functions: []string{"math_sqrt"}}
	after := mustMeter(t, mustLink(t, toy.Wasm(), opts))
	opts.Meter = true
	if !bytes.Equal(after, mustLink(t, toy.Wasm(), opts)) {
		t.Error("Link with Meter differs from Meter of Link")
	}
}

func TestWhatCannotBeLinked(t *testing.T) {
	bare := read(t, "bare")
	linked := mustLink(t, bare, link.Options{Functions: []string{"a_b"}})
	for _, test := range []struct {
		name string
		base []byte
		opts link.Options
		want string
	}{
		{"linked", linked, link.Options{}, `link: the module is linked already: it exports "postern:clock"`},
		{"metered", mustMeter(t, bare), link.Options{}, `link: the module is linked already: it exports "postern:fuel"`},
		{"grants without state", module(section("02", "01 10 'extism:host/user' 03 'a_b' 00 00")), link.Options{},
			"link: the module is linked already: it imports extism:host/user::a_b"},
		{"no placeholder", read(t, "costs"), link.Options{}, "link: not a base guest: it imports postern:link::call 0 times, want once"},
		{"two placeholders", module(section("02", "02 0c 'postern:link' 04 'call' 00 01 0c 'postern:link' 04 'call' 00 01")), link.Options{},
			"link: not a base guest: it imports postern:link::call 2 times, want once"},
		{"no memory", module(section("02", "01 0c 'postern:link' 04 'call' 00 01")), link.Options{},
			"link: not a base guest: it has 0 memories, want one"},
		{"function twice", bare, link.Options{Functions: []string{"a_b", "c_d", "a_b"}}, `link: function "a_b" is there twice`},
		{"no symbol", bare, link.Options{Functions: []string{"a.b"}},
			`link: "a.b" is not a symbol: want <family>_<function> in lower case, such as "math_sqrt"`},
		{"no such WASI function", bare, link.Options{KeepWASI: []string{"fd_fly"}},
			`link: "fd_fly" is not a function of wasi_snapshot_preview1`},
	} {
		_, err := link.Link(test.base, test.opts)
		if err == nil || err.Error() != test.want {
			t.Errorf("%s: error %v\nwant %s", test.name, err, test.want)
		}
	}
}

func TestImportsThatABaseMayNotHave(t *testing.T) {
	for name, test := range map[string]struct{ imports, want string }{
		"another module":   {"03 'env' 01 'f' 00 00", "env::f (i64) -> i64: guests import nothing from this module"},
		"HTTP":             {"0f 'extism:host/env' 0c 'http_request' 00 00", "extism:host/env::http_request (i64) -> i64: guests may not import this"},
		"wrong type":       {"0f 'extism:host/env' 06 'length' 00 01", "extism:host/env::length (i32 i64) -> i64: want (i64) -> i64"},
		"a global":         {"0f 'extism:host/env' 06 'length' 03 7f 01", "extism:host/env::length global mutable i32: want (i64) -> i64"},
		"a memory":         {"03 'env' 06 'memory' 02 01 01 02", "env::memory memory 1..2: guests import nothing from this module"},
		"a table":          {"03 'env' 05 'table' 01 70 00 01", "env::table table funcref 1..: guests import nothing from this module"},
		"unknown WASI":     {"16 'wasi_snapshot_preview1' 05 'fd_up' 00 00", "wasi_snapshot_preview1::fd_up (i64) -> i64: guests may not import this"},
		"wrong WASI type":  {"16 'wasi_snapshot_preview1' 07 'fd_sync' 00 00", "wasi_snapshot_preview1::fd_sync (i64) -> i64: want (i32) -> i32"},
		"wrong stub type":  {"16 'wasi_snapshot_preview1' 0a 'random_get' 00 00", "wasi_snapshot_preview1::random_get (i64) -> i64: want (i32 i32) -> i32"},
		"other WASI":       {"0d 'wasi_unstable' 07 'fd_sync' 00 00", "wasi_unstable::fd_sync (i64) -> i64: guests import nothing from this module"},
		"placeholder type": {"0c 'postern:link' 04 'call' 00 00", "postern:link::call (i64) -> i64: want (i32 i64) -> i64"},
		"placeholder name": {"0c 'postern:link' 04 'kall' 00 01", "postern:link::kall (i32 i64) -> i64: guests may not import this"},
	} {
		_, err := link.Link(module(section("02", "01 "+test.imports)), link.Options{})
		var problems *link.ImportError
		if !errors.As(err, &problems) || len(problems.Extra) != 1 {
			t.Errorf("%s: error %v, want an ImportError with one import", name, err)
			continue
		}
		if want := "link: the module's imports are not those it must have\n\textra: " + test.want; err.Error() != want {
			t.Errorf("%s: error %v\nwant %s", name, err, want)
		}
	}
}
