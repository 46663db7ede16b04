package host_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/host"
	linker "github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// The tests run the toy guest, whose commands are in guest/toy/README.md. Index 0 … of its hostcall command are the
// functions of family t, in this order.
const (
	tBig = iota
	tEcho
	tFail
	tHold
	tPanic
	tRefuse
	tWait
)

var tFunctions = []string{"big", "echo", "fail", "hold", "panic", "refuse", "wait"}

func family() capabilities.Family {
	function := func(name, signature string, fn func(context.Context, capabilities.Arguments) (any, error)) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: "t", Function: name, Signature: signature, Doc: name, Effects: capabilities.Pure}, fn)
	}
	return capabilities.Family{
		Name: "t", Doc: "For tests.",
		Constants:  map[string]any{"one": 1, "inf": math.Inf(1)},
		Exceptions: map[string]string{"Bad": "ValueError"},
		Capabilities: []capabilities.Capability{
			function("big", "(n, /)", func(_ context.Context, a capabilities.Arguments) (any, error) {
				return strings.Repeat("x", int(a.At(0).(int64))), nil
			}),
			function("echo", "(*args, **kwargs)", func(_ context.Context, a capabilities.Arguments) (any, error) {
				return []any{a.At(0), a.At(1)}, nil
			}),
			function("fail", "()", func(context.Context, capabilities.Arguments) (any, error) {
				return nil, errors.New("secret: /home/ops/key")
			}),
			function("hold", "()", func(context.Context, capabilities.Arguments) (any, error) {
				return make(chan int), nil // no value
			}),
			function("panic", "()", func(context.Context, capabilities.Arguments) (any, error) {
				panic("secret")
			}),
			function("refuse", "()", func(context.Context, capabilities.Arguments) (any, error) {
				return nil, &capabilities.PythonError{Type: "t.Bad", Message: "bad", Attributes: map[string]any{"pos": 3}}
			}),
			function("wait", "()", func(ctx context.Context, _ capabilities.Arguments) (any, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}),
			function("withheld", "()", func(context.Context, capabilities.Arguments) (any, error) { return nil, nil }),
		},
	}
}

func registry(t testing.TB) *capabilities.Registry {
	t.Helper()
	r, err := capabilities.NewRegistry(family())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func policy() *policies.Policy {
	return &policies.Policy{
		Name: "test", File: "policy.toml", Digest: audit.Digest([]byte("policy")),
		Grants: []policies.Grant{{
			Family: "t", Functions: tFunctions, Position: policies.Position{File: "policy.toml", Line: 12, Column: 1},
		}},
	}
}

// config runs the toy with all functions of family t but the last.
func config(t testing.TB) host.Config {
	return host.Config{
		Policy:       policy(),
		Capabilities: registry(t),
		Guest:        host.Guest{Wasm: func() ([]byte, error) { return toy.Wasm(), nil }},
		Cache:        host.NoCache,
		Audit:        audit.Discard,
	}
}

func open(t testing.TB, c host.Config) *host.Host {
	t.Helper()
	h, err := host.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Errorf("close host: %v", err)
		}
	})
	return h
}

func session(t testing.TB, h *host.Host) *host.Session {
	t.Helper()
	s, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close session: %v", err)
		}
	})
	return s
}

func exec(t testing.TB, s *host.Session, code string) *host.Result {
	t.Helper()
	result, err := s.Exec(t.Context(), code, host.ExecOptions{})
	if err != nil {
		t.Fatalf("exec %.100q: %v", code, err)
	}
	return result
}

func hostcall(function int, request string) string {
	return fmt.Sprintf("hostcall %d %s", function, request)
}

// memoryLog keeps records, and refuses from the moment that fail is set or for the kinds in refuse.
type memoryLog struct {
	mu      sync.Mutex
	records []audit.Record
	refuse  map[audit.Kind]bool
	closed  int
}

func (l *memoryLog) Append(r *audit.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.refuse[r.Kind] {
		return io.ErrShortWrite
	}
	l.records = append(l.records, *r)
	return nil
}

func (l *memoryLog) Close() error {
	l.closed++
	return nil
}

func (l *memoryLog) all() []audit.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}

func (l *memoryLog) kinds() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []string
	for _, r := range l.records {
		kinds = append(kinds, string(r.Kind))
	}
	return strings.Join(kinds, " ")
}

func (l *memoryLog) last(kind audit.Kind) *audit.Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.records) - 1; i >= 0; i-- {
		if l.records[i].Kind == kind {
			return &l.records[i]
		}
	}
	return nil
}

// lines is a logger's output.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func logger(out io.Writer) hclog.Logger {
	return hclog.New(&hclog.LoggerOptions{Output: out, Level: hclog.Debug})
}

// soon fails the test if f does not return within a time in which any contained guest has long been stopped.
func soon(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal("did not return")
	}
}

// await waits for a record of the kind.
func (l *memoryLog) await(t *testing.T, kind audit.Kind) {
	t.Helper()
	for start := time.Now(); l.last(kind) == nil; time.Sleep(time.Millisecond) {
		if time.Since(start) > 20*time.Second {
			t.Fatalf("no %s", kind)
		}
	}
}

func format(v any) string { return values.Format(v) }

func itoa(n int) string { return strconv.Itoa(n) }

// link links the toy for the functions.
func link(t *testing.T, meter bool, functions ...string) []byte {
	t.Helper()
	module, err := linker.Link(toy.Wasm(), linker.Options{Functions: functions, Meter: meter})
	if err != nil {
		t.Fatal(err)
	}
	return module
}

func readLines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}
