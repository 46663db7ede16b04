package capabilities_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/values"
)

func ExampleNew() {
	greet := capabilities.New(capabilities.Spec{
		Family: "greeting", Function: "greet", Signature: "(name, *, times=1)", Doc: "Greets somebody.", Effects: capabilities.Pure,
	}, func(_ context.Context, args capabilities.Arguments) (any, error) {
		name, ok := args.Get("name").(string)
		if !ok {
			return nil, capabilities.Raise("TypeError", "name must be str, not %s", values.TypeName(args.Get("name")))
		}
		return strings.Repeat("Hello "+name+"! ", int(args.Get("times").(int64))), nil
	})
	registry, err := capabilities.NewRegistry(
		capabilities.Family{Name: "greeting", Doc: "Politeness", Capabilities: []capabilities.Capability{greet}},
		math.Family(),
		json.Family(),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	c, _ := registry.Lookup("greeting.greet")
	fmt.Println(c.Call(context.Background(), &capabilities.Call{Args: []any{"Ada"}}))
	fmt.Println(c.Call(context.Background(), &capabilities.Call{}))
	// Output:
	// Hello Ada!  <nil>
	// <nil> TypeError: greet() missing 1 required positional argument: 'name'
}

// bound shows what a call's arguments are bound to: name=repr for each, or the error.
func bound(signature string, args []any, kwargs ...values.Keyword) string {
	s, err := capabilities.ParseSignature(signature)
	if err != nil {
		return err.Error()
	}
	a, err := s.Bind("m", "f", &capabilities.Call{Args: args, Kwargs: kwargs})
	if err != nil {
		return err.Error()
	}
	var parts []string
	for i, p := range s.Parameters() {
		given := ""
		if !a.Given(i) {
			given = "?"
		}
		parts = append(parts, p.Name+given+"="+values.Format(a.At(i)))
	}
	return strings.Join(parts, " ")
}

func TestBind(t *testing.T) {
	kw := func(pairs ...any) (list []values.Keyword) {
		for i := 0; i < len(pairs); i += 2 {
			list = append(list, values.Keyword{Name: pairs[i].(string), Value: pairs[i+1]})
		}
		return list
	}
	a := func(args ...any) []any { return args }
	for _, c := range []struct {
		signature string
		args      []any
		kwargs    []values.Keyword
		want      string
	}{
		{"(x, /)", a(int64(1)), nil, "x=1"},
		{"(x, /)", nil, nil, "TypeError: m.f() takes exactly one argument (0 given)"},
		{"(x, /)", a(1, 2), nil, "TypeError: m.f() takes exactly one argument (2 given)"},
		{"(x, /)", nil, kw("x", 1), "TypeError: m.f() takes no keyword arguments"},
		{"()", a(1), nil, "TypeError: m.f() takes no arguments (1 given)"},
		{"(x, y, /)", a(1), nil, "TypeError: f expected 2 arguments, got 1"},
		{"(x, y=..., /)", nil, nil, "TypeError: f expected at least 1 argument, got 0"},
		{"(x, y=..., /)", a(1, 2, 3), nil, "TypeError: f expected at most 2 arguments, got 3"},
		{"(x, y=..., /)", a("a"), nil, "x='a' y?=None"},
		{"(*rest)", a(1, 2), nil, "rest=(1, 2)"},
		{"(*rest)", nil, kw("a", 1), "TypeError: m.f() takes no keyword arguments"},
		{"(a, b=2, *, c=None)", a(1), kw("c", 3), "a=1 b?=2 c=3"},
		{"(a, b=2, *, c=None)", nil, kw("b", 1, "a", 0), "a=0 b=1 c?=None"},
		{"(a, b=2, *, c=None)", a(1), kw("a", 2), "TypeError: f() got multiple values for argument 'a'"},
		{"(a, b=2, *, c=None)", a(1, 2, 3), nil, "TypeError: f() takes from 1 to 2 positional arguments but 3 were given"},
		{"(a)", a(1, 2), nil, "TypeError: f() takes 1 positional argument but 2 were given"},
		{"(*, a)", a(1), kw("a", 2), "TypeError: f() takes 0 positional arguments but 1 positional argument (and 1 keyword-only argument) were given"},
		{"(*, a=1)", a(1), nil, "TypeError: f() takes 0 positional arguments but 1 was given"},
		{"(a)", nil, kw("z", 2), "TypeError: f() got an unexpected keyword argument 'z'"},
		{"(a, b, c)", nil, nil, "TypeError: f() missing 3 required positional arguments: 'a', 'b', and 'c'"},
		{"(*, a, b)", nil, nil, "TypeError: f() missing 2 required keyword-only arguments: 'a' and 'b'"},
		{"(a, /, b)", nil, kw("a", 1, "b", 2), "TypeError: f() got some positional-only arguments passed as keyword arguments: 'a'"},
		{"(x, /, *, steps=None)", nil, nil, "TypeError: f() takes exactly 1 positional argument (0 given)"},
		{"(a, /, b, *rest, c=1, **names)", a(1, 2, 3, 4), kw("a", 5, "z", 6), "a=1 b=2 rest=(3, 4) c?=1 names={'a': 5, 'z': 6}"},
		{"(a=1.5, b='x, y', c=(), d=True, e=-3)", nil, nil, "a?=1.5 b?='x, y' c?=() d?=True e?=-3"},
	} {
		if got := bound(c.signature, c.args, c.kwargs...); got != c.want {
			t.Errorf("%s: got %s\nwant %s", c.signature, got, c.want)
		}
	}
}

func TestParseSignatureRefuses(t *testing.T) {
	for _, bad := range []string{"", "x", "(x", "(x,)", "(,)", "(/)", "(*)", "(*, /)", "(a, a)", "(a=1, b)", "(a=)", "(a=b)", "(a=nan)", "(a, *, *b)",
		"(**k, a)", "(**k, *a)", "(*a, *b)", "(for)", "(1a)", "(a b)", "(*, **k)", "(a, /, b, /)", `(a='\n')`, "(a: number)", "(a: int | str)", "(a: dict[int, str])", "(a: list[list])", "(a: list[int)", "(a:)"} {
		if s, err := capabilities.ParseSignature(bad); err == nil {
			t.Errorf("ParseSignature(%q) = %v, want an error", bad, s.Parameters())
		}
	}
}

func TestNewRegistryRefuses(t *testing.T) {
	nothing := func(context.Context, capabilities.Arguments) (any, error) { return nil, nil }
	capability := func(family, function, signature string) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: family, Function: function, Signature: signature, Effects: capabilities.Pure}, nothing)
	}
	family := func(name string, list ...capabilities.Capability) capabilities.Family {
		return capabilities.Family{Name: name, Capabilities: list}
	}
	for says, families := range map[string][]capabilities.Family{
		`family "a" is there twice`:        {family("a"), family("a")},
		`family "A": the name`:             {family("A")},
		`family "a-b": the name`:           {family("a-b")},
		`family "import": the name`:        {family("import")},
		`belongs to family "b"`:            {family("a", capability("b", "f", "()"))},
		`function name "F"`:                {family("a", capability("a", "F", "()"))},
		`function name "lambda"`:           {family("a", capability("a", "lambda", "()"))},
		`function "f" is there twice`:      {family("a", capability("a", "f", "()"), capability("a", "f", "()"))},
		`"f" is both`:                      {{Name: "a", Constants: map[string]any{"f": 1}, Capabilities: []capabilities.Capability{capability("a", "f", "()")}}},
		`signature "(" is not`:             {family("a", capability("a", "f", "("))},
		`a capability is nil`:              {family("a", nil)},
		`what its effects are`:             {family("a", capabilities.New(capabilities.Spec{Family: "a", Function: "f", Signature: "()"}, nothing))},
		`constant name "1"`:                {{Name: "a", Constants: map[string]any{"1": 1}}},
		`constant "c": values:`:            {{Name: "a", Constants: map[string]any{"c": nothing}}},
		`exception "E" with base "no way"`: {{Name: "a", Exceptions: map[string]string{"E": "no way"}}},
	} {
		_, err := capabilities.NewRegistry(families...)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want %q", err, says)
		}
	}
	_, err := capabilities.NewRegistry(family("A"), family("b", capability("b", "F", "()")))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v, want both mistakes", err)
	}
}

func TestRegistry(t *testing.T) {
	r, err := capabilities.NewRegistry(math.Family(), json.Family())
	if err != nil {
		t.Fatal(err)
	}
	if c, ok := r.Lookup("math.sqrt"); !ok || c.Spec().Name() != "math.sqrt" || c.Spec().Effects != capabilities.Pure {
		t.Errorf("math.sqrt is %v, %v", c, ok)
	}
	if _, ok := r.Lookup("math.pi"); ok {
		t.Error("a constant is no capability")
	}
	if f, ok := r.Family("json"); !ok || f.Exceptions["JSONDecodeError"] != "ValueError" {
		t.Errorf("json is %v, %v", f, ok)
	}
	if _, ok := r.Family("os"); ok {
		t.Error("there is a family os")
	}
	if s, ok := r.Signature("math.log"); !ok || s.String() != "(x, base=..., /)" {
		t.Errorf("the signature of math.log is %v", s)
	}
	if len(r.Families()) != 2 {
		t.Errorf("%d families", len(r.Families()))
	}
	var none *capabilities.Registry
	if _, ok := none.Lookup("math.sqrt"); ok || none.Families() != nil {
		t.Error("the nil registry is not empty")
	}
}

func TestMap(t *testing.T) {
	s, err := capabilities.ParseSignature("(a, b=..., *rest, c=1)")
	if err != nil {
		t.Fatal(err)
	}
	args, err := s.Bind("m", "f", &capabilities.Call{Args: []any{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(args.Map()); got != "map[a:x c:1 rest:[]]" {
		t.Errorf("got %s", got)
	}
}

func TestEffects(t *testing.T) {
	for effects, want := range map[capabilities.Effects]string{
		capabilities.Pure: "pure", capabilities.Reads: "reads", capabilities.Writes: "writes",
		capabilities.Reads | capabilities.Writes: "reads and writes", 0: "unknown", capabilities.Pure | capabilities.Reads: "unknown",
	} {
		if got := effects.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestRaise(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", capabilities.Raise("ValueError", "no %s", "way"))
	var raised *capabilities.PythonError
	if !errors.As(err, &raised) || raised.Type != "ValueError" || raised.Message != "no way" {
		t.Errorf("got %v", err)
	}
}

func TestAnnotations(t *testing.T) {
	s, err := capabilities.ParseSignature("(url: str, /, n: int | None = None, *rest, tags: list[str] = (), meta: dict[str, float] = ..., x: any, y=1, **more)")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range s.Parameters() {
		got = append(got, fmt.Sprintf("%s:%s:%t", p.Name, p.Type, p.Nullable))
	}
	const want = "url:str:false n:int:true rest::false tags:list[str]:false meta:dict[float]:true x::true y::false more::false"
	if strings.Join(got, " ") != want {
		t.Errorf("got  %v\nwant %s", got, want)
	}
	const plain = "(url, /, n=None, *rest, tags=(), meta=..., x, y=1, **more)"
	if s.Plain() != plain {
		t.Errorf("without annotations %s\nwant %s", s.Plain(), plain)
	}
}
