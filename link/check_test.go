package link_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

func TestImportsOfALinkedGuest(t *testing.T) {
	got, err := link.Imports(mustLink(t, toy.Wasm(), link.Options{Functions: []string{"math_sqrt", "http_get"}, KeepWASI: []string{"random_get"}}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"extism:host/env::input_length () -> i64",
		"extism:host/env::input_load_u8 (i64) -> i32",
		"extism:host/env::input_load_u64 (i64) -> i64",
		"extism:host/env::output_set (i64 i64) -> ()",
		"extism:host/env::alloc (i64) -> i64",
		"extism:host/env::store_u8 (i64 i32) -> ()",
		"wasi_snapshot_preview1::random_get (i32 i32) -> i32",
		"wasi_snapshot_preview1::path_open (i32 i32 i32 i32 i32 i64 i64 i32 i32) -> i32",
		"wasi_snapshot_preview1::fd_read (i32 i32 i32 i32) -> i32",
		"wasi_snapshot_preview1::fd_close (i32) -> i32",
		"extism:host/env::load_u8 (i64) -> i32",
		"wasi_snapshot_preview1::fd_write (i32 i32 i32 i32) -> i32",
		"extism:host/env::error_set (i64) -> ()",
		"extism:host/env::store_u64 (i64 i64) -> ()",
		"extism:host/env::length (i64) -> i64",
		"extism:host/env::load_u64 (i64) -> i64",
		"extism:host/user::http_get (i64) -> i64",
		"extism:host/user::math_sqrt (i64) -> i64",
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i].String() != want[i] {
			t.Fatalf("import %d of\n%v\nwant\n%v", i, got, want)
		}
	}
}

func TestImportsOfEveryKind(t *testing.T) {
	got, err := link.Imports(read(t, "plugin"))
	if err != nil {
		t.Fatal(err)
	}
	want := []link.Import{
		{"env", "host", "function", "(i32) -> i32"},
		{"env", "memory", "memory", "1..4"},
		{"env", "table", "table", "funcref 1.."},
		{"env", "limit", "global", "i32"},
		{"env", "count", "global", "mutable i64"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v\nwant\n%v", got, want)
	}
}

func TestCheck(t *testing.T) {
	linked := mustLink(t, toy.Wasm(), link.Options{Functions: []string{"math_sqrt", "http_get"}})
	random := mustLink(t, toy.Wasm(), link.Options{KeepWASI: []string{"random_get"}})
	for _, test := range []struct {
		name      string
		module    []byte
		functions []string
		keep      []string
		extra     []string
		missing   []string
	}{
		{"equal", linked, []string{"math_sqrt", "http_get"}, nil, nil, nil},
		{"none", mustLink(t, toy.Wasm(), link.Options{}), nil, nil, nil, nil},
		{"metered", mustMeter(t, linked), []string{"http_get", "math_sqrt"}, nil, nil, nil},
		{"more granted", linked, []string{"math_sqrt", "http_post", "http_get", "a_b"}, nil, nil, []string{"a_b", "http_post"}},
		{"less granted", linked, []string{"http_get"}, nil, []string{"math_sqrt: not granted"}, nil},
		{"another granted", linked, []string{"http_get", "math_log"}, nil, []string{"math_sqrt: not granted"}, []string{"math_log"}},
		{"not linked", read(t, "bare"), []string{"a_b"}, nil, []string{"call: the module is not linked"}, []string{"a_b"}},
		{"kept", random, nil, []string{"random_get"}, nil, nil},
		{"kept, not needed", random, nil, nil, []string{"random_get: the policy does not need this"}, nil},
		{"imported twice", module(section("02", "02 10 'extism:host/user' 03 'a_b' 00 00 10 'extism:host/user' 03 'a_b' 00 00")),
			[]string{"a_b"}, nil, []string{"a_b: imported twice"}, nil},
		{"wrong type", module(section("02", "01 10 'extism:host/user' 03 'a_b' 00 01")),
			[]string{"a_b"}, nil, []string{"a_b: want (i64) -> i64"}, []string{"a_b"}},
		{"not a function", module(section("02", "01 10 'extism:host/user' 03 'a_b' 03 7e 00")),
			[]string{"a_b"}, nil, []string{"a_b: want (i64) -> i64"}, []string{"a_b"}},
		{"kernel power", module(section("02", "01 0f 'extism:host/env' 0a 'config_get' 00 00")),
			nil, nil, []string{"config_get: guests may not import this"}, nil},
		{"plugin", read(t, "plugin"), nil, nil, []string{
			"host: guests import nothing from this module", "memory: guests import nothing from this module",
			"table: guests import nothing from this module", "limit: guests import nothing from this module",
			"count: guests import nothing from this module"}, nil},
	} {
		err := link.Check(test.module, test.functions, test.keep...)
		var problems link.ImportError
		if e, ok := errors.AsType[*link.ImportError](err); ok {
			problems = *e
		} else if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		var extra []string
		for _, x := range problems.Extra {
			extra = append(extra, x.Name+": "+x.Reason)
		}
		if !slices.Equal(extra, test.extra) || !slices.Equal(problems.Missing, test.missing) {
			t.Errorf("%s:\nextra %q, want %q\nmissing %q, want %q", test.name, extra, test.extra, problems.Missing, test.missing)
		}
	}
}

func TestCheckRefusesBadArguments(t *testing.T) {
	for _, err := range []error{
		link.Check(read(t, "bare"), []string{"A_b"}),
		link.Check(read(t, "bare"), []string{"a_b", "a_b"}),
		link.Check(read(t, "bare"), nil, "fd_fly"),
		link.Check([]byte("MZ"), nil),
	} {
		if _, ok := errors.AsType[*link.ImportError](err); err == nil || ok {
			t.Errorf("error %v, want one that is not about imports", err)
		}
	}
}

func TestOrder(t *testing.T) {
	got, err := link.Order([]string{"b_a", "a_b", "a1_z", "a_a2", "a_a_b"})
	if want := []string{"a1_z", "a_a2", "a_a_b", "a_b", "b_a"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	for n, f := range got {
		if i, ok := link.Index(got, f); !ok || i != n {
			t.Errorf("index of %s is %d, %v", f, i, ok)
		}
	}
	if _, ok := link.Index(got, "a_c"); ok {
		t.Error("a_c has an index")
	}
	for _, bad := range []string{"", "a", "a_", "_a", "A_b", "a_B", "a-b_c", "1a_b", "a_1", "a__b", "a_b\n", "a_b\x00", "ä_b", "a b_c", "a.b_c"} {
		if _, err := link.Order([]string{bad}); err == nil {
			t.Errorf("%q passes for a symbol", bad)
		}
	}
}

func ExampleImports() {
	linked, err := link.Link(toy.Wasm(), link.Options{Functions: []string{"math_sqrt", "math_log"}})
	if err != nil {
		panic(err)
	}
	imports, err := link.Imports(linked)
	if err != nil {
		panic(err)
	}
	for _, i := range imports {
		if i.Module == link.UserModule {
			fmt.Println(i)
		}
	}
	// Output:
	// extism:host/user::math_log (i64) -> i64
	// extism:host/user::math_sqrt (i64) -> i64
}

func ExampleCheck() {
	linked, err := link.Link(toy.Wasm(), link.Options{Functions: []string{"math_sqrt", "fs_read"}})
	if err != nil {
		panic(err)
	}
	fmt.Println(link.Check(linked, []string{"math_sqrt", "math_log"}))
	// Output:
	// link: the module's imports are not those it must have
	// 	extra: extism:host/user::fs_read (i64) -> i64: not granted
	// 	missing: extism:host/user::math_log
}
