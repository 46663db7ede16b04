package conformance_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// Classes of the agent's may override what the way out of the guest looks at. Their values cross as those of their base,
// and never as something that the host takes for a broken guest.
func TestStrangeClassesCross(t *testing.T) {
	const setUp = `
import collections, datetime, decimal, zoneinfo
class Money(decimal.Decimal):
    def __str__(self): return f"${super().__str__()}"
class Day(datetime.date):
    def isoformat(self): return "today"
class Moment(datetime.datetime):
    fold = "twice"
    def isoformat(self, *args): return None
class Span(datetime.timedelta):
    days = 10**30
class Zone(zoneinfo.ZoneInfo):
    key = 5
class Own:
    """Equal to itself alone, whatever its base thinks."""
    __hash__ = object.__hash__
    __eq__ = object.__eq__
class Key(Own, str): pass
class Cell(Own, tuple): pass
class Row(list):
    __hash__ = object.__hash__
class Liar(set):
    def __iter__(self): yield []
Quoted = type('a"b', (list,), {})
itself = Quoted()
itself.append(itself)
ordered = collections.OrderedDict({"$int": "5", "b": 1, "a": 2})
ordered.move_to_end("$int")
tagged = collections.OrderedDict({"a": 1, "$int": "5"})
tagged.move_to_end("$int", last=False)`
	s := session(t)
	if r := run(t, s, setUp); r.Error != nil {
		t.Fatal(r.Error.Traceback)
	}
	for code, want := range map[string]string{
		`Money("1.50"), Day(2025, 1, 2)`:                   `{"$tuple":[{"$decimal":"1.50"},{"$date":"2025-01-02"}]}`,
		`Moment(2025, 1, 2), Span(1)`:                      `{"$tuple":[{"$datetime":"2025-01-02T00:00:00"},{"$timedelta":[1,0,0]}]}`,
		`Moment(2025, 7, 1, tzinfo=Zone("Europe/Paris"))`:  `{"$datetime":"2025-07-01T00:00:00+02:00"}`,
		`datetime.time(2, 30, fold=1)`:                     `{"$time":"02:30:00"}`,
		`sorted([Key("a"), Key("b")])`:                     `["a","b"]`,
		`{Key("a"), Key("a")}`:                             `{"$set":[{"$repr":"'a'","type":"Key"},{"$repr":"'a'","type":"Key"}]}`,
		`{Key("a"): 1, Key("a"): Key("b")}`:                `{"$dict":[[{"$repr":"'a'","type":"Key"},1],[{"$repr":"'a'","type":"Key"},"b"]]}`,
		`{(1, Cell()): 0, (1, Cell()): 1}`:                 `{"$dict":[[{"$tuple":[1,{"$repr":"()","type":"Cell"}]},0],[{"$tuple":[1,{"$repr":"()","type":"Cell"}]},1]]}`,
		`{Row([1])}, Row([1])`:                             `{"$tuple":[{"$set":[{"$repr":"[1]","type":"Row"}]},[1]]}`,
		`Liar({1})`:                                        `{"$set":[1]}`,
		`itself`:                                           `{"$repr":"[[...]]","type":"a\"b"}`,
		`ordered, tagged`:                                  `{"$tuple":[{"b":1,"a":2,"$int":"5"},{"$dict":[["$int","5"],["a",1]]}]}`,
		`{decimal.Decimal("NaN"), decimal.Decimal("NaN")}`: `{"$set":[{"$decimal":"NaN"},{"$decimal":"NaN"}]}`,
	} {
		r := run(t, s, code)
		if string(r.Value) != want {
			t.Errorf("%s\n got %s %v\nwant %s", code, r.Value, r.Error, want)
		}
		if s.Lost() {
			t.Fatalf("%s: the session is lost", code)
		}
	}
	if got := says(run(t, s, `tools.math.sqrt(Money("4")), tools.math.fsum({Key("1"): 2}.values() and [Money("1")])`)); got != "(2.0, 1.0)" {
		t.Errorf("as arguments: %s", got)
	}
}

// Names of variables and keyword arguments are no tags.
func TestNamesLikeTags(t *testing.T) {
	s := session(t)
	run(t, s, "def named(**names): return names")
	for _, name := range []string{"$int", "$tuple", "$"} {
		r, err := s.Set(background, map[string]any{name: "5"})
		if err != nil {
			t.Fatal(err)
		}
		if says(r) != "ValueError: '"+name+"' is not a name that can be set" {
			t.Errorf("set %s: %s", name, says(r))
		}
		r, err = s.Call(background, "named", nil, map[string]any{name: "5"}, host.CallOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if says(r) != "{'"+name+"': '5'}" {
			t.Errorf("call with %s: %s", name, says(r))
		}
	}
}

// Code is text: what its first lines say of its bytes no longer holds.
func TestCodingCommentsMeanNothing(t *testing.T) {
	for _, head := range []string{"# -*- coding: latin-1 -*-\n", "#!/usr/bin/env python3\n# vim: set fileencoding=cp1252 :\n", "# coding: nonsense\n", "\ufeff"} {
		if got := says(run(t, session(t), head+"'é€', len('é€')")); got != "('é€', 2)" {
			t.Errorf("%q: %s", head, got)
		}
	}
}

func TestReplacedStreams(t *testing.T) {
	s := session(t)
	for _, step := range []struct{ code, stdout, stderr string }{
		// What a wrapper holds back is part of its own run.
		{"import io, sys\nsys.stdout = io.TextIOWrapper(sys.stdout.buffer, encoding='utf-8')\nprint('é')", "é\n", ""},
		{"print('next')", "next\n", ""},
		{"sys.stdout = io.StringIO()\nprint('lost')", "", ""},
		{"class W:\n  def write(self, text): sys.__stdout__.write(text.upper())\n  def flush(self): 1 / 0\nsys.stdout = W()\nprint('up')", "UP\n", ""},
		{"sys.stderr = sys.stdout = None\nprint('nowhere')", "", ""},
		{"sys.stdout.reconfigure(encoding='utf-8', line_buffering=True)\nprint('out', file=sys.__stdout__)\nprint('err', file=sys.__stderr__)", "out\n", "err\n"},
		{"del sys.stdout", "", ""},
		{"print(sys.stdout.line_buffering)", "False\n", ""},
	} {
		r := run(t, s, step.code)
		if r.Error != nil || r.Stdout != step.stdout || r.Stderr != step.stderr {
			t.Errorf("%s\n%v, stdout %q, stderr %q", step.code, r.Error, r.Stdout, r.Stderr)
		}
	}
}

// The answer may be given while the value of the last expression is described.
func TestFinalAnswerWithinRepr(t *testing.T) {
	r := run(t, session(t), "class A:\n  def __repr__(self): final_answer('from repr')\n[A()]")
	if says(r) != "'from repr'" || !r.IsFinalAnswer {
		t.Errorf("%s, final %v", says(r), r.IsFinalAnswer)
	}
}

// The C library of the guest would give numbers for some of these.
func TestArcCoshBelowOne(t *testing.T) {
	r := run(t, session(t), `
import math
def acosh(x):
    try: return math.acosh(x)
    except ValueError as error: return str(error)
{acosh(-1.2345 * 1.0007**n) for n in range(20_000)}`)
	if says(r) != "{'math domain error'}" {
		t.Errorf("%.100s", strings.TrimSpace(says(r)))
	}
}
