package conformance_test

import (
	"math"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/values"
)

// Go values as variables of a session: what Python's repr() says of them.
func TestGoValuesInPython(t *testing.T) {
	dict := values.NewDict(2)
	for _, key := range []any{values.Tuple{int64(1), "a"}, nil} {
		if err := dict.Set(key, key); err != nil {
			t.Fatal(err)
		}
	}
	googol, _ := new(big.Int).SetString("1"+strings.Repeat("0", 100), 10)
	seven := 7
	noon := time.Date(2025, 1, 31, 12, 0, 0, 1000, time.FixedZone("", -3*3600-1800))

	s := session(t)
	for _, test := range []struct {
		value any
		repr  string
	}{
		{nil, "None"}, {true, "True"}, {"grüße 😀", "'grüße 😀'"}, {"\xed\xa0\x80", `'\ud800'`}, {"", "''"},
		{int8(-5), "-5"}, {int64(math.MinInt64), "-9223372036854775808"}, {uint64(math.MaxUint64), "18446744073709551615"}, {googol, "1" + strings.Repeat("0", 100)},
		{1.0, "1.0"}, {float32(0.5), "0.5"}, {math.Copysign(0, -1), "-0.0"}, {math.Inf(-1), "-inf"}, {math.NaN(), "nan"}, {math.SmallestNonzeroFloat64, "5e-324"},
		{2 - 3i, "(2-3j)"}, {complex(math.Inf(1), math.NaN()), "(inf+nanj)"},
		{[]byte{0, 255}, `b'\x00\xff'`}, {values.Bytes("a"), "b'a'"}, {values.ByteArray{}, "bytearray(b'')"},
		{[]any{1, []any{}}, "[1, []]"}, {[]string{"a", "b"}, "['a', 'b']"}, {[2]float64{1, 2}, "[1.0, 2.0]"},
		{values.Tuple{1}, "(1,)"}, {values.Tuple{}, "()"}, {values.Set{int64(1)}, "{1}"}, {values.Set{}, "set()"}, {values.FrozenSet{values.Tuple{}}, "frozenset({()})"},
		{map[string]any{"b": 1, "a": nil}, "{'a': None, 'b': 1}"}, {map[int]string{2: "b", -1: "a"}, "{-1: 'a', 2: 'b'}"}, {dict, "{(1, 'a'): (1, 'a'), None: None}"},
		// Dicts that look like tagged values, and are none.
		{map[string]any{"$int": "5"}, "{'$int': '5'}"}, {map[string]any{"$": 1, "a": 2}, "{'$': 1, 'a': 2}"},
		{struct {
			Name  string `json:"name"`
			Empty string `json:",omitempty"`
			Count int
		}{Name: "x"}, "{'name': 'x', 'Count': 0}"},
		{&seven, "7"}, {(*int)(nil), "None"}, {time.Month(3), "3"},
		{noon, "datetime.datetime(2025, 1, 31, 12, 0, 0, 1, tzinfo=datetime.timezone(datetime.timedelta(days=-1, seconds=73800)))"},
		{-time.Second, "datetime.timedelta(days=-1, seconds=86399)"}, {values.TimeDelta{Days: 2}, "datetime.timedelta(days=2)"},
		{values.DateTime{ISO: "2025-01-31T12:00:00"}, "datetime.datetime(2025, 1, 31, 12, 0)"},
		{values.DateTime{ISO: "2025-10-26T02:30:00+01:00", Zone: "Europe/Berlin", Fold: 1},
			"datetime.datetime(2025, 10, 26, 2, 30, fold=1, tzinfo=zoneinfo.ZoneInfo(key='Europe/Berlin'))"},
		// A zone that this guest does not know leaves its offset.
		{values.DateTime{ISO: "2025-01-31T12:00:00+01:00", Zone: "Mars/Olympus"}, "datetime.datetime(2025, 1, 31, 12, 0, tzinfo=datetime.timezone(datetime.timedelta(seconds=3600)))"},
		{values.Date("2024-02-29"), "datetime.date(2024, 2, 29)"}, {values.Time("23:59:59.000001"), "datetime.time(23, 59, 59, 1)"},
		{values.Decimal("1.10"), "Decimal('1.10')"}, {values.Decimal("-Infinity"), "Decimal('-Infinity')"},
		{values.Repr{Type: "Thing", Text: "<a thing>"}, "'<a thing>'"},
	} {
		r, err := s.Set(background, map[string]any{"value": test.value})
		if err != nil || r.Error != nil {
			t.Errorf("%#v: %v %v", test.value, err, r)
			continue
		}
		if got := says(run(t, s, "value")); got != test.repr {
			t.Errorf("%#v: %s, want %s", test.value, got, test.repr)
		}
		// As an argument it is the same.
		run(t, s, "def itself(x, *, y): return x, y")
		r, err = s.Call(background, "itself", []any{test.value}, map[string]any{"y": test.value}, host.CallOptions{})
		if err != nil {
			t.Errorf("%#v as an argument: %v", test.value, err)
		} else if says(r) != "("+test.repr+", "+test.repr+")" {
			t.Errorf("%#v as an argument: %s", test.value, says(r))
		}
	}
	cycle := []any{nil}
	cycle[0] = cycle
	for name, value := range map[string]any{
		"function": func() {}, "channel": make(chan int), "not UTF-8": "\xff",
		"cycle": cycle, "keys of another kind": map[float64]int{1: 1}, "a 30th of February": values.Date("2025-02-30"), "no number": values.Decimal("1,5"),
	} {
		if r, err := s.Set(background, map[string]any{"value": value}); err == nil {
			t.Errorf("%s: %v, want an error", name, r)
		}
	}
	if s.Lost() {
		t.Error("what cannot be set has lost the session")
	}
}

// What crosses as what: values of subclasses as their base, anything else as its repr.
func TestWhatPythonValuesCrossAs(t *testing.T) {
	s := session(t)
	const setUp = `
import array, collections, dataclasses, datetime, decimal, enum, fractions, pathlib, types
class Celsius(float): pass
class Tag(str): pass
class Stack(list): pass
class Level(enum.IntEnum): LOW = 1
class Mode(enum.StrEnum): FAST = "f"
class Access(enum.IntFlag):
    READ = 1
    WRITE = 2
class Plain(enum.Enum): ONE = 1
Point = collections.namedtuple("Point", "x y")
@dataclasses.dataclass(frozen=True)
class Item: name: str
class Later(datetime.datetime): pass
class Money(decimal.Decimal): pass
class Registry(dict):
    def items(self): return "something else"
    def __iter__(self): raise RuntimeError`
	if r := run(t, s, setUp); r.Error != nil {
		t.Fatal(r.Error.Traceback)
	}
	for code, want := range map[string]string{
		`Celsius(1.5), Tag("t"), Stack([1])`:                                                          `{"$tuple":[1.5,"t",[1]]}`,
		`Level.LOW, Mode.FAST, Access.READ | Access.WRITE, True + 1`:                                  `{"$tuple":[1,"f",3,2]}`,
		`{Level.LOW: Mode.FAST}, {Mode.FAST: Level.LOW}, {Tag("k"): 1}`:                               `{"$tuple":[{"$dict":[[1,"f"]]},{"f":1},{"k":1}]}`,
		`Point(1, 2), {Point(1, 2)}`:                                                                  `{"$tuple":[{"$tuple":[1,2]},{"$set":[{"$tuple":[1,2]}]}]}`,
		`collections.OrderedDict(b=2, a=1), collections.Counter("aab"), collections.defaultdict(x=1)`: `{"$tuple":[{"b":2,"a":1},{"a":2,"b":1},{"x":1}]}`,
		`Registry(a=1)`:                    `{"a":1}`,
		`Later(2025, 1, 2), Money("1.50")`: `{"$tuple":[{"$datetime":"2025-01-02T00:00:00"},{"$decimal":"1.50"}]}`,
		`Plain.ONE`:                        `{"$repr":"<Plain.ONE: 1>","type":"Plain"}`,
		`Item("x"), {Item("x"): 1}`:        `{"$tuple":[{"$repr":"Item(name='x')","type":"Item"},{"$dict":[[{"$repr":"Item(name='x')","type":"Item"},1]]}]}`,
		`fractions.Fraction(1, 3)`:         `{"$repr":"Fraction(1, 3)","type":"Fraction"}`,
		`range(3), collections.deque([1])`: `{"$tuple":[{"$repr":"range(0, 3)","type":"range"},{"$repr":"deque([1])","type":"deque"}]}`,
		`{1: 2}.keys()`:                    `{"$repr":"dict_keys([1])","type":"dict_keys"}`,
		`ValueError("v"), int, len`:        `{"$tuple":[{"$repr":"ValueError('v')","type":"ValueError"},{"$repr":"<class 'int'>","type":"type"},{"$repr":"<built-in function len>","type":"builtin_function_or_method"}]}`,
		`array.array("i", [1]), pathlib.PurePosixPath("a"), ...`: `{"$tuple":[{"$repr":"array('i', [1])","type":"array"},{"$repr":"PurePosixPath('a')","type":"PurePosixPath"},{"$repr":"Ellipsis","type":"ellipsis"}]}`,
		`types.SimpleNamespace(a=1)`:                             `{"$repr":"namespace(a=1)","type":"SimpleNamespace"}`,
	} {
		if r := run(t, s, code); string(r.Value) != want {
			t.Errorf("%s\n got %s %v\nwant %s", code, r.Value, r.Error, want)
		} else if _, err := r.Decode(); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}
