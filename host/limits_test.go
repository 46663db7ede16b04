package host_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

func wantLimit(t *testing.T, r *host.Result, limit string) {
	t.Helper()
	if r.OK || r.Error == nil || r.Error.Type != host.LimitExceeded || r.Error.Limit != limit {
		t.Errorf("error %+v, want limit %q", r.Error, limit)
	}
}

func TestHostCalls(t *testing.T) {
	const limit = 3
	for n := limit - 1; n <= limit+2; n++ {
		log := new(memoryLog)
		c := config(t)
		c.Audit = log
		c.Policy.Limits.HostCalls = limit
		s := session(t, open(t, c))
		for range 2 { // each exec begins anew
			r := exec(t, s, strings.Repeat(hostcall(tEcho, `{}`)+"\n", n))
			limited := strings.Contains(string(r.Value), `{\"limit\":{\"name\":\"host_calls\"`)
			if limited != (n > limit) || r.Usage.HostCalls != int64(n) {
				t.Errorf("%d calls: %s, usage %d", n, r.Value, r.Usage.HostCalls)
			}
		}
		if got, want := strings.Count(log.kinds(), "decision"), 2*min(n, limit+1); got != want {
			t.Errorf("%d calls: %d decisions recorded, want %d", n, got, want)
		}
		if n > limit {
			if d := log.last(audit.Decision); *d.Allow || d.Rule != "limits.host_calls" {
				t.Errorf("last decision %+v", d)
			}
		}
	}
}

func TestFuel(t *testing.T) {
	const code = "spin 10000\nvalue 1"
	used := exec(t, session(t, open(t, config(t))), code).Usage.Fuel
	if used < 10_000 || used > 100_000 {
		t.Fatalf("%d used", used)
	}
	for _, test := range []struct {
		fuel int64
		ok   bool
	}{{used - 1, false}, {used, true}, {used + 1, true}} {
		c := config(t)
		c.Policy.Limits.Fuel = test.fuel
		s := session(t, open(t, c))
		r := exec(t, s, code)
		if test.ok {
			if !r.OK || r.Usage.Fuel != used {
				t.Errorf("fuel %d: %+v, used %d", test.fuel, r.Error, r.Usage.Fuel)
			}
			continue
		}
		wantLimit(t, r, "fuel")
		if r.Usage.Fuel != test.fuel || !r.Restored || s.Lost() {
			t.Errorf("used %d, restored %v, lost %v", r.Usage.Fuel, r.Restored, s.Lost())
		}
	}
}

func TestFuelIsNotCarriedOver(t *testing.T) {
	c := config(t)
	c.Policy.Limits.Fuel = 50_000
	s := session(t, open(t, c))
	for range 20 {
		if r := exec(t, s, "spin 10000"); !r.OK {
			t.Fatalf("%+v", r.Error)
		}
	}
}

func TestWallTime(t *testing.T) {
	for _, code := range []string{"loop", hostcall(tWait, `{}`) + "\nloop", "recurse\nloop"} {
		c := config(t)
		c.Policy.Limits.WallTime = 50 * time.Millisecond
		s := session(t, open(t, c))
		soon(t, func() {
			r := exec(t, s, code)
			if code == "recurse\nloop" {
				return // the stack may end first
			}
			wantLimit(t, r, "wall_time")
			if r.Usage.WallMS < 50 || r.Usage.WallMS > 5000 || !r.Restored {
				t.Errorf("%s: %v ms, restored %v", code, r.Usage.WallMS, r.Restored)
			}
			if r.Usage.Fuel <= 0 || r.Usage.Fuel >= 5_000_000_000 {
				t.Errorf("%s: %d fuel", code, r.Usage.Fuel)
			}
		})
	}
}

// Go cannot interrupt the guest's machine code, and a collection waits for every goroutine: a guest that did not
// pause by itself would hold up the whole process, and the clock that is to stop it.
func TestGuestDoesNotHoldUpTheProcess(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	c.Policy.Limits.Fuel = 1 << 60
	s := session(t, open(t, c))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := s.Exec(ctx, "loop", host.ExecOptions{})
		ended <- err
	}()
	log.await(t, audit.ExecStarted)
	time.Sleep(20 * time.Millisecond)
	for range 3 {
		start := time.Now()
		runtime.GC()
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("a collection took %v", took)
		}
	}
	cancel()
	soon(t, func() {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("exec: %v", err)
		}
	})
}

func TestWallTimeOver(t *testing.T) {
	c := config(t)
	c.Policy.Limits.WallTime = 300 * time.Millisecond
	s := session(t, open(t, c))
	for range 3 { // one exec's deadline is not the next one's
		if r := exec(t, s, "spin 1000"); !r.OK {
			t.Fatalf("%+v", r.Error)
		}
		time.Sleep(150 * time.Millisecond)
	}
}

func TestContextEnds(t *testing.T) {
	h := open(t, config(t))

	s := session(t, h)
	exec(t, s, "value 1") // then there is no state to go back to
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	soon(t, func() {
		if _, err := s.Exec(ctx, "loop", host.ExecOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("canceled: %v", err)
		}
	})
	if !s.Lost() {
		t.Error("not lost")
	}

	s = session(t, h)
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	soon(t, func() {
		if _, err := s.Exec(ctx, "loop", host.ExecOptions{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("deadline: %v", err)
		}
	})

	s = session(t, h)
	if _, err := s.Exec(ctx, "value 1", host.ExecOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ended before: %v", err)
	}
	if s.Lost() || !exec(t, s, "value 1").OK {
		t.Error("a call that did not begin cost the session")
	}
}

func TestMemory(t *testing.T) {
	c := config(t)
	c.Policy.Limits.Memory = 4 << 20
	s := session(t, open(t, c))
	r := exec(t, s, "grow 0")
	pages := int(r.Usage.MemoryBytes >> 16)
	if r := exec(t, s, "grow "+itoa(64-pages+1)); r.OK || r.Error.Type != "MemoryError" {
		t.Errorf("a page too many: %+v", r)
	}
	if r := exec(t, s, "grow "+itoa(64-pages)); !r.OK || r.Usage.MemoryBytes != 4<<20 {
		t.Errorf("to the limit: %+v", r)
	}
	if r := exec(t, s, "grow 1"); r.OK {
		t.Error("past the limit")
	}
}

func TestGuestThatIgnoresItsLimits(t *testing.T) {
	c := config(t)
	c.Policy.Limits.Output, c.Policy.Limits.Result = 2000, 2000
	h := open(t, c)
	result := func(value, stdout string) string {
		return `raw {"ok":true,"value":` + value + `,"repr":"","is_final_answer":false,"stdout":"` + stdout + `","stderr":"","error":null,"withheld":[]}`
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	for _, test := range []struct {
		name, code string
		ok         bool
	}{
		{"value one below", result(`"`+text(1997)+`"`, ""), true},
		{"value at the limit", result(`"`+text(1998)+`"`, ""), true},
		{"value one above", result(`"`+text(1999)+`"`, ""), false},
		{"output at the limit with its notice", result("null", text(2000+100)), true},
		{"output above", result("null", text(2000+1025)), false},
	} {
		s := session(t, h)
		r := exec(t, s, test.code)
		if r.OK != test.ok || r.Restored == test.ok {
			t.Errorf("%s: ok %v, error %+v", test.name, r.OK, r.Error)
		}
	}
}
