package conformance_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// However a session has come to be what it is, what runs in it gives the same, fuel to the unit: in its first call and in later ones.
func TestAllOriginsOfASessionAreTheSame(t *testing.T) {
	h, err := python()
	if err != nil {
		t.Fatal(err)
	}
	must := func(s *host.Session, err error) *host.Session {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	// The host keeps no more interpreters that have served than there are processors: while so many sessions are open, the next one is new.
	fresh := func() *host.Session {
		var open []*host.Session
		for range runtime.GOMAXPROCS(0) {
			open = append(open, must(h.NewSession(background)))
		}
		s := must(h.NewSession(background))
		for _, other := range open {
			other.Close()
		}
		return s
	}
	const setup = "import json, re\nclass K:\n    seen = {'a': [1, 2.5]}\nk = [K() for _ in range(100)]\ntext = 'é' * 1000"
	origins := []struct {
		name string
		make func() *host.Session
	}{
		{"new", func() *host.Session { s := fresh(); run(t, s, setup); return s }},
		{"in a used interpreter", func() *host.Session {
			s := must(h.NewSession(background))
			run(t, s, "y = list(range(1000))")
			s.Close()
			s = must(h.NewSession(background))
			run(t, s, setup)
			return s
		}},
		{"reset", func() *host.Session {
			s := must(h.NewSession(background))
			run(t, s, "import random\nrandom.random()\nz = 'z' * 100_000")
			if err := s.Reset(background); err != nil {
				t.Fatal(err)
			}
			run(t, s, setup)
			return s
		}},
		{"forked", func() *host.Session { s := fresh(); run(t, s, setup); return must(s.Fork(background)) }},
		{"restored", func() *host.Session {
			s := fresh()
			run(t, s, setup)
			var saved bytes.Buffer
			if err := s.Save(&saved); err != nil {
				t.Fatal(err)
			}
			s.Close()
			return must(h.Restore(background, &saved))
		}},
		{"restored after a crash", func() *host.Session {
			s := fresh()
			run(t, s, setup)
			if err := s.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			if r := run(t, s, "import sys\nf = sys.modules['posix'].abort\nf()"); r.OK || !r.Restored {
				t.Fatalf("not restored: %+v", r.Error)
			}
			return s
		}},
	}
	for i, snippet := range append(snippets, "k[0].seen, len(text)", "import math\nmath.sqrt(2)", "print(text * 20)", "import tools\ntools.math.sqrt(3)", "text * 500", "len(json.dumps(text)), re.sub('.', 'x', text)") {
		code := snippet
		if i < len(snippets) {
			code = fmt.Sprintf(snippet, 7)
		}
		var want string
		for _, origin := range origins {
			s := origin.make()
			got := everything(t, s, code) + "\n" + everything(t, s, code) + "\n" + everything(t, s, "1")
			if want == "" {
				want = got
			} else if got != want {
				t.Errorf("%q, %s:\n got %.900s\nwant %.900s", code, origin.name, got, want)
			}
			s.Close()
		}
	}
}
