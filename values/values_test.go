package values_test

import (
	"errors"
	"math"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/values"
)

func bigInt(s string) *big.Int {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		panic(s)
	}
	return n
}

func dict(pairs ...any) *values.Dict {
	d := new(values.Dict)
	for i := 0; i < len(pairs); i += 2 {
		if err := d.Set(pairs[i], pairs[i+1]); err != nil {
			panic(err)
		}
	}
	return d
}

// forms are values with their one JSON form: each is what the other becomes.
var forms = []struct {
	value any
	json  string
}{
	{nil, `null`},
	{true, `true`},
	{false, `false`},
	{int64(0), `0`},
	{int64(-7), `-7`},
	{int64(1<<53 - 1), `9007199254740991`},
	{int64(-(1<<53 - 1)), `-9007199254740991`},
	{int64(1 << 53), `{"$int":"9007199254740992"}`},
	{int64(math.MinInt64), `{"$int":"-9223372036854775808"}`},
	{bigInt("9223372036854775808"), `{"$int":"9223372036854775808"}`},
	{bigInt("-123456789012345678901234567890"), `{"$int":"-123456789012345678901234567890"}`},
	{1.0, `1.0`},
	{math.Copysign(0, -1), `-0.0`},
	{0.1, `0.1`},
	{1e16, `1e+16`},
	{9999999999999998.0, `9999999999999998.0`},
	{1e-5, `1e-05`},
	{0.0001, `0.0001`},
	{5e-324, `5e-324`},
	{1.7976931348623157e308, `1.7976931348623157e+308`},
	{math.Inf(1), `{"$float":"inf"}`},
	{math.Inf(-1), `{"$float":"-inf"}`},
	{math.NaN(), `{"$float":"nan"}`},
	{"", `""`},
	{"a\"\\\n\x00\x7f é 😀", `"a\"\\\n\u0000` + "\x7f" + ` é 😀"`},
	{"\xed\xa0\x80x", `"\ud800x"`},
	{"\xed\xbf\xbf", `"\udfff"`},
	{values.List{}, `[]`},
	{values.List{int64(1), values.List{}}, `[1,[]]`},
	{values.Tuple{}, `{"$tuple":[]}`},
	{values.Tuple{int64(1), "a"}, `{"$tuple":[1,"a"]}`},
	{values.Set{int64(1), values.Tuple{}}, `{"$set":[1,{"$tuple":[]}]}`},
	{values.FrozenSet{}, `{"$frozenset":[]}`},
	{dict(), `{}`},
	{dict("b", int64(1), "a", nil, "$c", true), `{"b":1,"a":null,"$c":true}`},
	{dict("$c", true), `{"$dict":[["$c",true]]}`},
	{dict(int64(1), "one", nil, "none", values.Tuple{1.5}, "t"), `{"$dict":[[1,"one"],[null,"none"],[{"$tuple":[1.5]},"t"]]}`},
	{values.Bytes("\x00\xff"), `{"$bytes":"AP8="}`},
	{values.ByteArray{}, `{"$bytearray":""}`},
	{complex(1, math.Inf(-1)), `{"$complex":[1.0,{"$float":"-inf"}]}`},
	{values.DateTime{ISO: "2025-01-31T12:00:00.000001+01:00", Zone: "Europe/Berlin", Fold: 1},
		`{"$datetime":"2025-01-31T12:00:00.000001+01:00","zone":"Europe/Berlin","fold":1}`},
	{values.DateTime{ISO: "0001-01-01T00:00:00"}, `{"$datetime":"0001-01-01T00:00:00"}`},
	{values.Date("2024-02-29"), `{"$date":"2024-02-29"}`},
	{values.Time("23:59:59.999999-00:00:01.000001"), `{"$time":"23:59:59.999999-00:00:01.000001"}`},
	{values.TimeDelta{-1, 86399, 999999}, `{"$timedelta":[-1,86399,999999]}`},
	{values.Decimal("1.10"), `{"$decimal":"1.10"}`},
	{values.Decimal("-sNaN12"), `{"$decimal":"-sNaN12"}`},
	{values.Repr{Type: "Socket", Text: "<socket>"}, `{"$repr":"<socket>","type":"Socket"}`},
}

func TestForms(t *testing.T) {
	for _, f := range forms {
		got, err := values.Append([]byte("x"), f.value, len(f.json))
		if err != nil || string(got) != "x"+f.json {
			t.Errorf("Append(%s) = %s, %v, want %s", values.Format(f.value), got, err, f.json)
		}
		v, err := values.Decode([]byte(f.json))
		if err != nil || !values.Equal(v, f.value) || values.TypeName(v) != values.TypeName(f.value) {
			t.Errorf("Decode(%s) = %s, %v", f.json, values.Format(v), err)
		}
		if _, err := values.Append(nil, f.value, len(f.json)-1); !errors.Is(err, values.ErrTooLarge) {
			t.Errorf("Append(%s) with a limit one byte too small: %v", f.json, err)
		}
	}
}

func TestDecodeIsLiberalWhereJSONIs(t *testing.T) {
	for src, want := range map[string]any{
		" \t\r\n[ 1 , 2 ] \n  ":      values.List{int64(1), int64(2)},
		`-0`:                         int64(0),
		`1E5`:                        1e5,
		`9223372036854775808`:        bigInt("9223372036854775808"),
		`"\ud83d\ude00\/\b\f\u00e9"`: "😀/\b\fé",
		`"\ud83d\ud83d\ude00"`:       "\xed\xa0\xbd😀",
		`{"$datetime":"2025-01-31T12:00:00" , "fold" : 1}`: values.DateTime{ISO: "2025-01-31T12:00:00", Fold: 1},
		`{"a":1,"$int":2}`: dict("a", int64(1), "$int", int64(2)),
	} {
		got, err := values.Decode([]byte(src))
		if err != nil || !values.Equal(got, want) {
			t.Errorf("Decode(%s) = %s, %v, want %s", src, values.Format(got), err, values.Format(want))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for _, c := range []struct {
		src    string
		offset int
		says   string
	}{
		{``, 0, "expected a value"},
		{`  `, 2, "expected a value"},
		{`nul`, 0, "expected a value"},
		{`1 2`, 2, "unexpected text"},
		{`[1,]`, 3, "expected a value"},
		{`[1 2]`, 3, "expected ','"},
		{`{"a":1,}`, 7, "expected a string"},
		{`{"a" 1}`, 5, "expected ':'"},
		{`{a:1}`, 1, "expected a string"},
		{`{"a":1,"b":2,"a":3}`, 13, "duplicate key"},
		{`01`, 0, "malformed number"},
		{`-`, 0, "malformed number"},
		{`1.`, 0, "malformed number"},
		{`.5`, 0, "expected a value"},
		{`1e`, 0, "malformed number"},
		{`+1`, 0, "expected a value"},
		{`NaN`, 0, "expected a value"},
		{`1e999`, 0, "too large"},
		{strings.Repeat("1", 401), 0, "400 characters"},
		{`"a`, 0, "unterminated"},
		{"\"a\n\"", 2, "control character"},
		{"\"\xff\"", 1, "invalid UTF-8"},
		{"\"\xed\xa0\x80\"", 1, "invalid UTF-8"},
		{`"\x"`, 1, "invalid escape"},
		{`"\u12g4"`, 1, "invalid escape"},
		{`{"$magic":1}`, 1, "unknown tag"},
		{`{"$":1}`, 1, "unknown tag"},
		{`{"$int":"1","a":2}`, 11, "expected '}'"},
		{`{"$int":1}`, 8, "expected a string"},
		{`{"$int":""}`, 8, "wrong payload"},
		{`{"$int":"-"}`, 8, "wrong payload"},
		{`{"$int":"01"}`, 8, "wrong payload"},
		{`{"$int":"1_0"}`, 8, "wrong payload"},
		{`{"$int":"` + strings.Repeat("1", 100_001) + `"}`, 8, "wrong payload"},
		{`{"$float":"1.0"}`, 10, "wrong payload"},
		{`{"$bytes":"AP8"}`, 10, "wrong payload"},
		{`{"$bytes":"AP9="}`, 10, "wrong payload"},
		{`{"$bytes":"AP\n8="}`, 10, "wrong payload"},
		{`{"$tuple":1}`, 10, "expected '['"},
		{`{"$set":[1,1.0]}`, 8, "duplicate member"},
		{`{"$set":[[]]}`, 8, "unhashable"},
		{`{"$dict":[[1,2],[true,3]]}`, 17, "duplicate key"},
		{`{"$dict":[[{},2]]}`, 11, "unhashable"},
		{`{"$dict":[[1]]}`, 12, "expected ','"},
		{`{"$complex":[1,2.0]}`, 13, "wrong payload"},
		{`{"$complex":[{"$int":"1"},2.0]}`, 13, "wrong payload"},
		{strings.Repeat(`{"$complex":[`, 1_000_000), 25, "expected a string"},
		{`{"$complex":[1.0]}`, 16, "expected ','"},
		{`{"$date":"2025-02-29"}`, 9, "wrong payload"},
		{`{"$date":"0000-01-01"}`, 9, "wrong payload"},
		{`{"$time":"24:00:00"}`, 9, "wrong payload"},
		{`{"$datetime":"2025-01-31 12:00:00"}`, 13, "wrong payload"},
		{`{"$datetime":"2025-01-31T12:00:00","fold":2}`, 13, "wrong payload"},
		{`{"$datetime":"2025-01-31T12:00:00","tz":""}`, 35, "unknown key"},
		{`{"$timedelta":[0,86400,0]}`, 14, "wrong payload"},
		{`{"$timedelta":[0,1.0,0]}`, 17, "wrong payload"},
		{`{"$decimal":"1e5"}`, 12, "wrong payload"},
		{`{"$decimal":".5"}`, 12, "wrong payload"},
		{`{"$repr":"x"}`, 12, "expected ','"},
		{strings.Repeat("[", 201), 200, "nested deeper"},
		{strings.Repeat("[", 200) + "{}", 202, "nested deeper"},
		{strings.Repeat("[", 200) + `{"a":1}`, 200, "nested deeper"},
		{"\x00", 0, "expected a value"},
		{"1\x00", 1, "unexpected text"},
	} {
		v, err := values.Decode([]byte(c.src))
		var syntax *values.SyntaxError
		if !errors.As(err, &syntax) || syntax.Offset != c.offset || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Decode(%.40s) = %.40s, %v, want %q at byte %d", c.src, values.Format(v), err, c.says, c.offset)
		}
	}
}

func TestDepth(t *testing.T) {
	for _, c := range []struct {
		open, end string
		most      int // how many nest in MaxDepth levels
	}{
		{"[", "]", 200},
		{`{"a":`, "}", 200},
		{`{"$tuple":[`, "]}", 100},
		{`{"$frozenset":[`, "]}", 100},
		{`{"$dict":[[1,`, "]]}", 66},
	} {
		for _, inside := range []string{"1", `{"$int":"9007199254740992"}`, `{"$complex":[{"$float":"inf"},0.0]}`} {
			src := strings.Repeat(c.open, c.most) + inside + strings.Repeat(c.end, c.most)
			v, err := values.Decode([]byte(src))
			if err != nil {
				t.Errorf("%d times %s: %v", c.most, c.open, err)
				continue
			}
			if back, err := values.Append(nil, v, len(src)); err != nil || string(back) != src {
				t.Errorf("%d times %s comes back as %.40s, %v", c.most, c.open, back, err)
			}
			if _, err := values.Append(nil, values.List{values.Tuple{v}}, 2*len(src)); err == nil {
				t.Errorf("Append took %s that is too deep", c.open)
			}
			if v, err := values.Decode([]byte(c.open + src + c.end)); err == nil {
				t.Errorf("Decode took %s that is too deep: %v", c.open, v)
			}
		}
	}
	cycle := values.List{nil}
	cycle[0] = cycle
	if _, err := values.Append(nil, cycle, math.MaxInt); err == nil {
		t.Error("Append took a cycle")
	}
}

// TestNestedSetsAreReadOnce sees that checking the members of sets for duplicates does not go through what is inside again
// at each level.
func TestNestedSetsAreReadOnce(t *testing.T) {
	const levels = 98
	inside := `"` + strings.Repeat("x", 1<<20) + `"`
	src := []byte(strings.Repeat(`{"$frozenset":[`, levels) + inside + strings.Repeat("]}", levels))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := values.Decode(src); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 10*uint64(len(src)) {
		t.Errorf("%d bytes were allocated for %d", n, len(src))
	}
}

func TestIntegerDigits(t *testing.T) {
	most := bigInt(strings.Repeat("9", values.MaxDigits))
	src, err := values.Append(nil, most, 200_000)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := values.Decode(src); err != nil || !values.Equal(v, most) {
		t.Errorf("an integer of %d digits does not come back: %v", values.MaxDigits, err)
	}
	if _, err := values.Append(nil, new(big.Int).Add(most, big.NewInt(1)), math.MaxInt); err == nil {
		t.Error("Append took an integer of too many digits")
	}
}

func TestAppendGoTypes(t *testing.T) {
	type point struct {
		X    int     `json:"x"`
		Y    float32 `json:"y,omitempty"`
		Note string  `json:"-"`
		Tags []string
		hide int
	}
	berlin := time.FixedZone("", 3600)
	for _, c := range []struct {
		value any
		want  string
	}{
		{7, `7`},
		{uint8(7), `7`},
		{uint64(math.MaxUint64), `{"$int":"18446744073709551615"}`},
		{float32(0.5), `0.5`},
		{[]byte("hi"), `{"$bytes":"aGk="}`},
		{[]string{"a"}, `["a"]`},
		{[2]int{1, 2}, `[1,2]`},
		{map[string]int{"b": 1, "a": 2}, `{"a":2,"b":1}`},
		{map[int]string{2: "b", -1: "a"}, `{"$dict":[[-1,"a"],[2,"b"]]}`},
		{map[string]any{"$x": nil}, `{"$dict":[["$x",null]]}`},
		{point{X: 1, Tags: []string{}, hide: 1}, `{"x":1,"Tags":[]}`},
		{(*point)(nil), `null`},
		{&[]int{1}, `[1]`},
		{time.Date(2025, 1, 31, 12, 0, 0, 1500, berlin), `{"$datetime":"2025-01-31T12:00:00.000001+01:00"}`},
		{time.Unix(0, 0).UTC(), `{"$datetime":"1970-01-01T00:00:00+00:00"}`},
		{-time.Nanosecond, `{"$timedelta":[-1,86399,999999]}`},
	} {
		if got, err := values.Append(nil, c.value, 1000); err != nil || string(got) != c.want {
			t.Errorf("Append(%#v) = %s, %v, want %s", c.value, got, err, c.want)
		}
	}
	for _, bad := range []any{make(chan int), func() {}, map[float64]int{}, "\xff", "\xed\xa0", values.Decimal("x"),
		values.Date("1"), values.Time(""), values.DateTime{}, values.TimeDelta{0, -1, 0}, time.Time{}.AddDate(-5, 0, 0)} {
		if got, err := values.Append(nil, bad, 1000); err == nil {
			t.Errorf("Append(%#v) = %s, want an error", bad, got)
		}
	}
}

func TestDict(t *testing.T) {
	d := new(values.Dict)
	for i := range 100 {
		if err := d.Set(int64(i), i); err != nil {
			t.Fatal(err)
		}
	}
	for _, key := range []any{true, 1.0, 1, int64(1), complex(1, 0), big.NewInt(1)} {
		if v, ok := d.Get(key); !ok || v != 1 {
			t.Errorf("d[%s] = %v, %v: all ones are one key", values.Format(key), v, ok)
		}
	}
	for _, key := range []any{"1", nil, 1.5, values.Decimal("1"), values.List{}, math.NaN()} {
		if v, ok := d.Get(key); ok {
			t.Errorf("d[%s] = %v, want nothing", values.Format(key), v)
		}
	}
	if err := d.Set(1.0, "new"); err != nil || d.Len() != 100 {
		t.Errorf("setting an equal key: %v, %d entries", err, d.Len())
	}
	if k, v := d.At(1); k != int64(1) || v != "new" {
		t.Errorf("entry 1 is %v: %v, want the old key with the new value", k, v)
	}
	frozen := values.FrozenSet{"a", values.Tuple{int64(1), 1e300}}
	if err := d.Set(frozen, 1); err != nil {
		t.Fatal(err)
	}
	if _, ok := d.Get(values.FrozenSet{values.Tuple{1.0, bigInt(new(big.Float).SetFloat64(1e300).Text('f', 0))}, "a"}); !ok {
		t.Error("an equal frozenset is not found")
	}
	if err := d.Set(dict(), 1); err == nil {
		t.Error("a dict is no key")
	}
	if _, ok := d.StringMap(); ok {
		t.Error("StringMap of keys that are not str")
	}
}

func TestEqual(t *testing.T) {
	for _, c := range []struct {
		a, b any
		want bool
	}{
		{int64(1), true, true},
		{int64(1), 1.0, true},
		{1e300, bigInt("1" + strings.Repeat("0", 300)), false},
		{"a", values.Bytes("a"), false},
		{values.Bytes("a"), values.ByteArray("a"), true},
		{values.List{int64(1)}, values.Tuple{int64(1)}, false},
		{values.Set{int64(1), int64(2)}, values.FrozenSet{2.0, 1.0}, true},
		{dict("a", int64(1), "b", int64(2)), dict("b", int64(2), "a", 1.0), true},
		{dict("a", int64(1)), dict("a", int64(2)), false},
		{math.NaN(), math.NaN(), true},
		{values.Set{math.NaN()}, values.Set{math.NaN()}, true},
		{values.Tuple{values.Repr{"a", "b"}}, values.Tuple{values.Repr{"a", "b"}}, true},
		{values.Set{math.NaN(), math.NaN()}, values.Set{math.NaN(), int64(1)}, false},
		{nil, false, false},
		{0.0, math.Copysign(0, -1), true},
	} {
		if got := values.Equal(c.a, c.b); got != c.want {
			t.Errorf("Equal(%s, %s) = %v", values.Format(c.a), values.Format(c.b), got)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{values.Tuple{int64(1)}, `(1,)`},
		{values.List{nil, true, 1e16, "it's", `"'`, values.Bytes("a\x00'")}, `[None, True, 1e+16, "it's", '"\'', b"a\x00'"]`},
		{values.Set{}, `set()`},
		{values.FrozenSet{int64(1)}, `frozenset({1})`},
		{dict("a", values.Set{"b"}), `{'a': {'b'}}`},
		{"\xed\xa0\x80\u200b\U000e0001\n😀", `'\ud800\u200b\U000e0001\n😀'`},
		{complex(0, 1), `1j`},
		{complex(1.5, math.Copysign(0, -1)), `(1.5-0j)`},
		{complex(math.Copysign(0, -1), math.NaN()), `(-0+nanj)`},
		{values.Decimal("1"), `Decimal('1')`},
		{values.TimeDelta{-1, 0, 5}, `datetime.timedelta(days=-1, microseconds=5)`},
		{values.TimeDelta{}, `datetime.timedelta(0)`},
		{values.ByteArray("x"), `bytearray(b'x')`},
	} {
		if got := values.Format(c.value); got != c.want {
			t.Errorf("Format gives %s, want %s", got, c.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for iso, want := range map[string]string{
		"2025-01-31T12:00:00":                 "2025-01-31T12:00:00Z false",
		"2025-01-31T12:00:00.000001+01:00":    "2025-01-31T12:00:00.000001+01:00 true",
		"2025-01-31T12:00:00-00:30:15":        "2025-01-31T12:00:00-00:30 true",
		"2025-01-31T12:00:00+00:00:00.000001": "error",
		"2025-01-31T12:00:00+24:00":           "error",
		"2025-01-31T12:00":                    "error",
	} {
		got := "error"
		if tm, aware, err := (values.DateTime{ISO: iso}).Time(); err == nil {
			got = tm.Format(time.RFC3339Nano)
			if aware {
				got += " true"
			} else {
				got += " false"
			}
		}
		if got != want {
			t.Errorf("%s is %s, want %s", iso, got, want)
		}
	}
	for _, d := range []time.Duration{0, time.Microsecond, -time.Microsecond, 49 * time.Hour, -49*time.Hour - time.Microsecond} {
		if back, ok := values.NewTimeDelta(d).Duration(); !ok || back != d {
			t.Errorf("%v comes back as %v", d, back)
		}
	}
	if d, ok := (values.TimeDelta{Days: 200_000}).Duration(); ok {
		t.Errorf("200,000 days are %v, want none", d)
	}
}

func TestDecodeCall(t *testing.T) {
	args, kwargs, err := values.DecodeCall([]byte(`{"args":[1,{"$tuple":[]}],"kwargs":{"b":null,"$a":2}}   `))
	if err != nil || !values.Equal(args, values.List{int64(1), values.Tuple{}}) || len(kwargs) != 2 ||
		kwargs[0].Name != "b" || kwargs[1] != (values.Keyword{Name: "$a", Value: int64(2)}) {
		t.Errorf("got %v, %v, %v", args, kwargs, err)
	}
	for _, empty := range []string{`{}`, `{"args":[]}`, `{"kwargs":{},"args":[]}`} {
		if args, kwargs, err := values.DecodeCall([]byte(empty)); err != nil || len(args)+len(kwargs) != 0 {
			t.Errorf("%s gives %v, %v, %v", empty, args, kwargs, err)
		}
	}
	for _, bad := range []string{``, `[]`, `{"args":{}}`, `{"kwargs":[]}`, `{"args":[],"args":[]}`, `{"kwargs":{"a":1,"a":2}}`,
		`{"other":1}`, `{"args":[]} x`, `{"args":[],}`, `{"args":` + strings.Repeat("[", 202) + strings.Repeat("]", 202) + `}`} {
		if args, kwargs, err := values.DecodeCall([]byte(bad)); err == nil {
			t.Errorf("%.40s gives %v, %v, want an error", bad, args, kwargs)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		append func(limit int) ([]byte, error)
		want   string
	}{
		{func(n int) ([]byte, error) { return values.AppendOK(nil, 2.0, n) }, `{"ok":2.0}`},
		{func(n int) ([]byte, error) { return values.AppendError(nil, "ValueError", "no", nil, n) },
			`{"error":{"type":"ValueError","message":"no"}}`},
		{func(n int) ([]byte, error) {
			return values.AppendError(nil, "json.JSONDecodeError", "no", map[string]any{"pos": 1, "doc": ""}, n)
		}, `{"error":{"type":"json.JSONDecodeError","message":"no","attributes":{"doc":"","pos":1}}}`},
		{func(n int) ([]byte, error) {
			return values.AppendDenied(nil, values.Denied{"math.sqrt", "r", "grant.math", "p:1:1", "m"}, n)
		}, `{"denied":{"capability":"math.sqrt","reason":"r","rule":"grant.math","position":"p:1:1","message":"m"}}`},
		{func(n int) ([]byte, error) { return values.AppendLimit(nil, "host_calls", "m", n) },
			`{"limit":{"name":"host_calls","message":"m"}}`},
	} {
		if got, err := c.append(len(c.want)); err != nil || string(got) != c.want {
			t.Errorf("got %s, %v, want %s", got, err, c.want)
		}
		for n := range len(c.want) {
			if got, err := c.append(n); !errors.Is(err, values.ErrTooLarge) {
				t.Errorf("limit %d: got %s, %v", n, got, err)
			}
		}
	}
}

func TestDecodeBoundsTheNumberOfValues(t *testing.T) {
	list := func(n int) []byte { return []byte("[" + strings.Repeat("0,", n-2) + "0]") } // n values, the list included
	if _, err := values.Decode(list(values.MaxValues)); err != nil {
		t.Errorf("as many as may be: %v", err)
	}
	var mistake *values.SyntaxError
	if _, err := values.Decode(list(values.MaxValues + 1)); !errors.As(err, &mistake) || !strings.Contains(err.Error(), "more than 2000000 values") {
		t.Errorf("one more: %v", err)
	}
}

// In plain JSON nothing is a tag, at any place.
func TestDecodeJSON(t *testing.T) {
	for src, want := range map[string]any{
		`{"$bytes":"AA=="}`:            dict("$bytes", "AA=="),
		`{"$int":"1","b":2}`:           dict("$int", "1", "b", int64(2)),
		`[{"$repr":"x","type":"y"}]`:   values.List{dict("$repr", "x", "type", "y")},
		`{"a":{"$dict":[[1,2]]}}`:      dict("a", dict("$dict", values.List{values.List{int64(1), int64(2)}})),
		` 12345678901234567890 `:       bigInt("12345678901234567890"),
		`{"":null,"$tuple":[],"x":[]}`: dict("", nil, "$tuple", values.List{}, "x", values.List{}),
	} {
		v, err := values.DecodeJSON([]byte(src))
		if err != nil || !values.Equal(v, want) {
			t.Errorf("%s: %s, %v", src, values.Format(v), err)
		}
	}
	for _, src := range []string{"", "1 2", `{"$a":1,"$a":2}`, "[1,]", "nul", "\"\xff\"", strings.Repeat("[", 201) + strings.Repeat("]", 201)} {
		if v, err := values.DecodeJSON([]byte(src)); err == nil {
			t.Errorf("%q was taken as %s", src, values.Format(v))
		}
	}
}
