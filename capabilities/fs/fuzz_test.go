package fs_test

import (
	"path"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/policies"
)

func scope(t testing.TB) policies.Scope {
	s, err := policies.ParseScope(fs.Family().Scopes, grant)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// What is allowed is a path in its canonical form below a root, and saying it again changes nothing.
func FuzzPath(f *testing.F) {
	for _, p := range append(hostilePaths, leading...) {
		f.Add(p)
	}
	s, decide := scope(f), fs.Family().Decide
	f.Fuzz(func(t *testing.T, text string) {
		v := decide(policies.ScopedCall{Function: "read", Arguments: policies.NamedArguments{"path": text}, Scope: s})
		if !v.Allow {
			if v.Reason == "" || v.Canonical != nil {
				t.Fatalf("%q: %+v", text, v)
			}
			return
		}
		canonical := fs.Canonical(v.Canonical)
		root, _, _ := strings.Cut(canonical, "/")
		if path.Clean(canonical) != canonical || root != "data" && root != "out" || strings.ContainsAny(canonical, "\x00\\\n") || strings.Contains("/"+canonical+"/", "/../") {
			t.Fatalf("%q is canonical %q", text, canonical)
		}
		again := decide(policies.ScopedCall{Function: "read", Arguments: policies.NamedArguments{"path": canonical}, Scope: s})
		if !again.Allow || fs.Canonical(again.Canonical) != canonical {
			t.Fatalf("%q, then %q, then %+v", text, canonical, again)
		}
	})
}

// A pattern begins in a folder in which all that it matches is.
func FuzzGlob(f *testing.F) {
	for _, pattern := range []string{"data/**", "data/*/x?", "data/a/b*/c", "out/a", "data/**/*.csv", "data/***", "*", "data/a/**/b/**"} {
		f.Add(pattern, "a/b/c")
	}
	s, decide := scope(f), fs.Family().Decide
	f.Fuzz(func(t *testing.T, text, name string) {
		v := decide(policies.ScopedCall{Function: "glob", Arguments: policies.NamedArguments{"pattern": text}, Scope: s})
		if !v.Allow {
			return
		}
		start, depth, matches := fs.Search(v.Canonical, name)
		if strings.ContainsAny(start, "*?") || path.Join("/", start) != "/"+start {
			t.Fatalf("%q begins in %q", text, start)
		}
		if matches && path.Clean(name) == name && name != "." && !strings.HasPrefix(name, "/") {
			if start != "" && name != start && !strings.HasPrefix(name, start+"/") {
				t.Fatalf("%q matches %q, which is not in %q", text, name, start)
			}
			if n := strings.Count(name, "/") + 1; n > depth && n <= 64 {
				t.Fatalf("%q matches %q, deeper than %d", text, name, depth)
			}
		}
	})
}
