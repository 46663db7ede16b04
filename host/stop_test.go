package host_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// slow is a family of functions that take until they are stopped, each with another idea of what to do then.
func slow() capabilities.Family {
	function := func(name string, then func(ctx context.Context) (any, error)) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: "slow", Function: name, Signature: "(*args)", Doc: name, Effects: capabilities.Reads},
			func(ctx context.Context, _ capabilities.Arguments) (any, error) {
				<-ctx.Done()
				return then(ctx)
			})
	}
	return capabilities.Family{Name: "slow", Doc: "For tests.", Capabilities: []capabilities.Capability{
		function("wait", func(ctx context.Context) (any, error) { return nil, ctx.Err() }),
		function("cause", func(ctx context.Context) (any, error) { return nil, context.Cause(ctx) }),
		function("timeout", func(context.Context) (any, error) { return nil, capabilities.Raise("TimeoutError", "no answer") }),
		function("reset", func(context.Context) (any, error) { return nil, errors.New("connection reset") }),
		function("late", func(context.Context) (any, error) { return "too late", nil }),
		function("fail", func(context.Context) (any, error) { return nil, capabilities.Raise("ValueError", "no such thing") }),
		capabilities.New(capabilities.Spec{Family: "slow", Function: "mark", Signature: "()", Doc: "mark", Effects: capabilities.Writes},
			func(context.Context, capabilities.Arguments) (any, error) { return nil, nil }),
	}}
}

// slowHost is a host of the real guest with all functions of slow, the tool nested in Python that calls one of them, and the tool looping, a module.
func slowHost(t *testing.T, wall string, log audit.Log) *host.Host {
	t.Helper()
	const python = "import slow\ndef nested():\n    try:\n        slow.wait()\n    except Exception:\n        pass\n"
	loop, err := os.ReadFile(filepath.Join("testdata", "plugins", "hostile.wasm"))
	if err != nil {
		t.Fatal(err)
	}
	known, err := capabilities.NewRegistry(slow())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf(`policy = 1
name = "slow"
[limits]
wall_time = %q
[grant.slow]
functions = ["cause", "fail", "late", "mark", "reset", "timeout", "wait"]
[tool.nested]
plugin = "nested.py"
sha256 = %q
limits.wall_time = "1h"
grant.slow.functions = ["wait"]
[tool.looping]
plugin = "loop.wasm"
schema = "loop.yaml"
sha256 = %q
limits = { fuel = 1_000_000_000_000, wall_time = "1h" }
`, wall, audit.Digest([]byte(python)), audit.Digest(loop))
	policy, err := policies.Parse("p.toml", []byte(text), policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"nested.py": []byte(python), "loop.wasm": loop, "loop.yaml": []byte(rawSchema("loop"))}
	return open(t, host.Config{Policy: policy, Capabilities: known, Audit: log, Plugins: func(path string) ([]byte, error) { return files[path], nil }})
}

// stoppedCalls are calls that end because the run must stop, and what the record of the outcome has of each: class and detail.
var stoppedCalls = []struct {
	call          string
	class, detail string // empty: of the stop itself
}{
	{"slow.wait()", "", ""},
	{"slow.cause()", "", ""},
	{"slow.timeout()", "", "; TimeoutError: no answer"},
	{"slow.reset()", "", "; connection reset"},
	{"slow.late()", "none", ""},
	{"slow.fail()", "ValueError", "no such thing"},
	{"nested.nested()", "", ""},
	{"looping.loop()", "", ""},
}

// What code makes of a call that was stopped, and whether it can be stopped without force.
var stoppedCode = []struct {
	name, code string
	forced     bool
}{
	{"uncaught", "CALL", false},
	{"except Exception", "try:\n    CALL\nexcept Exception:\n    slow.mark()", false},
	{"except TimeoutError", "try:\n    CALL\nexcept TimeoutError:\n    slow.mark()", false},
	{"contextlib.suppress", "import contextlib\nwith contextlib.suppress(Exception):\n    CALL\nslow.mark()", false},
	{"in C", "list(map(lambda _: CALL, range(10**9)))\nslow.mark()", false},
	{"again in finally", "try:\n    CALL\nfinally:\n    slow.wait()", false},
	{"for ever", "while True:\n    try:\n        CALL\n    except BaseException:\n        pass", true},
}

// A call that is stopped ends the run as a loop of Python is ended at the same moment, whatever the call and the code think of it.
func TestCallThatIsStopped(t *testing.T) {
	for _, end := range []struct {
		name, wall, class string
		calls             int // of stoppedCalls; 0: all
		context           func(t *testing.T, begun func()) context.Context
		check             func(t *testing.T, r *host.Result, err error)
	}{
		{"wall_time", "150ms", host.LimitExceeded, 0, nil, func(t *testing.T, r *host.Result, err error) {
			if err != nil {
				t.Fatal(err)
			}
			wantLimit(t, r, "wall_time")
			if e := r.Error; e != nil && (!strings.HasPrefix(e.Message, "limits.wall_time exceeded: ") || e.Denied) {
				t.Errorf("%+v", r.Error)
			}
		}},
		{"canceled", "1h", "Canceled", 0, func(t *testing.T, begun func()) context.Context {
			ctx, cancel := context.WithCancelCause(t.Context())
			go func() {
				begun()
				cancel(errors.New("Ctrl-C"))
			}()
			return ctx
		}, func(t *testing.T, r *host.Result, err error) {
			if r != nil || err == nil || err.Error() != "host: exec: Ctrl-C" {
				t.Errorf("%+v, %v", r, err)
			}
		}},
		{"deadline", "1h", "Canceled", 2, func(t *testing.T, _ func()) context.Context {
			ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
			t.Cleanup(cancel)
			return ctx
		}, func(t *testing.T, r *host.Result, err error) {
			if r != nil || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%+v, %v", r, err)
			}
		}},
	} {
		t.Run(end.name, func(t *testing.T) {
			log := new(memoryLog)
			h := slowHost(t, end.wall, log)
			t.Run("", func(t *testing.T) { // all of them end before the host
				for _, call := range stoppedCalls[:cmp.Or(end.calls, len(stoppedCalls))] {
					for _, code := range stoppedCode {
						t.Run(code.name+" "+call.call, func(t *testing.T) {
							t.Parallel()
							s := session(t, h)
							ctx := t.Context()
							if end.context != nil {
								ctx = end.context(t, func() { awaitCall(t, log, s.ID()) })
							}
							soon(t, func() {
								r, err := s.Exec(ctx, "import slow, nested, looping\n"+strings.ReplaceAll(code.code, "CALL", call.call), host.ExecOptions{})
								end.check(t, r, err)
								if r != nil && code.forced && !r.Restored {
									t.Error("it ran on")
								}
							})
							checkRecords(t, log, s.ID(), call.class, call.detail, end.class)
							if s.Lost() || string(exec(t, s, "1 + 1").Value) != "2" {
								t.Error("the session is lost")
							}
						})
					}
				}
			})
		})
	}
}

// awaitCall waits until a call of the session is decided.
func awaitCall(t *testing.T, log *memoryLog, session string) {
	for start := time.Now(); time.Since(start) < 20*time.Second; time.Sleep(time.Millisecond) {
		for _, r := range log.all() {
			if r.Session == session && r.Kind == audit.Decision {
				return
			}
		}
	}
	t.Error("no call")
}

// checkRecords checks what is recorded of a session's first call, and that it made no call for which its code had no reason.
func checkRecords(t *testing.T, log *memoryLog, session, class, detail, stop string) {
	t.Helper()
	var outcome *audit.Record
	for _, r := range log.all() {
		if r.Session != session {
			continue
		}
		if r.Capability == "slow.mark" {
			t.Error("the code went on")
		}
		if outcome == nil && r.Kind == audit.Outcome && r.Within == 0 {
			outcome = &r
		}
	}
	limit := ""
	switch {
	case outcome == nil:
		t.Fatal("no outcome")
	case class == "none":
		if outcome.Error != "" || string(outcome.Result) != `"too late"` {
			t.Errorf("outcome %+v", outcome)
		}
		return
	case class == "":
		class = stop
		if stop == host.LimitExceeded {
			limit = "wall_time"
		}
		detail = map[string]string{host.LimitExceeded: "stopped: wall_time was over"}[stop] + detail
	}
	if outcome.Error != class || outcome.Limit != limit || !strings.Contains(outcome.Detail, detail) {
		t.Errorf("outcome %q, limit %q, %q; want %q, %q, %q", outcome.Error, outcome.Limit, outcome.Detail, class, limit, detail)
	}
}

// A host that closes ends its runs in the same way, and a tool does not know of it before the run does.
func TestCallThatIsStoppedByClosing(t *testing.T) {
	for _, call := range []string{"slow.wait()", "slow.reset()", "nested.nested()", "looping.loop()"} {
		log := new(memoryLog)
		h := slowHost(t, "1h", log)
		s, err := h.NewSession(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			awaitCall(t, log, s.ID())
			h.Close()
		}()
		soon(t, func() {
			r, err := s.Exec(t.Context(), "import slow, nested, looping\ntry:\n    "+call+"\nexcept Exception:\n    slow.mark()", host.ExecOptions{})
			if r != nil || !errors.Is(err, host.ErrClosed) {
				t.Errorf("%s: %+v, %v", call, r, err)
			}
		})
		checkRecords(t, log, s.ID(), "", "", "Canceled")
	}
}
