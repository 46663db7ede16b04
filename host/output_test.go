package host_test

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// shown is what an Output was given: the texts of each stream, and all of them in order, "o:" or "e:" before those of another stream.
type shown struct {
	stdout, stderr, order strings.Builder
	calls                 int
	last                  string
}

func (s *shown) output(stream, text string) {
	s.calls++
	to, name := &s.stdout, "o:"
	if stream == host.Stderr {
		to, name = &s.stderr, "e:"
	}
	to.WriteString(text)
	if stream != s.last {
		s.order.WriteString(name)
		s.last = stream
	}
	s.order.WriteString(text)
	if text == "" || !utf8.ValidString(text) {
		fmt.Fprintf(&s.order, "<%q is not text>", text)
	}
}

func execShown(t testing.TB, s *host.Session, code string) (*host.Result, *shown) {
	t.Helper()
	seen := new(shown)
	r, err := s.Exec(t.Context(), code, host.ExecOptions{Output: seen.output})
	if err != nil {
		t.Fatalf("exec %.100q: %v", code, err)
	}
	return r, seen
}

const printingLimits = "[limits]\noutput = \"1KiB\"\n[python]\nimports = [\"sys\", \"io\", \"contextlib\"]\n"

// What an Output is given makes up what the result has, whatever the code does, and in the order in which it did it.
func TestOutputIsTheResults(t *testing.T) {
	h := pythonHostOf(t, printingLimits, audit.Discard)
	s := session(t, h)
	exec(t, s, "import sys, io, contextlib\nprint('old')")
	for _, test := range []struct{ code, order string }{
		{"1 + 1", ""},
		{"print('a')", "o:a\n"},
		{"print('a')\nprint('b', file=sys.stderr)\nprint('c')\nprint('d', file=sys.stderr, end='')", "o:a\ne:b\no:c\ne:d"},
		{"print('b', file=sys.stderr)\n1 / 0", "e:b\n"},
		{"print('é€😀', end='')\nfinal_answer(1)", "o:é€😀"},
		{"sys.stdout.write('\\ud800')", `o:\ud800`},
		{"sys.stderr.buffer.write(b'a\\xff\\xfe\\xc3')", "e:a\ufffd\ufffd\ufffd"},
		{"with contextlib.redirect_stdout(io.StringIO()):\n  print('in')\nprint('out')", "o:out\n"},
		{"class W:\n  def write(self, text): sys.__stdout__.write(text.upper())\n  def __del__(self): sys.__stdout__.write('gone')\nsys.stdout = W()\nprint('up')", "o:UP\n"},
		{"print('next')", "o:next\n"}, // W is gone: not in this run, and not in the last
		{"sys.stdout = io.TextIOWrapper(sys.stdout.buffer)\nprint('late')\nprint('early', file=sys.stderr)", "e:early\no:late\n"},
		{"for n in range(60): print(n, end=' ', file=(sys.stdout, sys.stderr)[n % 7 == 0])", "*"},
		{"for n in range(200): print('line', n)", "*"},
		{"print('x' * 1022)\nprint('é')\nprint('y', file=sys.stderr)", "o:" + strings.Repeat("x", 1022) + "\n[output cut: 5 bytes over the limit of 1024]\n"},
		{"print('x' * 1021)\nprint('é' * 9, file=sys.stderr)\nprint('z')", "o:" + strings.Repeat("x", 1021) + "\ne:é\n[output cut: 19 bytes over the limit of 1024]\n"},
		{"print('x' * 2000, file=sys.stderr)\nprint('y')", "*"},
		{"print('\\0' * 1023)\nprint('é')", "o:" + strings.Repeat("\x00", 1023) + "\n[output cut: 3 bytes over the limit of 1024]\n"},
		{"print('y')", "o:y\n"},
	} {
		r, seen := execShown(t, s, test.code)
		if seen.stdout.String() != r.Stdout || seen.stderr.String() != r.Stderr {
			t.Errorf("%s\nshows %q\nthe result has %q and %q", test.code, seen.order.String(), r.Stdout, r.Stderr)
		}
		if test.order != "*" && seen.order.String() != test.order {
			t.Errorf("%s\nshows %q, want %q", test.code, seen.order.String(), test.order)
		}
	}
}

func TestMuchOutput(t *testing.T) {
	s := session(t, pythonHostOf(t, "[limits]\noutput = \"4MiB\"\n[python]\nimports = [\"sys\"]\n", audit.Discard))
	r, seen := execShown(t, s, "import sys\nfor n in range(30_000):\n  print('é' * (n % 50), n)\n  if n % 3 == 0: print('err', n, file=sys.stderr)\nprint('x' * 5_000_000)")
	if len(r.Stdout)+len(r.Stderr) < 4<<20 || seen.stdout.String() != r.Stdout || seen.stderr.String() != r.Stderr {
		t.Errorf("%d and %d bytes were shown of %d and %d", seen.stdout.Len(), seen.stderr.Len(), len(r.Stdout), len(r.Stderr))
	}
	if strings.Contains(seen.order.String(), "is not text") {
		t.Error("not all was text")
	}
}

func TestOutputOfCall(t *testing.T) {
	s := session(t, pythonHostOf(t, "", audit.Discard))
	exec(t, s, "def f(x):\n  print('f', x)\n  return x")
	seen := new(shown)
	r, err := s.Call(t.Context(), "f", []any{7}, nil, host.CallOptions{Output: seen.output})
	if err != nil || string(r.Value) != "7" || seen.order.String() != "o:f 7\n" {
		t.Errorf("%+v, %v, shows %q", r, err, seen.order.String())
	}
}

// watching is a host of the real guest with a function t.seen(), which says what has been shown when it is called.
func watching(t *testing.T, seen *shown, limits string) *host.Host {
	t.Helper()
	registry, err := capabilities.NewRegistry(capabilities.Family{Name: "t", Doc: "t", Capabilities: []capabilities.Capability{
		capabilities.New(capabilities.Spec{Family: "t", Function: "seen", Signature: "()", Effects: capabilities.Pure},
			func(context.Context, capabilities.Arguments) (any, error) { return seen.order.String(), nil }),
	}})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("p.toml", []byte("policy = 1\nname = \"p\"\n"+limits+"[grant.t]\nfunctions = [\"seen\"]\n"), policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	return open(t, host.Config{Policy: policy, Capabilities: registry, Audit: audit.Discard})
}

// Whoever waits for a host function, or is asked by one, has seen what was printed before.
func TestOutputIsShownBeforeHostCalls(t *testing.T) {
	seen := new(shown)
	s := session(t, watching(t, seen, ""))
	r, err := s.Exec(t.Context(), "import t\nprint('a', end='')\nx = t.seen()\nprint('b', end='')\n(x, t.seen(), t.seen())", host.ExecOptions{Output: seen.output})
	if err != nil || string(r.Value) != `{"$tuple":["o:a","o:ab","o:ab"]}` {
		t.Errorf("%s %+v, %v", r.Value, r.Error, err)
	}
}

func TestOutputIsShownWhileCodeComputes(t *testing.T) {
	s := session(t, pythonHostOf(t, "[limits]\nwall_time = \"1h\"\nfuel = 1_000_000_000_000_000\n", audit.Discard))
	for _, code := range []string{"print('begun')\nwhile True: pass", "print('begun')\nsum(range(10**15))", "while True: print('begun')"} {
		ctx, cancel := context.WithCancel(t.Context())
		soon(t, func() {
			// It ends only because it is seen.
			_, err := s.Exec(ctx, code, host.ExecOptions{Output: func(_, text string) {
				if strings.HasPrefix(text, "begun\n") {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", code, err)
			}
		})
		cancel()
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOutputOfCodeThatIsStoppedByForce(t *testing.T) {
	h := pythonHostOf(t, "[limits]\nfuel = 20_000_000\noutput = \"8MiB\"\n[python]\nimports = [\"sys\"]\n", audit.Discard)
	for _, test := range []struct{ code, order string }{
		{"import sys\nprint('a')\nprint('b', file=sys.stderr)\nsum(range(10**15))", "o:a\ne:b\n"},
		{"sum(range(10**15))", ""},
	} {
		s := session(t, h)
		r, seen := execShown(t, s, test.code)
		wantLimit(t, r, "fuel")
		if seen.order.String() != test.order || !r.Restored {
			t.Errorf("%s: shows %q, want %q; restored %v", test.code, seen.order.String(), test.order, r.Restored)
		}
		if r.Stdout != seen.stdout.String() || r.Stderr != seen.stderr.String() {
			t.Errorf("%s: has %q, %q", test.code, r.Stdout, r.Stderr)
		}
		if r, seen := execShown(t, s, "print('c')"); seen.order.String() != "o:c\n" || r.Stdout != "c\n" {
			t.Errorf("after it: %q", seen.order.String())
		}
	}
	// A loop of prints is stopped anywhere. What is shown is the beginning of what it would have printed.
	var whole strings.Builder
	for n := range 1_000_000 {
		fmt.Fprintln(&whole, "line", n)
	}
	r, seen := execShown(t, session(t, h), "for n in range(10**9): print('line', n)")
	if seen.stdout.Len() < 10_000 || !strings.HasPrefix(whole.String(), seen.stdout.String()) || r.Stdout != seen.stdout.String() {
		t.Errorf("shows %d bytes, %.100q…; has %d", seen.stdout.Len(), seen.stdout.String(), len(r.Stdout))
	}
	// Nobody watches, and an Output that panics, change nothing of it.
	if alone := exec(t, session(t, h), "for n in range(10**9): print('line', n)"); alone.Stdout != r.Stdout {
		t.Errorf("alone it has %d bytes, and %d with somebody who watches", len(alone.Stdout), len(r.Stdout))
	}
	panicked, err := session(t, h).Exec(t.Context(), "for n in range(10**9): print('line', n)", host.ExecOptions{Output: func(string, string) { panic("no") }})
	if err != nil || panicked.Stdout != r.Stdout {
		t.Errorf("%v", err)
	}
}

// What a guest that is stopped by force has printed ends where limits.output ends it. Only the guest could tell what is missing.
func TestOutputLimitOfCodeThatIsStoppedByForce(t *testing.T) {
	h := pythonHostOf(t, "[limits]\nfuel = 20_000_000\noutput = \"1KiB\"\n[python]\nimports = [\"sys\"]\n", audit.Discard)
	x := strings.Repeat("x", 1020)
	for _, test := range []struct{ code, stdout, stderr string }{
		{"print('x' * 1020, end='')", x, ""}, // there was room for any character
		{"print('x' * 1020)", x + "\n[output may be cut: 1021 bytes of the limit of 1024]\n", ""},
		{"print('x' * 1020, end='')\nprint('é' * 3, end='')", x + "éé\n[output may be cut: 1024 bytes of the limit of 1024]\n", ""},
		{"print('x' * 1020)\nprint('€' * 9, file=sys.stderr)", x + "\n", "€\n[output may be cut: 1024 bytes of the limit of 1024]\n"},
		{"print('x' * 1020)\nprint('\\U0001F600', file=sys.stderr)", x + "\n[output may be cut: 1021 bytes of the limit of 1024]\n", ""},
		{"for n in range(10**5): print('x' * 1020)", x + "\nxxx\n[output may be cut: 1024 bytes of the limit of 1024]\n", ""},
	} {
		r, seen := execShown(t, session(t, h), "import sys\n"+test.code+"\nsum(range(10**15))")
		wantLimit(t, r, "fuel")
		if r.Stdout != test.stdout || r.Stderr != test.stderr || seen.stdout.String() != r.Stdout || seen.stderr.String() != r.Stderr {
			t.Errorf("%s: has %q, %q; shows %q, %q", test.code, r.Stdout, r.Stderr, seen.stdout.String(), seen.stderr.String())
		}
	}
}

// The log of a run is not that of the one after it, which had to be stopped before it printed.
func TestOutputOfCodeThatIsStoppedAtOnce(t *testing.T) {
	for _, code := range []string{"3**(10**8)", "import re\nre.match(r'(a+)+$', 'a'*40+'b')"} {
		s := session(t, pythonHostOf(t, "[limits]\nwall_time = \"500ms\"\n[python]\nimports = [\"re\"]\n", audit.Discard))
		exec(t, s, "print('of the first')")
		r := exec(t, s, code)
		wantLimit(t, r, "wall_time")
		if !s.Lost() || r.Stdout != "" {
			t.Errorf("%s: lost %v, has %q", code, s.Lost(), r.Stdout)
		}
		if err := s.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		r = exec(t, s, "print('of', 'the third')\n"+code)
		if !r.Restored || r.Stdout != "of the third\n" {
			t.Errorf("%s: restored %v, has %q", code, r.Restored, r.Stdout)
		}
	}
}

// Watching must not be noticed: figures and records are the same.
func TestWatchingChangesNothing(t *testing.T) {
	const code = "import sys\nfor n in range(20_000):\n  print(n)\n  if n % 1000 == 0: math.sqrt(n); print('x', file=sys.stderr)"
	var figures []string
	for _, output := range []host.Output{nil, func(string, string) {}, func(string, string) { time.Sleep(time.Millisecond) }} {
		log := new(memoryLog)
		s := session(t, pythonHostOf(t, "[python]\nimports = [\"sys\"]\n", log))
		exec(t, s, "import math")
		r, err := s.Exec(t.Context(), code, host.ExecOptions{Output: output})
		if err != nil || !r.OK {
			t.Fatal(r, err)
		}
		end := log.last(audit.ExecEnded)
		var saved bytes.Buffer
		if err := s.Save(&saved); err != nil {
			t.Fatal(err)
		}
		_, memory, _ := bytes.Cut(saved.Bytes()[len("postern session 1\n"):], []byte("\n"))
		digest := audit.Digest(memory[:len(memory)-32]) // without the digest of a header that names the session
		figures = append(figures, fmt.Sprint(r.Usage.Fuel, r.Usage.MemoryBytes, end.StdoutDigest, end.StderrDigest, log.kinds(), digest))
	}
	for _, one := range figures[1:] {
		if one != figures[0] {
			t.Errorf("unwatched\n%s\nwatched\n%s", figures[0], one)
		}
	}
}

func TestOutputOfOtherStates(t *testing.T) {
	h := pythonHostOf(t, "", audit.Discard)
	s := session(t, h)
	exec(t, s, "x = 1\nprint('old')")
	want := func(what string, s *host.Session, code, order string) {
		t.Helper()
		if r, seen := execShown(t, s, code); seen.order.String() != order || r.Stdout != strings.TrimPrefix(order, "o:") {
			t.Errorf("%s: shows %q, has %q; want %q", what, seen.order.String(), r.Stdout, order)
		}
	}
	// Reading the request takes many turns in which the host looks, and what the last run has printed is still in memory.
	want("a large request", s, "#"+strings.Repeat(" x", 2<<20)+"\nprint('new')", "o:new\n")
	fork, err := s.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Close()
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	restored, err := h.Restore(t.Context(), &saved)
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	for what, s := range map[string]*host.Session{"the session": s, "its fork": fork, "restored": restored} {
		want(what, s, "x", "")
		want(what, s, "print(x)", "o:1\n")
	}
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("reset", s, "2", "")
	want("reset", s, "print(3)", "o:3\n")
	s.Close()
	want("another session in its interpreter", session(t, h), "print(4)", "o:4\n")
}

func TestOutputThatPanics(t *testing.T) {
	var logged lines
	c := config(t)
	c.Guest, c.Policy, c.Cache, c.Logger = host.Guest{}, nil, "", logger(&logged)
	s := session(t, open(t, c))
	calls := 0
	r, err := s.Exec(t.Context(), "for n in range(100_000): print(n)\n7", host.ExecOptions{Output: func(string, string) {
		calls++
		panic("out of order")
	}})
	if err != nil || string(r.Value) != "7" || calls != 1 || !strings.Contains(logged.String(), "out of order") {
		t.Errorf("%+v, %v; %d calls; logged %s", r.Error, err, calls, logged.String())
	}
}

// The embedder may write to something slow. That is not the code's time.
func TestTimeOfOutputIsNotTheRuns(t *testing.T) {
	const limit = time.Second
	s := session(t, pythonHostOf(t, "[limits]\nwall_time = \"1s\"\n", audit.Discard))
	r, err := s.Exec(t.Context(), "print('a')\nmath = __import__('math').sqrt(4)\nmath", host.ExecOptions{Output: func(string, string) {
		time.Sleep(limit + 200*time.Millisecond)
	}})
	if err != nil || !r.OK || r.Usage.WallMS >= float64(limit/time.Millisecond) {
		t.Errorf("%+v, %v", r, err)
	}
}

// A guest without a log shows what it has printed with its result.
func TestOutputOfGuestsWithoutLog(t *testing.T) {
	r, seen := execShown(t, session(t, open(t, config(t))), "print a\nprint b\nvalue 1")
	if seen.order.String() != "o:a\nb\n" || r.Stdout != "a\nb\n" {
		t.Errorf("shows %q, has %q", seen.order.String(), r.Stdout)
	}
}

//go:embed testdata/printer.wasm
var printer []byte

// The printer's tricks are in testdata/printer.wat.
func TestGuestThatLiesAboutItsOutput(t *testing.T) {
	c := config(t)
	c.Policy.Grants[0].Functions = []string{"echo"}
	c.Guest.Wasm = func() ([]byte, error) { return printer, nil }
	h := open(t, c)
	for trick, want := range map[string]string{
		"-": "", "a": "", "b": "", "l": "", "n": "",
		"e": "o:" + strings.Repeat("\x00", 64<<10+1024),
		"c": "o:" + strings.Repeat("ha", 32),
		"s": "o:hello", "h": "o:hello", "r": "o:helloAAAld", "f": "o:hello", "z": "o:hello",
		"m": "o:abe:cdo:ef",
		"w": "o:\ufffdoe:\ufffdxo:\ufffde:€y",
		"u": "o:€z",
	} {
		s := session(t, h)
		soon(t, func() {
			r, seen := execShown(t, s, trick)
			if !r.OK || seen.order.String() != want {
				t.Errorf("%s shows %d bytes, %.200q; want %.200q; %+v", trick, seen.order.Len(), seen.order.String(), want, r.Error)
			}
		})
	}
	s := session(t, h)
	if r, seen := execShown(t, s, "t"); r.Error == nil || r.Error.Type != host.GuestCrashed || seen.order.String() != "o:helloworld" || r.Stdout != "helloworld" {
		t.Errorf("a trap: shows %q, has %q, %+v", seen.order.String(), r.Stdout, r.Error)
	}
	// The result of one that traps has what lies there then, read from the beginning.
	for trick, want := range map[string]string{
		"A": "", "B": "", "L": "", "N": "", "E": strings.Repeat("\x00", 64<<10+1024), "C": strings.Repeat("ha", 32),
		"S": "helloworld", "H": "he", "R": "AAAAAAAAld", "F": "abef|cd", "Z": "helloworld",
		"M": "abef|cd", "W": "\ufffdo\ufffd|\ufffdx€y", "U": "€z|",
	} {
		s := session(t, h)
		soon(t, func() {
			r := exec(t, s, trick)
			if got := r.Stdout + "|" + r.Stderr; r.Error == nil || r.Error.Type != host.GuestCrashed || strings.TrimSuffix(got, "|") != strings.TrimSuffix(want, "|") {
				t.Errorf("%s has %d bytes, %.200q; want %.200q; %+v", trick, len(got), got, want, r.Error)
			}
		})
	}
}
