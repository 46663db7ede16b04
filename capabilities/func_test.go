package capabilities_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

func ExampleFunc() {
	type greeting struct {
		Name  string `postern:"name" doc:"who is greeted" maxlen:"40"`
		Times int    `postern:"times,keyword" default:"1" min:"1" max:"9"`
	}
	greet := capabilities.Func("greeting", "greet", func(_ context.Context, in greeting) (string, error) {
		return strings.Repeat("Hello "+in.Name+"! ", in.Times), nil
	}, capabilities.About{Doc: "Greets somebody.", Effects: capabilities.Pure})

	fmt.Println(greet.Spec().Signature)
	fmt.Println(greet.Spec().Doc)
	for _, args := range [][]any{{"Ada"}, {int64(7)}, {}} {
		fmt.Println(greet.Call(context.Background(), &capabilities.Call{Args: args}))
	}
	// Output:
	// (name: str, *, times: int = 1)
	// Greets somebody. name: who is greeted, at most 40 characters; times: from 1 to 9.
	// Hello Ada!  <nil>
	// <nil> TypeError: name must be str, not int
	// <nil> TypeError: greet() missing 1 required positional argument: 'name'
}

// took calls a function whose one parameter, x, has the type T, and shows what arrived, or the error.
func took[T any](t *testing.T, arg any) string {
	t.Helper()
	f := capabilities.Func("m", "f", func(_ context.Context, in struct {
		X T `postern:"x"`
	}) (string, error) {
		return fmt.Sprint(in.X), nil
	}, capabilities.About{Effects: capabilities.Pure})
	if _, err := capabilities.NewRegistry(capabilities.Family{Name: "m", Capabilities: []capabilities.Capability{f}}); err != nil {
		t.Fatal(err)
	}
	v, err := f.Call(t.Context(), &capabilities.Call{Args: []any{arg}})
	if err != nil {
		var raised *capabilities.PythonError
		if !errors.As(err, &raised) {
			t.Errorf("a fault of the host: %v", err)
		}
		return err.Error()
	}
	return v.(string)
}

type address struct {
	Street string `json:"street"`
	Number *int   `json:"number"`
	Floor  int8   `json:"floor" default:"0" max:"50"`
	Secret string `json:"-"`
}

type email string

func TestFuncConverts(t *testing.T) {
	long := new(big.Int).Lsh(big.NewInt(1), 70)
	dict := func(pairs ...any) *values.Dict {
		d := new(values.Dict)
		for i := 0; i < len(pairs); i += 2 {
			if err := d.Set(pairs[i], pairs[i+1]); err != nil {
				t.Fatal(err)
			}
		}
		return d
	}
	list := func(v ...any) values.List { return v }
	for _, c := range []struct {
		take func(*testing.T, any) string
		arg  any
		want string
	}{
		{took[string], "hé", "hé"},
		{took[email], "a@b", "a@b"},
		{took[string], values.Bytes("x"), "TypeError: x must be str, not bytes"},
		{took[string], nil, "TypeError: x must be str, not NoneType"},
		{took[string], "\xed\xa0\x80", "ValueError: x must be Unicode text, without lone surrogates"},
		{took[bool], true, "true"},
		{took[bool], int64(1), "TypeError: x must be bool, not int"},
		{took[int], int64(-3), "-3"},
		{took[int], true, "TypeError: x must be int, not bool"},
		{took[int], 3.0, "TypeError: x must be int, not float"},
		{took[int], long, "ValueError: x must be from -9223372036854775808 to 9223372036854775807"},
		{took[int8], int64(-128), "-128"},
		{took[int8], int64(128), "ValueError: x must be from -128 to 127"},
		{took[uint16], int64(65535), "65535"},
		{took[uint16], int64(65536), "ValueError: x must be from 0 to 65535"},
		{took[uint64], int64(-1), "ValueError: x must be from 0 to 9223372036854775807"},
		{took[*big.Int], long, long.String()},
		{took[*big.Int], nil, "TypeError: x must be int, not NoneType"},
		{took[float64], int64(2), "2"},
		{took[float64], true, "TypeError: x must be float, not bool"},
		{took[float64], math.NaN(), "ValueError: x must be finite"},
		{took[float64], new(big.Int).Lsh(big.NewInt(1), 2000), "ValueError: x must be finite"},
		{took[float32], 1e39, "ValueError: x must be from -3.4028234663852886e+38 to 3.4028234663852886e+38"},
		{took[[]byte], values.ByteArray("ab"), "[97 98]"},
		{took[[]byte], "ab", "TypeError: x must be bytes, not str"},
		{took[[]string], values.Tuple{"a", "b"}, "[a b]"},
		{took[[]string], "ab", "TypeError: x must be list, not str"},
		{took[[]string], values.Set{"a"}, "TypeError: x must be list, not set"},
		{took[[][]int], list(list(int64(1)), list(int64(2), "3")), "TypeError: x[1][1] must be int, not str"},
		{took[[]struct {
			X int `json:"x"`
		}], make(values.List, 10_001), "ValueError: x must have at most 10000 members"},
		{took[map[string]int], dict("a", int64(1)), "map[a:1]"},
		{took[map[string]int], dict(int64(1), int64(1)), "TypeError: x has a key that must be str, not int"},
		{took[map[string]int], dict("a", nil), `TypeError: x["a"] must be int, not NoneType`},
		{took[map[string]int], dict(strings.Repeat("a", 100), nil), `TypeError: x["` + strings.Repeat("a", 40) + `"] must be int, not NoneType`},
		{took[address], dict("street", "Rose Lane"), "{Rose Lane <nil> 0 }"},
		{took[address], dict("street", "Rose Lane", "number", nil, "floor", int64(51)), `ValueError: x["floor"] must be from -128 to 50`},
		{took[address], dict("street", "Rose Lane", "Secret", "x"), `TypeError: x has keys other than "street", "number", and "floor"`},
		{took[address], dict(), `TypeError: x has no key "street"`},
		{took[address], list(), "TypeError: x must be dict, not list"},
		{took[[]address], list(dict("street", int64(1))), `TypeError: x[0]["street"] must be str, not int`},
		{took[*int], nil, "<nil>"},
		{took[*int], "1", "TypeError: x must be int, not str"},
		{took[time.Time], values.DateTime{ISO: "2025-01-31T12:00:00+01:00"}, "2025-01-31 12:00:00 +0100 +0100"},
		{took[time.Time], values.DateTime{ISO: "2025-01-31T12:00:00"}, "ValueError: x must be a datetime with a time zone, such as datetime.now(timezone.utc)"},
		{took[time.Time], values.Date("2025-01-31"), "TypeError: x must be datetime, not date"},
		{took[time.Duration], values.TimeDelta{Seconds: 90}, "1m30s"},
		{took[time.Duration], values.TimeDelta{Days: 200_000}, "ValueError: x must be shorter than 292 years"},
		{took[time.Duration], int64(90), "TypeError: x must be timedelta, not int"},
		{took[values.Decimal], values.Decimal("1.10"), "1.10"},
		{took[values.Decimal], values.Decimal("-Infinity"), "ValueError: x must be finite"},
		{took[values.Decimal], values.Decimal("sNaN12"), "ValueError: x must be finite"},
		{took[values.Decimal], 1.1, "TypeError: x must be Decimal, not float"},
		{took[values.Date], values.Date("2025-01-31"), "2025-01-31"},
		{took[any], nil, "<nil>"},
		{took[any], values.Repr{Type: "Thing", Text: "<Thing>"}, "{Thing <Thing>}"},
		{took[string], values.Repr{Type: "Thing", Text: "<Thing>"}, "TypeError: x must be str, not Thing"},
	} {
		if got := c.take(t, c.arg); got != c.want {
			t.Errorf("%.60s: %q, want %q", values.Format(c.arg), got, c.want)
		}
	}
}

// check gives what NewRegistry says of a function whose parameters are In.
func check[In, Out any](effects capabilities.Effects) string {
	var f func(context.Context, In) (Out, error) = func(context.Context, In) (out Out, err error) { return }
	_, err := capabilities.NewRegistry(capabilities.Family{
		Name:   "m",
		Scopes: []policies.ScopeKey{{Name: "max_rows", Type: policies.ScopeInt, Doc: "Rows.", Example: "1"}},
		Capabilities: []capabilities.Capability{
			capabilities.Func("m", "f", f, capabilities.About{Effects: effects}),
		},
	})
	if err == nil {
		return ""
	}
	return strings.ReplaceAll(err.Error(), `capabilities: family "m": function "f": `, "")
}

type node struct {
	Children []node `json:"children"`
}

type none struct{}

func TestFuncMistakes(t *testing.T) {
	const pure = capabilities.Pure
	for _, c := range []struct{ got, want string }{
		{check[none, none](pure), ""},
		{check[none, none](0), "does not say what its effects are"},
		{check[int, none](pure), "it is not a struct"},
		{check[struct{ X int }, none](pure), `field X: a tag such as postern:"name"`},
		{check[struct {
			X int `postern:"class"`
		}, none](pure), `"class" is none`},
		{check[struct {
			X int `postern:"x,kw"`
		}, none](pure), `"kw" is no option`},
		{check[struct {
			X chan int `postern:"x"`
		}, none](pure), "no Python value becomes a chan int"},
		{check[struct {
			X error `postern:"x"`
		}, none](pure), "no Python value becomes a error"},
		{check[struct {
			X map[int]string `postern:"x"`
		}, none](pure), "its keys are not strings"},
		{check[struct {
			X node `postern:"x"`
		}, none](pure), "is part of itself"},
		{check[struct {
			X string `postern:"x" max:"3"`
		}, none](pure), "a string cannot have the tag max"},
		{check[struct {
			X int `postern:"x" maxlen:"3"`
		}, none](pure), "a int cannot have the tag maxlen"},
		{check[struct {
			X int `postern:"x" min:"a"`
		}, none](pure), "is not a number"},
		{check[struct {
			X int `postern:"x" min:"5" max:"4"`
		}, none](pure), "its bounds are 5 to 4"},
		{check[struct {
			X int8 `postern:"x" max:"400"`
		}, none](pure), "its type goes from -128 to 127"},
		{check[struct {
			X float64 `postern:"x" min:"NaN"`
		}, none](pure), "which no number can keep"},
		{check[struct {
			X string `postern:"x" maxlen:"-1"`
		}, none](pure), "is not a positive integer"},
		{check[struct {
			X int `postern:"x" default:"7" max:"5"`
		}, none](pure), `default "7" must be at most 5`},
		{check[struct {
			X bool `postern:"x" default:"maybe"`
		}, none](pure), "is not true or false"},
		{check[struct {
			X []int `postern:"x" default:"[]"`
		}, none](pure), "cannot have a default"},
		{check[struct {
			X string `postern:"x" default:"a\\b"`
		}, none](pure), "is not a literal"},
		{check[struct {
			X *int `postern:"x"`
			Y int  `postern:"y"`
		}, none](pure), `parameter "y" without a default`},
		{check[struct {
			X int `postern:"x,keyword"`
			Y int `postern:"y"`
		}, none](pure), "behind one that is given by keyword"},
		{check[struct {
			X int `postern:"x"`
			Y int `postern:"x"`
		}, none](pure), "is there twice"},
		{check[struct {
			X int64 `postern:"max_row,scope"`
		}, none](pure), `no scope key "max_row"`},
		{check[struct {
			X string `postern:"max_rows,scope"`
		}, none](pure), "its field must be a int64, not a string"},
		{check[struct {
			X int64 `postern:"max_rows,scope"`
		}, none](pure), ""},
		{check[struct {
			X string `postern:",canonical"`
		}, none](pure), "field X: the family has no Decide"},
		{check[none, chan int](pure), "a chan int cannot become"},
		{check[none, []func()](pure), "a func() cannot become"},
		{check[none, big.Int](pure), "no exported fields"},
		{check[none, map[float64]int](pure), "neither strings nor integers"},
		{check[none, []node](pure), ""},
		{check[none, *big.Int](pure), ""},
		{check[none, map[string]time.Time](pure), ""},
	} {
		if c.want == "" && c.got != "" || !strings.Contains(c.got, c.want) {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	var absent func(context.Context, none) (none, error)
	if _, err := capabilities.NewRegistry(capabilities.Family{Name: "m", Capabilities: []capabilities.Capability{
		capabilities.Func("m", "f", absent, capabilities.About{Effects: pure}),
	}}); err == nil || !strings.Contains(err.Error(), "is nil") {
		t.Errorf("a nil function: %v", err)
	}
}

func TestFuncErrors(t *testing.T) {
	call := func(ctx context.Context, err error) error {
		f := capabilities.Func("m", "f", func(context.Context, none) (none, error) { return none{}, err }, capabilities.About{Effects: capabilities.Reads})
		_, err = f.Call(ctx, new(capabilities.Call))
		return err
	}
	var raised *capabilities.PythonError
	if err := call(t.Context(), fmt.Errorf("query: %w", context.DeadlineExceeded)); !errors.As(err, &raised) || raised.Error() != "TimeoutError: m.f took too long" {
		t.Errorf("its own time limit: %v", err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := call(over, over.Err()); !errors.Is(err, context.Canceled) {
		t.Errorf("the caller's end: %v", err)
	}
	secret := errors.New("dial tcp 10.0.0.1")
	if err := call(t.Context(), secret); err != secret {
		t.Errorf("a fault: %v", err)
	}
	if err := call(t.Context(), fmt.Errorf("lookup: %w", capabilities.Raise("LookupError", "no 7"))); !errors.As(err, &raised) || raised.Type != "LookupError" {
		t.Errorf("raised: %v", err)
	}
}

// What a grant and the session say reaches the function; None comes of an empty struct.
func TestFuncScope(t *testing.T) {
	type ask struct {
		Table   string        `postern:",canonical"`
		Name    string        `postern:"table"`
		Most    int64         `postern:"max_rows,scope"`
		Wait    time.Duration `postern:"wait,scope"`
		Session capabilities.Session
	}
	var got ask
	f := capabilities.Func("m", "f", func(_ context.Context, in ask) (none, error) { got = in; return none{}, nil }, capabilities.About{Effects: capabilities.Reads})
	keys := []policies.ScopeKey{
		{Name: "max_rows", Type: policies.ScopeInt, Doc: "Rows.", Example: "1"},
		{Name: "wait", Type: policies.ScopeDuration, Doc: "Time.", Example: `"1s"`, Default: `"2s"`},
	}
	decide := func(policies.ScopedCall) policies.Verdict { return policies.Verdict{Allow: true, Canonical: "orders"} }
	if _, err := capabilities.NewRegistry(capabilities.Family{Name: "m", Scopes: keys, Decide: decide, Capabilities: []capabilities.Capability{f}}); err != nil {
		t.Fatal(err)
	}
	scope, err := policies.ParseScope(keys, "max_rows = 7")
	if err != nil {
		t.Fatal(err)
	}
	call := &capabilities.Call{Args: []any{"Orders"}, Scope: scope, Canonical: "orders", Session: capabilities.Session{ID: "s"}}
	v, err := f.Call(t.Context(), call)
	if v != nil || err != nil || got.Table != "orders" || got.Name != "Orders" || got.Most != 7 || got.Wait != 2*time.Second || got.Session.ID != "s" {
		t.Errorf("%v, %v: got %+v", v, err, got)
	}
	call.Canonical = nil
	if _, err := f.Call(t.Context(), call); err == nil {
		t.Error("a call without what was decided was made")
	}
}

// Whatever a guest sends, a function gets what its types and bounds permit, or Python an exception.
func FuzzFunc(f *testing.F) {
	type all struct {
		Name  string             `postern:"name" maxlen:"5"`
		Count int8               `postern:"count" default:"3" min:"0" max:"9"`
		Ratio float64            `postern:"ratio" default:"1"`
		Where *address           `postern:"where"`
		Rows  [][]values.Decimal `postern:"rows,keyword" maxlen:"3"`
		Sizes map[string][]byte  `postern:"sizes,keyword"`
		Since *time.Time         `postern:"since,keyword"`
		Rest  any                `postern:"rest,keyword"`
	}
	function := capabilities.Func("m", "f", func(_ context.Context, in all) (all, error) {
		if utf8.RuneCountInString(in.Name) > 5 || in.Count < 0 || in.Count > 9 || math.IsNaN(in.Ratio) || len(in.Rows) > 3 || in.Where != nil && in.Where.Floor > 50 {
			return in, fmt.Errorf("out of bounds: %+v", in)
		}
		return in, nil
	}, capabilities.About{Effects: capabilities.Pure})
	if _, err := capabilities.NewRegistry(capabilities.Family{Name: "m", Capabilities: []capabilities.Capability{function}}); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(`{"args":["é",7,2.5,{"street":"x","number":1}],"kwargs":{"rows":[[{"$decimal":"1.5"}],[]],"sizes":{"a":{"$bytes":"YQ=="}},"since":{"$datetime":"2025-01-31T12:00:00+01:00"},"rest":{"$tuple":[1]}}}`))
	f.Add([]byte(`{"args":["",true,{"$float":"nan"}],"kwargs":{"rows":{"$tuple":[[{"$decimal":"sNaN1"}]]},"sizes":{"$dict":[[1,2]]},"rest":null}}`))
	f.Fuzz(func(t *testing.T, request []byte) {
		call := new(capabilities.Call)
		var err error
		if call.Args, call.Kwargs, err = values.DecodeCall(request); err != nil {
			return
		}
		out, err := function.Call(t.Context(), call)
		var raised *capabilities.PythonError
		if err != nil && !errors.As(err, &raised) {
			t.Fatal(err)
		}
		if err == nil {
			if _, err := values.Append(nil, out, 1<<24); err != nil {
				t.Fatal(err)
			}
		}
	})
}
