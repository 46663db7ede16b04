package host_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

func files(f fs.FS) func([]string) (fs.FS, error) {
	return func([]string) (fs.FS, error) { return f, nil }
}

func set(t *testing.T, s *host.Session, name string, value any) {
	t.Helper()
	if r, err := s.Set(t.Context(), map[string]any{name: value}); err != nil || !r.OK {
		t.Fatal(r, err)
	}
}

// get is a variable's value in JSON, "" when there is none.
func get(t *testing.T, s *host.Session, name string) string {
	t.Helper()
	r := exec(t, s, "get "+name)
	if !r.OK {
		return ""
	}
	return string(r.Value)
}

func TestReset(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	s := session(t, open(t, c))
	fresh := exec(t, s, "random 8").Value
	set(t, s, "x", 1)
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := get(t, s, "x"); got != "" {
		t.Errorf("x is %s", got)
	}
	s.Reset(t.Context())
	if got := exec(t, s, "random 8").Value; string(got) != string(fresh) {
		t.Errorf("entropy goes on: %s, then %s", fresh, got)
	}
	if !strings.Contains(log.kinds(), "session_reset") {
		t.Error(log.kinds())
	}
}

func TestResetIsTheSameEverywhere(t *testing.T) {
	for name, spoil := range map[string]string{
		"nothing":            "value 1",
		"a trap":             "value 1\ntrap",
		"memory that grew":   "grow 3",
		"a file left open":   "open a",
		"a stolen root":      "close 3",
		"stdout closed":      "close 1",
		"virtual time":       "sleep 5000",
		"the kernel's trash": hostcall(tEcho, `{"args": ["`+strings.Repeat("secret", 1000)+`"]}`),
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.Guest.Files = files(fstest.MapFS{"a": {Data: []byte("content")}})
			h := open(t, c)
			// What a guest can see of itself: memory, what time it is, entropy, files, the kernel's memory.
			see := func(s *host.Session) string {
				var seen strings.Builder
				for _, command := range []string{"clock", "random 16", "read a", "open a", "grow 0", "write x", "peek 0 256"} {
					r := exec(t, s, command)
					fmt.Fprintf(&seen, "%s: %s %v memory %d fuel %d\n", command, r.Value, r.Error, r.Usage.MemoryBytes, r.Usage.Fuel)
				}
				return seen.String()
			}
			want := see(session(t, h))
			s := session(t, h)
			exec(t, s, "value 1")
			exec(t, s, spoil)
			if err := s.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := see(s); got != want || s.Lost() {
				t.Errorf("after Reset\n got %s\nwant %s", got, want)
			}
		})
	}
}

// What one session leaves in the memories that the next one gets must not be there any more.
func TestSpareInstancesAreClean(t *testing.T) {
	h := open(t, config(t))
	peek := func(s *host.Session, before string) string {
		var seen strings.Builder
		for at := 0; at < 64<<10; at += 256 {
			seen.Write(exec(t, s, before+"peek "+itoa(at)+" 256").Value)
		}
		return seen.String()
	}
	for range 20 {
		s, err := h.NewSession(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := get(t, s, "secret"); got != "" {
			t.Fatalf("a variable of another session: %s", got)
		}
		set(t, s, "secret", strings.Repeat("secret", 1000))
		exec(t, s, hostcall(tEcho, `{"args": ["`+strings.Repeat("secret", 2000)+`"]}`))
		s.Close()
	}
	const secret = "736563726574"
	if strings.Contains(peek(session(t, h), ""), secret) {
		t.Error("what another session said is in Extism's memory")
	}
	if !strings.Contains(peek(session(t, h), hostcall(tEcho, `{"args": ["`+strings.Repeat("secret", 2000)+`"]}`)+"\n"), secret) {
		t.Error("this test finds nothing even where it is")
	}
}

func TestFallingBack(t *testing.T) {
	h := open(t, config(t))

	s := session(t, h)
	if r := exec(t, s, "trap"); !r.Restored || s.Lost() {
		t.Errorf("first call: restored %v, lost %v", r.Restored, s.Lost())
	}
	set(t, s, "x", 1)
	if err := s.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the state that is kept is not used up
		if r := exec(t, s, "trap"); !r.Restored || s.Lost() {
			t.Errorf("after a checkpoint: restored %v, lost %v", r.Restored, s.Lost())
		}
	}
	if got := get(t, s, "x"); got != "1" {
		t.Errorf("x is %q", got)
	}
	// Now something has run that no checkpoint has.
	if r := exec(t, s, "trap"); r.Restored || !s.Lost() {
		t.Errorf("without a checkpoint: restored %v, lost %v", r.Restored, s.Lost())
	}
	if _, err := s.Exec(t.Context(), "value 1", host.ExecOptions{}); !errors.Is(err, host.ErrSessionLost) {
		t.Errorf("a lost session: %v", err)
	}
	if err := s.Checkpoint(); !errors.Is(err, host.ErrSessionLost) {
		t.Errorf("checkpoint of a lost session: %v", err)
	}
	if err := s.Reset(t.Context()); err != nil || s.Lost() || get(t, s, "x") != "" {
		t.Errorf("reset of a lost session: %v, lost %v", err, s.Lost())
	}
}

func TestFork(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	h := open(t, c)
	a := session(t, h)
	set(t, a, "x", 1)
	exec(t, a, "grow 2\nsleep 1000")
	b, err := a.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	if opened := log.last(audit.SessionOpened); opened.Session != b.ID() || opened.From != a.ID() {
		t.Errorf("opened %+v", opened)
	}
	for _, command := range []string{"get x", "clock", "random 8", "grow 0"} {
		if x, y := exec(t, a, command), exec(t, b, command); string(x.Value) != string(y.Value) {
			t.Errorf("%s: %s and %s", command, x.Value, y.Value)
		}
	}
	set(t, a, "a", 1)
	set(t, b, "b", 1)
	if get(t, a, "b") != "" || get(t, b, "a") != "" {
		t.Error("they share variables")
	}
	// A fork that breaks in its first call is what it was forked from.
	d, err := b.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := exec(t, d, "trap"); !r.Restored || get(t, d, "b") != "1" {
		t.Error("the fork did not fall back")
	}
	d.Close()
	// And a spare instance knows nothing of all that.
	if got := get(t, session(t, h), "x"); got != "" {
		t.Errorf("a new session has x = %s", got)
	}
}

func TestStateWithOpenFiles(t *testing.T) {
	c := config(t)
	c.Guest.Files = files(fstest.MapFS{"a": {Data: []byte("content")}})
	s := session(t, open(t, c))
	fd := exec(t, s, "open a").Value
	if err := s.Checkpoint(); !errors.Is(err, host.ErrOpenFiles) {
		t.Errorf("checkpoint: %v", err)
	}
	if _, err := s.Fork(t.Context()); !errors.Is(err, host.ErrOpenFiles) {
		t.Errorf("fork: %v", err)
	}
	exec(t, s, "close "+string(fd))
	if err := s.Checkpoint(); err != nil {
		t.Errorf("checkpoint after closing: %v", err)
	}
}
