package conformance_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/values"
)

// tight is a host that grants math.sqrt alone, with small limits.
var tight = sync.OnceValues(func() (*host.Host, error) {
	return newHost(`policy = 1
name = "tight"
[limits]
wall_time = "3s"
memory = "64MiB"
output = "1KiB"
result = "4KiB"
host_calls = 5
[python]
imports = ["re", "collections", "xml.etree", "datetime", "json"]
[grant.math]
functions = ["sqrt"]
`)
})

func tightSession(t testing.TB) *host.Session {
	t.Helper()
	h, err := tight()
	if err != nil {
		t.Fatal(err)
	}
	return sessionOf(t, h)
}

func TestImportRule(t *testing.T) {
	const refused = "ImportError: import of "
	for code, want := range map[string]string{
		"import re, collections.abc":                                     "",
		"import xml.etree.ElementTree":                                   "",
		"from xml import etree":                                          "",
		"import xml":                                                     "",
		"from __future__ import annotations":                             "",
		"import math\nmath.sqrt(4)":                                      "2.0",
		"import math as m; m.pi":                                         "3.141592653589793",
		"from math import sqrt; sqrt(9)":                                 "3.0",
		"from math import *; sqrt(16), e":                                "(4.0, 2.718281828459045)",
		"import re; re.sub('a', 'b', 'aa')":                              "'bb'",
		"import datetime; datetime.datetime.strptime('2025', '%Y').year": "2025",
		"int('9' * 4000) > 0, '\\N{EM DASH}' if 0 else 1":                "",
		"import os":                            refused + "'os' is not authorized by policy 'tight'",
		"import os.path":                       refused + "'os.path' is",
		"from os import path":                  refused + "'os' is",
		"import numpy":                         refused + "'numpy' is",
		"from xml import dom":                  refused + "'xml.dom' is",
		"from xml import *":                    refused + "'xml.*' is",
		"import xml.dom":                       refused + "'xml.dom' is",
		"import importlib":                     refused + "'importlib' is",
		"import _postern":                      refused + "'_postern' is",
		"import sys":                           refused + "'sys' is",
		"__import__('ctypes')":                 refused + "'ctypes' is",
		"__import__('os', {'__name__': 'os'})": refused + "'os' is",
		"__import__('os', fromlist=['path'])":  refused + "'os' is",
		"exec('import os')":                    refused + "'os' is",
		"eval('__import__(\"os\")')":           refused + "'os' is",
		"exec('import os', {})":                refused + "'os' is",
		"(lambda: __import__('os'))()":         refused + "'os' is",
		"from . import x":                      "ImportError: attempted relative import",
		"__import__(7)":                        "TypeError: module name must be a string",
		"from math import cos; cos(1)":         "Denied: math.cos is not granted by policy 'tight'",
		"import math; math.nothing":            "AttributeError: module 'math' has no attribute 'nothing'",
		"open('/etc/passwd')":                  "Denied: open('/etc/passwd') is not granted",
		"import math.sqrt":                     refused + "'math.sqrt' is",
	} {
		r := run(t, tightSession(t), code)
		if got := says(r); want != "" && !strings.HasPrefix(got, want) || want == "" && r.Error != nil {
			t.Errorf("%s\n got %s\nwant %s", code, got, want)
		}
		if denied := strings.HasPrefix(want, refused) || strings.HasPrefix(want, "Denied"); r.Error != nil && r.Error.Denied != denied {
			t.Errorf("%s: denied is %v", code, r.Error.Denied)
		}
	}
}

func TestDenialHasItsParts(t *testing.T) {
	r := run(t, tightSession(t), `
import math, postern
try:
    math.cos(1)
except PermissionError as error:
    caught = error
type(caught) is postern.Denied, caught.capability, caught.rule, caught.reason, hasattr(math, "cos"), "cos" in dir(math), list(tools), tools["math.sqrt"](4), "math.cos" in tools`)
	const want = `(True, 'math.cos', 'grant.math', 'not granted', True, False, ['math.sqrt'], 2.0, False)`
	if says(r) != want {
		t.Errorf("got %s\nwant %s", says(r), want)
	}
	if len(r.Withheld) != 1 || r.Withheld[0] != (host.Withheld{Kind: "call", Name: "math.cos"}) {
		t.Errorf("withheld %v", r.Withheld)
	}
}

func TestStateLasts(t *testing.T) {
	s := session(t)
	for _, step := range []struct{ code, want string }{
		{"x = 20\ndef f(n=1): return x + n", ""},
		{"f(2) + 20", "42"},
		{"x += 1", ""},
		{"f()", "22"},
		{"1/0", "ZeroDivisionError: division by zero"},
		{"x", "21"},
		{"class A: pass\nA.__module__", "'__main__'"},
		{"'a docstring alone'", "'a docstring alone'"},
		{"y = 3", ""},
		{"for i in range(3): i", ""},
		{"x; None", "None"},
		{"_", "NameError: name '_' is not defined"},
		{"import dataclasses\n@dataclasses.dataclass\nclass P:\n    x: int\nP(1)", "P(x=1)"},
		{"", ""},
		{"# only a comment", ""},
		{"if True:\n  5", ""},
		{"a\x00b", "SyntaxError: source code string cannot contain null bytes"},
	} {
		if got := says(run(t, s, step.code)); got != step.want {
			t.Errorf("%q: %s, want %s", step.code, got, step.want)
		}
	}
	r, err := s.Call(background, "f", []any{5}, nil, host.CallOptions{})
	if err != nil || says(r) != "26" {
		t.Errorf("call: %v %s", err, says(r))
	}
	if r, err = s.Call(background, "f", nil, map[string]any{"n": 6}, host.CallOptions{}); err != nil || says(r) != "27" {
		t.Errorf("call by name: %v %s", err, says(r))
	}
	if r, err = s.Call(background, "nothing", nil, nil, host.CallOptions{}); err != nil || says(r) != "NameError: name 'nothing' is not defined in this session" {
		t.Errorf("call of nothing: %v %s", err, says(r))
	}
	if r, err = s.Set(background, map[string]any{"not a name": 1}); err != nil || r.OK {
		t.Errorf("set of no name: %v %s", err, says(r))
	}
}

// Each value goes in, is looked at in Python, and comes out as it went in.
func TestValuesSurvive(t *testing.T) {
	s := session(t)
	for _, test := range []struct{ code, repr string }{
		{"None", "None"}, {"True", "True"}, {"-5", "-5"}, {"2**53", "9007199254740992"}, {"-10**40", "-1" + strings.Repeat("0", 40)},
		{"1.0", "1.0"}, {"-0.0", "-0.0"}, {"1e16", "1e+16"}, {"float('inf')", "inf"}, {"float('nan')", "nan"}, {"5e-324", "5e-324"},
		{`"é\u0000\ud800😀\"\\"`, `'é\x00\ud800😀"\\'`}, {"''", "''"}, {"b'\\x00\\xff'", `b'\x00\xff'`}, {"bytearray(b'a')", "bytearray(b'a')"},
		{"[1, [2, []]]", "[1, [2, []]]"}, {"(1,)", "(1,)"}, {"()", "()"}, {"{1}", "{1}"}, {"set()", "set()"}, {"frozenset({(1, 2)})", "frozenset({(1, 2)})"},
		{"{'a': {'b': 1}}", "{'a': {'b': 1}}"}, {"{1: 'x', (2, 3): None}", "{1: 'x', (2, 3): None}"}, {"{'$int': 1, 'b': 2}", "{'$int': 1, 'b': 2}"}, {"{}", "{}"},
		{"3 - 4j", "(3-4j)"}, {"__import__('decimal').Decimal('1.10')", "Decimal('1.10')"},
		{"__import__('datetime').date(2025, 2, 28)", "datetime.date(2025, 2, 28)"}, {"__import__('datetime').time(1, 2, 3)", "datetime.time(1, 2, 3)"},
		{"__import__('datetime').timedelta(-1, 2, 3)", "datetime.timedelta(days=-1, seconds=2, microseconds=3)"},
		{"__import__('datetime').datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=__import__('zoneinfo').ZoneInfo('Europe/Berlin'))",
			"datetime.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))"},
	} {
		r := run(t, s, test.code)
		if says(r) != test.repr {
			t.Errorf("%s: repr %s, want %s", test.code, says(r), test.repr)
			continue
		}
		value, err := r.Decode()
		if err != nil {
			t.Errorf("%s: %v", test.code, err)
			continue
		}
		if _, err := s.Set(background, map[string]any{"back": value}); err != nil {
			t.Errorf("%s: set: %v", test.code, err)
			continue
		}
		again := run(t, s, "back")
		if says(again) != test.repr || string(again.Value) != string(r.Value) {
			t.Errorf("%s: came back as %s, %s; was %s", test.code, says(again), again.Value, r.Value)
		}
	}
}

func TestOtherValues(t *testing.T) {
	s := session(t)
	for code, want := range map[string]string{
		"object.__class__": `{"$repr":"<class 'type'>","type":"type"}`,
		"class A:\n  def __repr__(self): return '<an A>'\n[A()]":                                       `[{"$repr":"<an A>","type":"A"}]`,
		"class B:\n  def __repr__(self): 1/0\n[B()]":                                                   `[{"$repr":"<B object: repr() raised ZeroDivisionError>","type":"B"}]`,
		"from collections import OrderedDict, namedtuple\n[OrderedDict(a=1), namedtuple('P', 'x')(2)]": `[{"a":1},{"$tuple":[2]}]`,
		"import enum\nclass E(enum.IntEnum):\n  A = 7\n[E.A]":                                          `[7]`,
		"x = []\nfor _ in range(199): x = [x]\nx":                                                      strings.Repeat("[", 200) + strings.Repeat("]", 200),
	} {
		r := run(t, s, code)
		if strings.HasPrefix(code, "class B") {
			r.Error = nil
		}
		if string(r.Value) != want {
			t.Errorf("%s\n got %s\nwant %s", code, r.Value, want)
		}
	}
	for code, class := range map[string]string{
		"x = []\nx.append(x)\nx":                     "list",
		"x = []\nfor _ in range(200): x = [x]\nx":    "list",
		"x = {}\nfor _ in range(100): x = {1: x}\nx": "dict",
		"x = ()\nfor _ in range(101): x = (x,)\nx":   "tuple",
	} {
		r := run(t, s, code)
		value, err := r.Decode()
		if repr, ok := value.(values.Repr); err != nil || !ok || repr.Type != class {
			t.Errorf("%s: %.100s %v, %v", code, r.Value, r.Error, err)
		}
	}
}

func TestOutputIsCutWhileItIsMade(t *testing.T) {
	s := tightSession(t)
	for code, want := range map[string]string{
		"print('x' * 1022)":                                  strings.Repeat("x", 1022) + "\n",
		"print('x' * 1023)":                                  strings.Repeat("x", 1023) + "\n",
		"print('x' * 1024)":                                  strings.Repeat("x", 1024) + "\n[output cut: 1 bytes over the limit of 1024]\n",
		"print('x' * 1025, end='')":                          strings.Repeat("x", 1024) + "\n[output cut: 1 bytes over the limit of 1024]\n",
		"print('x' * 1023 + 'é', end='')":                    strings.Repeat("x", 1023) + "\n[output cut: 2 bytes over the limit of 1024]\n",
		"for _ in range(100_000): print('12345678', end='')": strings.Repeat("12345678", 128) + "\n[output cut: 798976 bytes over the limit of 1024]\n",
	} {
		if r := run(t, s, code); r.Error != nil || r.Stdout != want {
			t.Errorf("%s: %v, %d bytes: …%s", code, r.Error, len(r.Stdout), r.Stdout[max(0, len(r.Stdout)-60):])
		}
	}
}

func TestLimits(t *testing.T) {
	for code, want := range map[string]string{
		"'x' * 4094":           "'",
		"'x' * 4095":           "LimitExceeded [result]",
		"b = bytearray(10**8)": "MemoryError [memory]",
		"x = []\nwhile True: x.append('y' * 10**6)":                  "MemoryError [memory]",
		"import math\nfor i in range(5): math.sqrt(i)\nprint('all')": "None",
		"import math\nfor i in range(6): math.sqrt(i)":               "LimitExceeded [host_calls]",
		"def f(): f()\nf()":                                "RecursionError [recursion]",
		"eval('(' * 1000 + ')' * 1000)":                    "MemoryError",
		"eval('-' * 100000 + '1')":                         "MemoryError",
		"import json; json.loads('[' * 100000)":            "RecursionError",
		"x = []\nfor _ in range(100000): x = [x]\nrepr(x)": "RecursionError",
		"raise SystemExit":                                 "",
		"exit(0)":                                          "",
		"exit('why')":                                      "SystemExit: why",
		"raise SystemExit(7)":                              "SystemExit: exit code 7",
		"raise KeyboardInterrupt":                          "KeyboardInterrupt: ",
		"import postern; raise postern.LimitExceeded('mine', limit='fuel')": "LimitExceeded: mine",
	} {
		s := tightSession(t)
		r := run(t, s, code)
		if got := says(r); got != want && (want == "" || !strings.HasPrefix(got, want)) {
			t.Errorf("%s\n got %s\nwant %s", code, got, want)
		}
		// Whatever happened short of being stopped by force, the session goes on.
		if !s.Lost() {
			if after := run(t, s, "6 * 7"); says(after) != "42" {
				t.Errorf("after %s: %s", code, says(after))
			}
		} else {
			t.Errorf("%s: the session is lost", code)
		}
	}
}

// hasty is a host whose runs have little time.
var hasty = sync.OnceValues(func() (*host.Host, error) {
	return newHost("policy = 1\nname = 'hasty'\n[limits]\nwall_time = '500ms'\n")
})

func hastySession(t testing.TB) *host.Session {
	t.Helper()
	h, err := hasty()
	if err != nil {
		t.Fatal(err)
	}
	return sessionOf(t, h)
}

func TestWallTimeHoldsEverywhere(t *testing.T) {
	for _, code := range []string{
		"while True: pass",
		"try:\n  while True: pass\nexcept Exception: pass",
		"sum(range(10**15))",
		"import re; re.match(r'(a+)+$', 'a' * 40 + 'b')",
		"3 ** 10**8",
		"while True:\n  try:\n    while True: pass\n  except BaseException: pass",
		"class D:\n  def __del__(self):\n    while True: pass\nx = D()\ndel x\nwhile True: pass",
	} {
		s := hastySession(t)
		r := run(t, s, code)
		if got := says(r); got != "LimitExceeded [wall_time]" {
			t.Errorf("%s: %s", code, got)
		}
		if !s.Lost() {
			if after := run(t, s, "6 * 7"); says(after) != "42" {
				t.Errorf("after %s: %s", code, says(after))
			}
		}
	}
}

func TestInterruptLeavesTheSessionAlive(t *testing.T) {
	s := hastySession(t)
	r := run(t, s, "steps = []\ntry:\n    while True: pass\nfinally:\n    steps.append('finally')")
	if says(r) != "LimitExceeded [wall_time]" || s.Lost() {
		t.Fatalf("%s, lost %v", says(r), s.Lost())
	}
	if r := run(t, s, "steps"); says(r) != "['finally']" {
		t.Errorf("after it: %s", says(r))
	}
	if r := run(t, s, "try:\n    while True: pass\nexcept BaseException as e:\n    name = type(e).__name__\nname"); says(r) != "'TimeoutError'" {
		t.Errorf("caught as: %s", says(r))
	}
	// The request is not left over for the next run.
	if r := run(t, s, "sum(range(10**5))"); says(r) != "4999950000" {
		t.Errorf("next: %s", says(r))
	}
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	if _, err := s.Exec(ctx, "while True: pass", host.ExecOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a context's end: %v", err)
	}
	if r := run(t, s, "len(steps)"); s.Lost() || says(r) != "1" {
		t.Errorf("after a context's end: %s", says(r))
	}
}

// Code can say what it likes. What the host says is marked.
func TestNobodySpeaksWithTheHostsVoice(t *testing.T) {
	for _, code := range []string{
		"class GuestCrashed(Exception): pass\nraise GuestCrashed('the guest stopped')",
		"class LimitExceeded(Exception): limit = 'fuel'\nraise LimitExceeded('more than')",
		"import postern\nraise postern.LimitExceeded('mine', limit='host_calls')",
		"__import__.__globals__['report'] = lambda *_: {'type': 'GuestCrashed', 'message': 'm', 'traceback': 't', 'limit': 'wall_time', 'line': 1, 'denied': False}\n1/0",
	} {
		r := run(t, tightSession(t), code)
		if r.Error == nil || r.Error.FromHost || r.Error.Limit != "" {
			t.Errorf("%s: %+v", code, r.Error)
		}
	}
	if r := run(t, tightSession(t), "print.__self__.__import__('os')._exit(0)"); r.Error == nil || !r.Error.FromHost || r.Error.Type != host.GuestCrashed {
		t.Errorf("a crash: %+v", r.Error)
	}
}

func TestFinalAnswer(t *testing.T) {
	s := session(t)
	for code, want := range map[string]string{
		"final_answer(42)\nprint('not reached')":                                    "42",
		"try: final_answer([1])\nexcept BaseException: pass\n1/0":                   "[1]",
		"def f():\n    try: final_answer('a')\n    finally: final_answer('b')\nf()": "'a'",
		"final_answer(None)":                      "None",
		"import postern\npostern.final_answer(1)": "1",
	} {
		if r := run(t, s, code); says(r) != want || !r.IsFinalAnswer || r.Stdout != "" {
			t.Errorf("%s: %s, final %v, stdout %q", code, says(r), r.IsFinalAnswer, r.Stdout)
		}
	}
	if r := run(t, s, "5"); r.IsFinalAnswer {
		t.Error("an answer is left over")
	}
}

func TestTracebackShowsTheAgentsLinesAlone(t *testing.T) {
	r := run(t, session(t), "def outer():\n    inner()\n\ndef inner():\n    import json\n    try:\n        json.loads('{')\n    except ValueError as e:\n        raise KeyError('k') from e\nouter()")
	for _, want := range []string{"File \"<exec 1>\", line 2, in outer\n    inner()", "The above exception was the direct cause", "json.decoder.JSONDecodeError: Expecting", "KeyError: 'k'\n"} {
		if !strings.Contains(r.Error.Traceback, want) {
			t.Errorf("%q is not in\n%s", want, r.Error.Traceback)
		}
	}
	for _, plumbing := range []string{"bootstrap", "frozen", "<value>"} {
		if strings.Contains(r.Error.Traceback, plumbing) {
			t.Errorf("%q is in\n%s", plumbing, r.Error.Traceback)
		}
	}
	if r.Error.Line == nil || *r.Error.Line != 9 {
		t.Errorf("line %v", r.Error.Line)
	}
}

func TestSameCodeSameFuel(t *testing.T) {
	const code = "import random\nd = {str(i): random.random() for i in range(1000)}\nprint(sorted(d.items())[:3], hash('x'), list({'a', 'b', 'c'}))\nlen(d)"
	a, b := run(t, session(t), code), run(t, session(t), code)
	if a.Usage.Fuel != b.Usage.Fuel || a.Stdout != b.Stdout || a.Usage.Fuel == 0 {
		t.Errorf("fuel %d and %d, stdout %q and %q", a.Usage.Fuel, b.Usage.Fuel, a.Stdout, b.Stdout)
	}
}

// Many frames: their traceback must not take longer than they did.
func TestDeepTraceback(t *testing.T) {
	h, err := newHost("policy = 1\nname = 'deep'\n[limits]\nrecursion = 100_000\n")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	r := run(t, sessionOf(t, h), `
def f(n):
    if n == 0:
        raise ValueError("deep")
    f(n - 1)
f(50_000)`)
	if r.Error == nil || r.Error.Type != "ValueError" || !strings.HasPrefix(r.Error.Traceback, "(the innermost 100 of 50002 calls)\n") || len(r.Error.Traceback) > 2000 {
		t.Errorf("%v\n%.300s", r.Error, r.Error.Traceback)
	}
}
