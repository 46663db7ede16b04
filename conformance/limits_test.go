package conformance_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// limited is a session under one limit.
func limited(t *testing.T, limit string, value int64) *host.Session {
	t.Helper()
	h, err := newHost(fmt.Sprintf("policy = 1\nname = 'limited'\n[python]\nimports = []\n[limits]\n%s = %d\n[grant.math]\nfunctions = ['sqrt']\n", limit, value))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return sessionOf(t, h)
}

// Each limit just below, at and just above its edge: what is allowed is allowed to the last unit, and what is not is told
// with its name and with figures.
func TestLimitsAtTheirEdges(t *testing.T) {
	for limit, test := range map[string]struct {
		value  int64
		code   func(used int64) string // uses exactly so much
		says   string                  // of one unit too many
		cut    bool                    // the run goes on
		counts func(host.Usage) int64
	}{
		"result": {
			value: 2000,
			code:  func(n int64) string { return fmt.Sprintf("'x' * %d", n-2) },
			says:  "limits.result exceeded: more than 2000 bytes",
		},
		"output": {
			value: 2000,
			code:  func(n int64) string { return fmt.Sprintf("print('x' * %d)", n-1) },
			says:  "[output cut: 1 bytes over the limit of 2000]",
			cut:   true,
		},
		"host_calls": {
			value:  7,
			code:   func(n int64) string { return fmt.Sprintf("import math\nfor i in range(%d): math.sqrt(i)", n) },
			says:   "limits.host_calls exceeded: 8 of 7",
			counts: func(u host.Usage) int64 { return u.HostCalls },
		},
		"recursion": {
			value: 300,
			// The code itself is one call, as it is in Python.
			code: func(n int64) string {
				return fmt.Sprintf("def f(n): return 1 if n == 1 else 1 + f(n - 1)\nf(%d)", n-1)
			},
			says: "limits.recursion exceeded: more than 300 calls deep",
		},
	} {
		for used := test.value - 1; used <= test.value+1; used++ {
			r := run(t, limited(t, limit, test.value), test.code(used))
			if test.counts != nil && test.counts(r.Usage) != used {
				t.Errorf("%s: usage %+v, want %d", limit, r.Usage, used)
			}
			said := r.Stdout
			if r.Error != nil {
				said = r.Error.Message
			}
			over := used > test.value
			if strings.Contains(said, test.says) != over || (r.Error == nil) != (!over || test.cut) || over && !test.cut && r.Error.Limit != limit {
				t.Errorf("%s: %d of %d: %v, %.100q", limit, used, test.value, r.Error, said)
			}
		}
	}
}

func TestFuelAtItsEdge(t *testing.T) {
	const code = "sum(i * i for i in range(20_000))"
	used := run(t, limited(t, "fuel", 10_000_000), code).Usage.Fuel
	for _, fuel := range []int64{used - 1, used, used + 1} {
		r := run(t, limited(t, "fuel", fuel), code)
		if fuel >= used {
			if says(r) != "2666466670000" || r.Usage.Fuel != used {
				t.Errorf("%d of %d: %s, used %d", used, fuel, says(r), r.Usage.Fuel)
			}
		} else if says(r) != "LimitExceeded [fuel]" || r.Error.Message != fmt.Sprintf("limits.fuel exceeded: %d of %d", fuel, fuel) {
			t.Errorf("%d of %d: %v", used, fuel, r.Error)
		}
	}
}

// Memory comes in pages of 64 KiB, and the host does not give one more than the limit has.
func TestMemoryAtItsEdge(t *testing.T) {
	const limit = 64 << 20
	s := limited(t, "memory", limit)
	r := run(t, s, "kept = []\nwhile True: kept.append(bytes(100_000))")
	if says(r) != "MemoryError [memory]" || r.Usage.MemoryBytes > limit || r.Usage.MemoryBytes < limit-1<<20 {
		t.Errorf("%s at %d bytes", says(r), r.Usage.MemoryBytes)
	}
	if want := fmt.Sprintf("limits.memory exceeded: %d of %d bytes", r.Usage.MemoryBytes, int64(limit)); !strings.Contains(r.Error.Message, want) {
		t.Errorf("%q lacks %q", r.Error.Message, want)
	}
	if r := run(t, s, "n = len(kept)\nkept.clear()\nn * 100_000 > 30_000_000"); says(r) != "True" {
		t.Errorf("after it: %s", says(r))
	}
}

func TestRecursionLimitIsThePolicys(t *testing.T) {
	s := limited(t, "recursion", 300)
	for code, want := range map[string]string{
		"import sys": "ImportError", // it is not authorised here
		"def f(n): return 1 if n == 1 else 1 + f(n - 1)\nf(299)": "299",
	} {
		if got := says(run(t, s, code)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", code, got)
		}
	}
	for code, want := range map[string]string{
		"import sys; sys.getrecursionlimit()":                             "1000",
		"import sys; sys.setrecursionlimit(1001)":                         "ValueError",
		"import sys; sys.setrecursionlimit('many')":                       "TypeError",
		"import sys; sys.setrecursionlimit(500); sys.getrecursionlimit()": "500",
	} {
		if got := says(run(t, session(t), code)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", code, got)
		}
	}
}
