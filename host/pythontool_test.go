package host_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// A tool in Python: what each of its functions does is told in the tests.
const pythonTool = `
from decimal import Decimal
import math

__all__ = ["echo", "count", "spin", "fail", "odd", "root", "leak", "big", "many", "Odd", "missing"]

class Odd(Exception):
    pass

calls = 0
_hidden = lambda: 1

def echo(first, /, second: int = 2, *rest: str, named="a'b", **more) -> list:
    """Give back what it was given.

    Nobody reads this."""
    return [first, second, rest, named, more, Decimal("1.5")]

def count(text: str = "x", *, n=None):
    global calls
    calls += 1
    return calls

def spin():
    while True:
        pass

def fail():
    raise KeyError("nothing there")

def odd():
    raise Odd("strange")

def root(x):
    return math.sqrt(x)

def leak():
    return _hidden

def big():
    return "x" * 10_000_000

def many():
    try:
        open("/etc/passwd")
    except Exception as e:
        return type(e).__name__
`

// withPythonTool is a host of the real guest with a tool in Python, units.
func withPythonTool(t *testing.T, source, more string) host.Config {
	t.Helper()
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("policy = 1\nname = \"p\"\n[tool.my_tool]\nplugin = \"tools/my.py\"\nsha256 = %q\npython.imports = [\"decimal\"]\n%s", audit.Digest([]byte(source)), more)
	policy, err := policies.Parse("dir/p.toml", []byte(text), policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	return host.Config{
		Policy: policy, Capabilities: known, Audit: audit.Discard,
		Plugins: func(path string) ([]byte, error) {
			if path != "dir/tools/my.py" {
				return nil, fmt.Errorf("asked for %q", path)
			}
			return []byte(source), nil
		},
	}
}

// What a tool's exceptions say can be what is redacted in the records of its own calls.
func TestRedactionOfToolsWords(t *testing.T) {
	const source = "import math\ndef tell():\n    raise ValueError(f'it is {math.sqrt(15241578750190521)}')\n"
	c := withPythonTool(t, source, mathGrant+"[audit]\nredact = [\"math.sqrt.return\"]\n")
	log := &memoryLog{}
	c.Audit = log
	s := session(t, open(t, c))
	if r := exec(t, s, "import my_tool\nmy_tool.tell()"); r.Error == nil || r.Error.Error() != "ValueError: it is 123456789.0" {
		t.Errorf("%+v", r.Error)
	}
	for _, r := range log.all() {
		if text, err := json.Marshal(r); err != nil || bytes.Contains(text, []byte("123456789")) {
			t.Errorf("%v: %s", err, text)
		}
	}
	if o := log.last(audit.Outcome); o.Error != "ValueError" || !slices.Equal(o.Redacted, []string{"math.sqrt.return"}) {
		t.Errorf("%+v", o)
	}
}

func TestRedactionOfToolsArguments(t *testing.T) {
	const source = "def tell(secret):\n    return 1\n"
	c := withPythonTool(t, source, "[audit]\nredact = [\"my_tool.tell.secret\"]\n")
	log := &memoryLog{}
	c.Audit = log
	s := session(t, open(t, c))
	if r := exec(t, s, "import my_tool\nmy_tool.tell(123456789)"); !r.OK {
		t.Errorf("%+v", r.Error)
	}
	if d := log.last(audit.Decision); string(d.Arguments) != `{"args":["[redacted]"],"kwargs":{}}` {
		t.Errorf("%s", d.Arguments)
	}
	for path, want := range map[string]string{"my_tool.tel.secret": "the tool my_tool has no function tel", "my_tool.tell.secrets": "it is my_tool.tell(secret)"} {
		c := withPythonTool(t, source, fmt.Sprintf("[audit]\nredact = [%q]\n", path))
		if _, err := host.New(t.Context(), c); !errors.Is(err, host.ErrRedact) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

const mathGrant = "grant.math = { functions = [\"sqrt\"], calls = 3 }\n"

func TestPythonTool(t *testing.T) {
	c := withPythonTool(t, pythonTool, mathGrant+"limits.fuel = 50_000_000\n")
	log := &memoryLog{}
	c.Audit = log
	s := session(t, open(t, c))
	for _, step := range []struct{ code, want string }{
		{`my_tool.echo(1)`, `[1, 2, (), "a'b", {}, Decimal('1.5')]`},
		{`my_tool.echo(b"x", 3, "r", named={1, 2}, z=(1,))`, `[b'x', 3, ('r',), {1, 2}, {'z': (1,)}, Decimal('1.5')]`},
		{`my_tool.count(), my_tool.count("a"), my_tool.count(n=1)`, `(1, 1, 1)`},
		{`my_tool.root(16)`, `4.0`},
		{`my_tool.root(-1)`, `ValueError: math domain error`},
		{`my_tool.fail()`, `KeyError: 'nothing there'`},
		{`my_tool.odd()`, `Error: my_tool.odd: Odd: strange`},
		{`my_tool.spin()`, `Error: my_tool.spin: tool.my_tool.limits.fuel exceeded: 50000000 of 50000000`},
		{`my_tool.big()`, `Error: my_tool.big: tool.my_tool.`},
		{`my_tool.many()`, `'Denied'`},
		{`my_tool.root(4)`, `2.0`},
		{`my_tool.root(4)`, `Error: my_tool.root: Denied: math.sqrt is denied by policy "p/my_tool": the session has made all of its 3 calls`},
		{`my_tool.echo()`, `TypeError: echo() missing 1 required positional argument: 'first'`},
		{`my_tool.Odd`, `AttributeError`},
		{`[f for f in dir(my_tool) if not f.startswith("_")]`, `['Error', 'big', 'count', 'echo', 'fail', 'leak', 'many', 'odd', 'root', 'spin']`},
		{`my_tool.echo.__doc__`, `'Give back what it was given. [second: int; rest: str; returns list]'`},
		{`my_tool.count()`, `1`},
	} {
		r := exec(t, s, "import my_tool\n"+step.code)
		got := ""
		switch {
		case r.Error != nil:
			got = r.Error.Error()
		case r.Repr != nil:
			got = *r.Repr
		}
		if !strings.Contains(got, step.want) {
			t.Errorf("%s: %s\nwant %s", step.code, got, step.want)
		}
	}
	within := 0
	for _, r := range log.all() {
		if r.Within > 0 {
			within++
			if r.Tool != "my_tool" || r.Capability != "math.sqrt" || r.Session != s.ID() {
				t.Errorf("record %+v", r)
			}
		}
	}
	if within == 0 {
		t.Error("what the tool called is not in the log")
	}
}

func TestPythonToolState(t *testing.T) {
	h := open(t, withPythonTool(t, pythonTool, mathGrant+"stateful = true\n"))
	first, second := session(t, h), session(t, h)
	for _, step := range []struct {
		s    *host.Session
		code string
		want string
	}{
		{first, "my_tool.count()", "1"}, {first, "my_tool.count()", "2"}, {second, "my_tool.count()", "1"}, {first, "my_tool.count()", "3"},
	} {
		if r := exec(t, step.s, "import my_tool\n"+step.code); r.Repr == nil || *r.Repr != step.want {
			t.Errorf("%s: %+v", step.code, r)
		}
	}
	for name, keep := range map[string]func() error{
		"fork":       func() error { _, err := first.Fork(t.Context()); return err },
		"save":       func() error { return first.Save(io.Discard) },
		"checkpoint": func() error { return first.Checkpoint() },
	} {
		if err := keep(); !errors.Is(err, host.ErrToolState) || !strings.HasSuffix(err.Error(), ": my_tool") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if r := exec(t, first, "my_tool.count()"); r.Repr == nil || *r.Repr != "4" {
		t.Errorf("afterwards: %+v", r)
	}
	if err := first.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := exec(t, first, "import my_tool\nmy_tool.count()"); r.Repr == nil || *r.Repr != "1" {
		t.Errorf("after a reset: %+v", r)
	}
}

func TestPythonToolsThatCannotBeUsed(t *testing.T) {
	for source, want := range map[string]string{
		"def f(:\n    pass\n":             "my.py:1: SyntaxError",
		"x = 1\n\nraise ValueError('x')":  "my.py:3: ValueError: x",
		"import socket":                   "ImportError: import of 'socket' is not authorized by policy 'p/my_tool'",
		"x = 1":                           "has no public function",
		"while True: pass":                "LimitExceeded: limits.fuel exceeded",
		"def f(x): pass\n__all__ = 7":     "TypeError",
		"\xff":                            "is not UTF-8",
		"import math\nx = math.sqrt(4)\n": "host functions cannot be called while modules are imported",
		"def F(): pass":                   "\"F\"",
	} {
		h, err := host.New(t.Context(), withPythonTool(t, source, mathGrant+"limits.fuel = 20_000_000\n"))
		if err == nil {
			h.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "my_tool") {
			t.Errorf("%q: %v, want %s", source, err, want)
		}
	}
}
