package conformance_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
)

// soakVariable makes the long tests as long as they are meant to be; without it they are a sample.
const soakVariable = "POSTERN_SOAK"

func times(long, short int) int {
	if os.Getenv(soakVariable) != "" {
		return long
	}
	return short
}

// A footprint is what a process holds that can leak.
type footprint struct {
	resident          int64 // bytes; 0 where /proc does not tell
	descriptors, maps int
	goroutines        int
}

func takeFootprint(t *testing.T) (f footprint) {
	t.Helper()
	for range 3 {
		runtime.GC()
	}
	debug.FreeOSMemory()
	f.goroutines = runtime.NumGoroutine()
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		f.descriptors = len(entries)
	}
	if maps, err := os.ReadFile("/proc/self/maps"); err == nil {
		f.maps = bytes.Count(maps, []byte("\n"))
	}
	if statm, err := os.ReadFile("/proc/self/statm"); err == nil {
		if fields := strings.Fields(string(statm)); len(fields) > 1 {
			pages, _ := strconv.ParseInt(fields[1], 10, 64)
			f.resident = pages * int64(os.Getpagesize())
		}
	}
	return f
}

// flat fails the test if the process holds more than it did. Memory may differ by what a few interpreters take.
func flat(t *testing.T, before, after footprint) {
	t.Helper()
	t.Logf("before %+v", before)
	t.Logf("after  %+v", after)
	if after.resident > before.resident+32<<20 {
		t.Errorf("%d MiB more memory", (after.resident-before.resident)>>20)
	}
	if after.descriptors > before.descriptors+2 || after.maps > before.maps+32 || after.goroutines > before.goroutines+2 {
		t.Errorf("more descriptors, maps or goroutines: %+v, then %+v", before, after)
	}
}

// soakHost is a host with little of everything.
func soakHost(t *testing.T) *host.Host {
	t.Helper()
	h, err := newHost("policy = 1\nname = 'soak'\n[limits]\nwall_time = '10s'\nmemory = '40MiB'\nfuel = 20_000_000\nhost_calls = 20\nrecursion = 200\n" +
		"[python]\nimports = ['re', 'random']\n[grant.math]\nfunctions = ['sqrt']\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

// fates are what can become of a session, and what its result says then. %d is another number each time.
var fates = []struct{ code, says string }{
	{"x = %d\nx - x + 42", "42"},
	{"import math\nmath.sqrt(%d) >= 0", "True"},
	{"d = {i: str(i) for i in range(2000)}\nlen(d) + %d * 0", "2000"},
	{"secret = %d\nprint(secret); secret == secret", "True"},
	{"'secret' in globals() and %d < 0", "False"},
	{"import re; re.sub('a', 'b', 'aaa' * 100)[:3] + str(%d * 0)", "'bbb0'"},
	{"raise ValueError(%d // 10**9)", "ValueError: 0"},
	{"n = %d\ndef f(): f()\nf()", "RecursionError [recursion]"},
	{"import math\nfor i in range(%d + 21): math.sqrt(i)", "LimitExceeded [host_calls]"},
	{"n = %d\nkept = []\nwhile True: kept.append(bytes(1_000_000))", "MemoryError [memory]"},
	{"n = %d\ntry:\n    while True: pass\nexcept Exception: pass", "LimitExceeded [fuel]"},
	{"n = %d\nwhile True:\n    try:\n        while True: pass\n    except BaseException: pass", "LimitExceeded"},
	{"sum(range(10**15 + %d))", "LimitExceeded"},
	{"n = %d\nimport re; re.match(r'(a+)+$', 'a' * 40 + 'b')", "LimitExceeded"},
	{"n = %d\nf = None\nfor _ in range(500_000): f = [f]\ndel f", ""}, // deep in C: it may crash its guest, and no other
}

// Many sessions at once, good, endless, hungry and crashing: each gets its own result, and nothing is left behind.
func TestSoak(t *testing.T) {
	sessions := times(20_000, 400)
	h := soakHost(t)
	pool, err := h.NewPool(host.PoolConfig{Sessions: 4})
	if err != nil {
		t.Fatal(err)
	}
	soak := func(from, to int) {
		var next atomic.Int64
		next.Store(int64(from))
		var workers sync.WaitGroup
		for range 4 {
			workers.Go(func() {
				for i := next.Add(1) - 1; i < int64(to); i = next.Add(1) - 1 {
					fate := fates[i%int64(len(fates))]
					// The costly ones come less often.
					if i%int64(len(fates)) >= 9 && i/int64(len(fates))%10 != 0 {
						fate = fates[i%9]
					}
					err := pool.Do(background, func(s *host.Session) error {
						r, err := s.Exec(background, fmt.Sprintf(fate.code, i), host.ExecOptions{})
						if err != nil {
							return err
						}
						if got := says(r); !strings.HasPrefix(got, fate.says) {
							t.Errorf("session %d: %s\n got %s\nwant %s", i, fate.code, got, fate.says)
						}
						return nil
					})
					if err != nil {
						t.Errorf("session %d: %v", i, err)
					}
				}
			})
		}
		workers.Wait()
	}
	soak(0, sessions/4)
	before := takeFootprint(t)
	soak(sessions/4, sessions)
	flat(t, before, takeFootprint(t))
}

// One session is interrupted again and again, by its limit and by contexts, and goes on with what it has.
func TestManyInterrupts(t *testing.T) {
	interrupts := times(10_000, 200)
	h, err := newHost("policy = 1\nname = 'short'\n[python]\nimports = []\n[limits]\nwall_time = '3ms'\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	s := sessionOf(t, h)
	run(t, s, "n = 0")
	var before footprint
	for i := range interrupts {
		if i == interrupts/4 {
			before = takeFootprint(t)
		}
		const code = "n += 1\nwhile True: pass"
		if i%2 == 0 {
			if r := run(t, s, code); says(r) != "LimitExceeded [wall_time]" {
				t.Fatalf("interrupt %d: %s", i, says(r))
			}
			continue
		}
		ctx, cancel := context.WithTimeout(background, time.Millisecond)
		r, err := s.Exec(ctx, code, host.ExecOptions{})
		cancel()
		// On a busy machine wall_time can be over first.
		if err == nil && says(r) != "LimitExceeded [wall_time]" || err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("interrupt %d: %v, %v", i, r, err)
		}
	}
	flat(t, before, takeFootprint(t))
	// A context may end before the guest has begun.
	r := run(t, s, "n")
	if n, err := strconv.Atoi(says(r)); s.Lost() || err != nil || n > interrupts || n < interrupts/2 {
		t.Errorf("after %d: %s, lost %v", interrupts, says(r), s.Lost())
	}
}
