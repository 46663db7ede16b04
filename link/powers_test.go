package link_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

func TestForms(t *testing.T) {
	module, s := sealing(t)
	for want, m := range map[link.Form][]byte{
		link.FormPlugin: read(t, "plugin"), link.FormBase: toy.Wasm(), link.FormLinked: linkedToy(t), link.FormSealed: mustSeal(t, module, s),
	} {
		if got, err := link.FormOf(m); err != nil || got != want {
			t.Errorf("%v, %v; want %v", got, err, want)
		}
	}
	if form, err := link.FormOf([]byte("no module")); err == nil {
		t.Errorf("no module is a %v", form)
	}
}

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		module, name, kind string
		power              link.Power
		words              string
	}{
		{link.UserModule, "math_sqrt", "function", link.PowerGranted, ""},
		{"postern:link", "call", "function", link.PowerGranted, "until the guest is linked"},
		{"extism:host/env", "http_request", "function", link.PowerNetwork, "no policy grants"},
		{"extism:host/env", "alloc", "function", link.PowerExchange, "block"},
		{"extism:host/env", "new_function", "function", link.PowerUnknown, "does not know"},
		{"wasi_snapshot_preview1", "path_open", "function", link.PowerFiles, "opens a file"},
		{"wasi_snapshot_preview1", "sock_open", "function", link.PowerUnknown, "no function of WASI"},
		{"env", "memory", "memory", link.PowerUnknown, "shares a memory"},
		{link.UserModule, "t", "table", link.PowerUnknown, "shares a table"},
		{"env", "abort", "function", link.PowerUnknown, "a module that Postern does not know"},
		{"", "", "function", link.PowerUnknown, "a module that Postern does not know"},
	} {
		power, words := link.Import{Module: test.module, Name: test.name, Kind: test.kind}.Explain()
		if power != test.power || !strings.Contains(words, test.words) || (test.words == "") != (words == "") {
			t.Errorf("%s::%s: %s, %q", test.module, test.name, power, words)
		}
		if !slices.Contains(link.Powers(), power) {
			t.Errorf("%s is not listed", power)
		}
	}
}

// Each function that a guest may have, or that is replaced, has words; and what becomes of it is what Link does.
func TestGuestImportsAreWhatLinkDoes(t *testing.T) {
	before, err := link.Imports(read(t, "wasi"))
	if err != nil {
		t.Fatal(err)
	}
	after, err := link.Imports(mustLink(t, read(t, "wasi"), link.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	if len(before) < 45 {
		t.Fatalf("only %d imports", len(before))
	}
	for _, i := range before {
		stays, replaced := link.GuestImport(i)
		if stays == replaced || stays != slices.Contains(after, i) {
			t.Errorf("%v: stays %v, replaced %v", i, stays, replaced)
		}
		if power, words := i.Explain(); power == link.PowerUnknown || words == "" {
			t.Errorf("%v is not explained: %s, %q", i, power, words)
		}
	}
	for _, i := range []link.Import{
		{"wasi_snapshot_preview1", "fd_read", "function", "() -> i32"}, {"wasi_snapshot_preview1", "sock_open", "function", "(i32) -> i32"},
		{"extism:host/env", "http_request", "function", "(i64 i64) -> i64"}, {"extism:host/env", "alloc", "memory", "1.."}, {"env", "abort", "function", "() -> ()"},
		{link.UserModule, "a_b", "function", "(i32) -> i32"},
	} {
		if stays, replaced := link.GuestImport(i); stays || replaced {
			t.Errorf("%v: stays %v, replaced %v", i, stays, replaced)
		}
	}
}
