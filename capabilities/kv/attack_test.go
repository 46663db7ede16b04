package kv_test

import (
	"context"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/kv"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

func TestHostileKeys(t *testing.T) {
	s := open(t, t.TempDir(), "")
	s.Must(t, "kv.put", "a", int64(1))
	for _, key := range []any{
		"", "\x00", "a\x00", "a\x00b", "a\n", "\r", "\t", "\x1b[2J", "\x7f", "\u0085", "\xff", "\xc0\x80", "\xed\xa0\x80", "a\xe2\x82", strings.Repeat("x", kv.MaxKey+1), strings.Repeat("é", kv.MaxKey/2+1),
		nil, true, int64(0), 1.5, values.Bytes("a"), values.List{"a"}, values.Tuple{"a"}, big.NewInt(1), values.NewDict(0), values.Repr{Type: "x", Text: "a"},
	} {
		for name, rest := range map[string][]any{"kv.get": nil, "kv.put": {int64(1)}, "kv.delete": nil, "kv.incr": nil, "kv.cas": {nil, int64(1)}, "kv.list": nil} {
			if name == "kv.list" && key == "" {
				continue // any key
			}
			_, err := s.Call(t.Context(), name, append([]any{key}, rest...)...)
			var denied *familytest.Denied
			if !errors.As(err, &denied) {
				t.Errorf("%s(%q): %v", name, key, err)
			}
		}
	}
	// These are keys like any other: they have no meaning for the store.
	for _, key := range []string{"values", "used", "..", "../other", "/", "test", "\\", " ", "a'--", "%00", "*", "\u202e", strings.Repeat("x", kv.MaxKey)} {
		s.Must(t, "kv.put", key, key)
		if got := s.Must(t, "kv.get", key); got != key {
			t.Errorf("%q is %v", key, got)
		}
	}
	if got := s.Must(t, "kv.get", "a"); got != int64(1) {
		t.Errorf("%v", got)
	}
}

func TestHostileArguments(t *testing.T) {
	s := open(t, t.TempDir(), "max_value = \"1KiB\"\n")
	deep := any(int64(1))
	for range 250 {
		deep = values.List{deep}
	}
	huge := new(big.Int).Lsh(big.NewInt(1), 400_000)
	for _, test := range []struct {
		name     string
		args     []any
		keywords map[string]any
		class    string
	}{
		{"kv.put", []any{"k", strings.Repeat("x", 1<<20)}, nil, "kv.QuotaError"},
		{"kv.put", []any{"k", values.Bytes(make([]byte, 1000))}, nil, "kv.QuotaError"},
		{"kv.put", []any{"k", deep}, nil, "ValueError"},
		{"kv.put", []any{"k", huge}, nil, "ValueError"},
		{"kv.put", []any{"k", "\xff"}, nil, "ValueError"},
		{"kv.put", []any{"k", values.Repr{Type: "object", Text: "<object>"}}, nil, "TypeError"},
		{"kv.put", []any{"k", values.List{values.Tuple{values.Repr{Type: "object", Text: "<object>"}}}}, nil, "TypeError"},
		{"kv.put", []any{"k"}, nil, "TypeError"},
		{"kv.put", []any{"k", int64(1), int64(2)}, nil, "TypeError"},
		{"kv.put", []any{"k", int64(1)}, map[string]any{"namespace": "other"}, "TypeError"},
		{"kv.get", []any{"k", deep}, nil, "ValueError"},
		{"kv.get", []any{"k", huge}, nil, "ValueError"},
		{"kv.cas", []any{"k", deep, int64(1)}, nil, "ValueError"},
		{"kv.cas", []any{"k", nil, strings.Repeat("x", 1<<20)}, nil, "kv.QuotaError"},
		{"kv.incr", []any{"k", 1.5}, nil, "TypeError"},
		{"kv.incr", []any{"k", true}, nil, "TypeError"},
		{"kv.incr", []any{"k", "1"}, nil, "TypeError"},
		{"kv.incr", []any{"k", huge}, nil, "TypeError"},
		{"kv.incr", []any{"k", nil}, nil, "TypeError"},
		{"kv.list", nil, map[string]any{"limit": int64(0)}, "ValueError"},
		{"kv.list", nil, map[string]any{"limit": int64(-1)}, "ValueError"},
		{"kv.list", nil, map[string]any{"limit": int64(1 << 40)}, "ValueError"},
		{"kv.list", nil, map[string]any{"limit": "1"}, "ValueError"},
		{"kv.list", nil, map[string]any{"limit": nil}, "ValueError"},
		{"kv.list", nil, map[string]any{"after": nil}, "ValueError"},
		{"kv.list", nil, map[string]any{"after": "\x00"}, "ValueError"},
		{"kv.list", nil, map[string]any{"after": int64(1)}, "ValueError"},
	} {
		_, err := s.CallWith(t.Context(), test.name, test.args, test.keywords)
		t.Run(test.name, func(t *testing.T) { familytest.Raises(t, test.class, err) })
	}
	if got := s.Must(t, "kv.list").([]string); len(got) != 0 {
		t.Errorf("kept %q", got)
	}
}

// A store that is damaged, or no store, is an error and not the end of the host.
func TestDamagedStores(t *testing.T) {
	whole := t.TempDir()
	s := open(t, whole, "")
	for i := range 200 {
		s.Must(t, "kv.put", strings.Repeat("k", i+1), strings.Repeat("v", 100))
	}
	store, err := os.ReadFile(filepath.Join(whole, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	damaged := map[string][]byte{
		"text": []byte("this is no store"), "zeros": make([]byte, 4*page), "short": store[:page], "cut": store[:len(store)/2], "one byte": {0},
		"shuffled": append(append([]byte{}, store[:2*page]...), make([]byte, len(store)-2*page)...),
	}
	for i := range 8 {
		bent := append([]byte{}, store...)
		for at := 2*page + i; at < len(bent); at += 97 {
			bent[at] ^= byte(1 << i)
		}
		damaged["bent "+string(rune('0'+i))] = bent
	}
	for name, content := range damaged {
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "store.db"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, folder, "")
		for _, call := range [][]any{{"kv.get", "kkk"}, {"kv.list"}, {"kv.put", "a", strings.Repeat("x", 5000)}, {"kv.delete", "kk"}, {"kv.incr", "n"}} {
			v, err := s.Call(t.Context(), call[0].(string), call[1:]...)
			if name == "text" && err == nil {
				t.Errorf("%s: %v gave %v", name, call, v)
			}
		}
	}
	folder := t.TempDir()
	if err := os.Mkdir(filepath.Join(folder, "store.db"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, call := range []string{"kv.get", "kv.incr"} {
		if _, err := open(t, folder, "").Call(t.Context(), call, "a"); err == nil {
			t.Errorf("%s: a folder is no store", call)
		}
	}
	_, err = familytest.New(t, kv.Family(), folder, "path = \"none/store.db\"\n").Call(t.Context(), "kv.incr", "a")
	familytest.Raises(t, "FileNotFoundError", err)
	if strings.Contains(err.Error(), folder) {
		t.Errorf("shows what is the host's: %v", err)
	}
}

func TestStoppedAtOnce(t *testing.T) {
	s := open(t, t.TempDir(), "")
	s.Must(t, "kv.put", "a", int64(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, rest := range map[string][]any{"kv.get": nil, "kv.put": {int64(2)}, "kv.delete": nil, "kv.incr": nil, "kv.cas": {int64(1), int64(2)}} {
		if _, err := s.Call(ctx, name, append([]any{"a"}, rest...)...); !errors.Is(err, context.Canceled) && err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Must(t, "kv.get", "a"); got != int64(1) {
		t.Errorf("%v", got)
	}
}

func TestScopeMistakes(t *testing.T) {
	for _, test := range []string{"", `path = ""`, "path = 1", "path = [\"a\"]", "path = \"a\\u0000\"", "path = \"a\"\nmax_keys = 0", "path = \"a\"\nmax_value = \"9MiB\"", "path = \"a\"\nmax_bytes = \"0\"", "path = \"a\"\nnamespace = \"\\n\"", "path = \"a\"\nmaxkeys = 1"} {
		if _, err := policies.ParseScope(kv.Family().Scopes, test); err == nil {
			t.Errorf("%s was accepted", test)
		}
	}
}

func FuzzKey(f *testing.F) {
	for _, key := range []string{"a", "", "\x00", "é", "\xff", strings.Repeat("x", 600)} {
		f.Add(key)
	}
	decide := kv.Family().Decide
	f.Fuzz(func(t *testing.T, key string) {
		v := decide(policies.ScopedCall{Function: "get", Arguments: policies.NamedArguments{"key": key}})
		if v.Allow && (v.Canonical != key || key == "" || len(key) > kv.MaxKey || strings.ContainsAny(key, "\x00\n\x1b")) || !v.Allow && v.Reason == "" {
			t.Fatalf("%q: %+v", key, v)
		}
	})
}
