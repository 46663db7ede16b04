package policies_test

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// conditional is a policy that grants http.post and store.take under a condition.
func conditional(t testing.TB, when string) *policies.Policy {
	t.Helper()
	p, err := policies.Parse("p", []byte(`policy = 1
name = "n"
[grant.clock]
functions = ["now"]
[grant.http]
functions = ["get", "post"]
urls = ["**"]
when = '''`+when+"'''\n"), vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func dict(pairs ...any) *values.Dict {
	d := new(values.Dict)
	for i := 0; i < len(pairs); i += 2 {
		d.Set(pairs[i], pairs[i+1])
	}
	return d
}

// Conditions about http.post(url: str, body: bytes, tags: list[str], wait: float).
func TestConditions(t *testing.T) {
	usual := policies.NamedArguments{
		"url": "https://example.com/é", "body": values.Bytes("abc"), "tags": values.Tuple{"a", "bb"}, "wait": int64(2),
	}
	with := func(name string, v any) policies.NamedArguments {
		a := policies.NamedArguments{}
		for k, v := range usual {
			a[k] = v
		}
		a[name] = v
		return a
	}
	const allow, deny = "", "the condition does not hold"
	undecided := func(why string) string { return "the condition cannot be decided: " + why }
	for _, test := range []struct {
		when string
		args policies.NamedArguments
		want string
	}{
		{`args.url.startsWith("https://")`, usual, allow},
		{`args.url.startsWith("http://")`, usual, deny},
		{`args.url.size() == 21`, usual, allow},
		{`args.url.matches("^https://[a-z.]+/.*$")`, usual, allow},
		{`size(args.body) <= 3 && args.body == b"abc"`, usual, allow},
		{`args.tags == ["a", "bb"]`, usual, allow},
		{`args.tags.all(t, size(t) <= 2) && "a" in args.tags`, usual, allow},
		{`args.tags.exists(t, t == "c")`, usual, deny},
		{`args.wait <= 2`, usual, allow},
		{`args.wait < 2.0`, usual, deny},
		{`args.wait <= 2`, with("wait", 1.5), allow},
		{`args.headers == null`, usual, allow},
		{`call.function == "post" && call.count == 1 && call.session == "s" && policy.name == "n"`, usual, allow},
		{`now >= timestamp("2026-01-01T00:00:00Z") && now.getFullYear() == 2026`, usual, allow},
		{`now > timestamp("2026-01-01T00:00:00Z")`, usual, deny},
		{`true || args.wait > 100`, usual, allow},
		{`args.body != b"x"`, with("body", "text"), undecided(`args.body is of type str, not bytes`)},
		{`args.body != b"x"`, with("body", nil), undecided(`args.body is of type NoneType, not bytes`)},
		{`args.url != "x"`, with("url", "\xed\xa0\x80"), undecided(`a str has a lone surrogate`)},
		{`args.tags.all(t, t != "")`, with("tags", values.List{"\xed\xa0\x80"}), undecided(`a str has a lone surrogate`)},
		{`args.wait > 1`, with("wait", true), undecided(`args.wait is of type bool, not float`)},
		{`args.wait > 1`, with("wait", values.Decimal("2")), undecided(`args.wait is of type Decimal, not float`)},
		{`args.wait > 1`, with("wait", new(big.Int).Lsh(big.NewInt(1), 80)), allow},
		{`args.tags.all(t, size(t) > 0)`, with("tags", values.List{"a", int64(3)}), undecided(`"size" cannot be used with values of these types`)},
		{`args.tags[0] == "a"`, with("tags", values.List{}), undecided(`index out of bounds: 0`)},
		{`args.retries > 3`, usual, undecided(`">" cannot be used with values of these types`)}, // a parameter of get alone
		{`call.function == "get" || size(args.body) < 5`, usual, allow},
		{`size(args.url + args.url) > 0 && args.tags.all(a, args.tags.all(b, args.tags.all(c, a + b + c != "")))`,
			with("tags", many(200)), undecided(`it takes more than 100_000 steps to decide`)},
	} {
		d := conditional(t, test.when).Decide(&policies.Call{
			Capability: "http.post", Arguments: test.args, Session: "s", Now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		})
		got := d.Reason
		if d.Allow {
			got = allow
		}
		if got != test.want && (test.want == "" || !strings.HasPrefix(got, test.want)) {
			t.Errorf("%s of %v: %q, want %q", test.when, test.args, got, test.want)
		}
		if !d.Allow && (d.By != "when" || d.Position.String() != "p:8:8" || d.Rule != "grant.http") {
			t.Errorf("%s: %+v", test.when, d)
		}
	}
}

func many(n int) values.List {
	list := make(values.List, n)
	for i := range list {
		list[i] = fmt.Sprint("tag", i)
	}
	return list
}

// Values of parameters without a type are what they are.
func TestConditionsOnAnyValue(t *testing.T) {
	for _, test := range []struct {
		when string
		x    any
		want string // allow, deny, or why it cannot be decided
	}{
		{`args.x < 100`, int64(99), "allow"},
		{`args.x < 100`, 99.5, "allow"},
		{`args.x < 100`, int64(100), "deny"},
		{`args.x < 100`, "99", `an operator cannot be used with values of these types`},
		{`args.x < 100`, new(big.Int).Lsh(big.NewInt(1), 64), "an int does not fit into 64 bits"},
		{`args.x < 100`, values.Decimal("1"), "a value of type Decimal cannot be compared"},
		{`args.x < 100`, complex(1, 2), "a value of type complex cannot be compared"},
		{`args.x < 100`, nil, `"<" cannot be used with values of these types`},
		{`args.x == null`, nil, "allow"},
		{`args.x["a"] == 1 && args.x.a == 1`, dict("a", int64(1)), "allow"},
		{`args.x["a"]["b"][1] == "c"`, dict("a", dict("b", values.List{nil, "c"})), "allow"},
		{`args.x["b"] == 1`, dict("a", int64(1)), "no such key: b"},
		{`"b" in args.x`, dict("a", int64(1)), "deny"},
		{`args.x["a"] == 1`, dict(int64(1), int64(1)), "a dict has keys that are not str"},
		// Who gets the dict may take PATH for path.
		{`args.x.path == "a"`, dict("path", "a", "PATHS", "b"), "allow"},
		{`args.x.path == "a"`, dict("path", "a", "PATH", "b"), `a dict has the key "PATH", which could be taken for "path"`},
		{`!has(args.x.path) || args.x.path == "a"`, dict("Path", "b"), `a dict has the key "Path", which could be taken for "path"`},
		{`!has(args.x.path)`, dict("paths", "b"), "allow"},
		{`!("token" in args.x)`, dict("to\u212aen", "b"), "a dict has the key \"to\u212aen\", which could be taken for \"token\""},
		{`!("size" in args.x)`, dict("\u017fize", "b"), "a dict has the key \"\u017fize\", which could be taken for \"size\""},
		{`!("é" in args.x)`, dict("e\u0301", "b"), "a dict has the key \"e\u0301\", which could be taken for \"é\""},
		{`args.x["pa" + "th"] == "a"`, dict("PATH", "b", "path", "a"), `a dict has the key "PATH", which could be taken for "path"`},
		{`!has(args.x.o.path)`, dict("o", dict("PATH", "b")), `a dict has the key "PATH", which could be taken for "path"`},
		{`args.x.o.all(o, !has(o.path))`, dict("o", values.List{dict("a", "b"), dict("PATH", "b")}), `a dict has the key "PATH", which could be taken for "path"`},
		{`args.x.all(k, k != "path")`, dict("PATH", "b"), "allow"},
		{`args.x == {"path": "a"}`, dict("path", "a"), "allow"},
		{`args.x.o == args.x.p && args.x.size() == 2`, dict("o", dict("A", int64(1), "a", int64(2)), "p", dict("A", int64(1), "a", int64(2))), "allow"},
		{`args.x.path == "a"`, dict("path", "a", strings.Repeat("k", 256<<10), "b"), "the keys of a dict have more than 262144 bytes"},
		{`args.x == timestamp("2025-01-31T11:00:00Z")`, values.DateTime{ISO: "2025-01-31T12:00:00+01:00"}, "allow"},
		{`args.x == timestamp("2025-01-31T11:00:00Z")`, values.DateTime{ISO: "2025-01-31T12:00:00"}, "a datetime has no time zone"},
		{`args.x < duration("2h")`, values.TimeDelta{Seconds: 3600}, "allow"},
		{`args.x == "2025-01-31"`, values.Date("2025-01-31"), "allow"},
		{`args.x`, true, "allow"},
		{`args.x`, "yes", "it is neither true nor false"},
		{`args.x in [1, 2] && size([args.x]) == 1`, int64(2), "allow"},
	} {
		p, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\n[grant.math]\nfunctions = [\"sqrt\"]\nwhen = '''"+test.when+"'''\n"), vocabulary())
		if err != nil {
			t.Errorf("%s: %v", test.when, err)
			continue
		}
		d := p.Decide(&policies.Call{Capability: "math.sqrt", Arguments: policies.NamedArguments{"x": test.x}})
		got := "allow"
		switch {
		case d.Reason == "the condition does not hold":
			got = "deny"
		case !d.Allow:
			got = strings.TrimPrefix(d.Reason, "the condition cannot be decided: ")
		}
		if got != test.want && !strings.HasPrefix(got, test.want) {
			t.Errorf("%s of %s: %s, want %s", test.when, values.Format(test.x), got, test.want)
		}
	}
}

// Calls count from one, for each grant by itself, and only those that are allowed.
func TestCallCount(t *testing.T) {
	p := conditional(t, `call.count <= 2 && args.url != "no"`)
	usage := new(policies.Usage)
	for _, test := range []struct {
		url  string
		want bool
	}{{"a", true}, {"no", false}, {"no", false}, {"b", true}, {"c", false}} {
		p.Decide(&policies.Call{Capability: "clock.now", Usage: usage})
		d := p.Decide(&policies.Call{Capability: "http.get", Usage: usage, Arguments: policies.NamedArguments{"url": test.url}})
		if d.Allow != test.want {
			t.Errorf("%s: %+v", test.url, d)
		}
	}
}

// Without arguments a condition denies; so does a policy whose grant was changed to another function.
func TestConditionsFailClosed(t *testing.T) {
	p := conditional(t, `true`)
	if d := p.Decide(&policies.Call{Capability: "http.get"}); d.Allow || d.Reason != "the arguments are not known" {
		t.Errorf("%+v", d)
	}
	p.Grants[1].Functions = []string{"delete"}
	if d := p.Decide(&policies.Call{Capability: "http.delete", Arguments: policies.NamedArguments{"url": "x"}}); d.Allow {
		t.Errorf("%+v", d)
	}
}

func TestNowIsTheCallsTime(t *testing.T) {
	p := conditional(t, `now < timestamp("2026-01-01T00:00:00Z")`)
	args := policies.NamedArguments{"url": "x"}
	if d := p.Decide(&policies.Call{Capability: "http.get", Arguments: args}); d.Allow || !strings.Contains(d.Reason, "the time is not known") {
		t.Errorf("%+v", d)
	}
	if d := p.Decide(&policies.Call{Capability: "http.get", Arguments: args, Now: time.Unix(0, 0)}); !d.Allow {
		t.Errorf("%+v", d)
	}
}

// FuzzCondition finds no condition that panics, whatever the arguments, or whose mistakes have no place in it.
func FuzzCondition(f *testing.F) {
	for _, seed := range []string{`args.url.startsWith("x")`, `args.tags.all(t, t != "")`, `args.x["a"].b < now`, `call.count % 3 == 0`, `"a" in args.headers`,
		`args.url.matches("(a+)+$")`, `has(args.x)`, "\"\\u0061\" == 'a'", `[1,2,3].map(x, x * args.wait).exists(y, y > 2.0)`, `timestamp(args.url) < now`} {
		f.Add(seed, "text", int64(3))
	}
	vocab := vocabulary()
	f.Fuzz(func(t *testing.T, when, text string, n int64) {
		if strings.Contains(when, "'''") {
			return
		}
		src := []byte("policy = 1\nname = \"n\"\n[grant.clock]\nfunctions = [\"now\"]\n[grant.http]\nfunctions = [\"get\", \"post\"]\nurls = [\"**\"]\nwhen = '''" + when + "'''\n")
		p, err := policies.Parse("p", src, vocab)
		if err != nil {
			checkErrors(t, src, p, err)
			return
		}
		for _, args := range []policies.NamedArguments{
			{"url": text, "tags": values.List{text, text}, "wait": float64(n), "body": values.Bytes(text), "headers": dict("a", text)},
			{"url": n, "tags": nil, "retries": n, "headers": values.Set{text}},
		} {
			d := p.Decide(&policies.Call{Capability: "http.get", Arguments: args, Now: time.Unix(n%1e10, 0)})
			checkLine(t, &policies.Error{Position: d.Position, Message: d.Reason, Hint: d.Hint})
		}
	})
}

// largeArguments are what a call was given, by name.
type largeArguments map[string]any

func (b largeArguments) Lookup(name string) (any, bool) { v, ok := b[name]; return v, ok }

// A condition can look at an argument many times, each for one of its steps. What is large must not be looked over each time,
// and what CEL itself does with it has an end.
func TestLargeArgumentsAreLookedOverOnce(t *testing.T) {
	dict := values.NewDict(10_000)
	for i := range 10_000 {
		if err := dict.Set(strings.Repeat("k", 1+i%50)+strconv.Itoa(i), int64(i)); err != nil {
			t.Fatal(err)
		}
	}
	many := make(values.List, 300_000)
	for i := range many {
		many[i] = int64(1)
	}
	for _, test := range []struct {
		when  string
		large any
	}{
		{"args.x[1].all(e, e != args.x[0])", strings.Repeat("é", 8<<20)},
		{"args.x[1].all(e, e != args.x[0].k0)", dict},
	} {
		p := limited(t, "when = '"+test.when+"'\n")
		d := p.Decide(&policies.Call{Capability: "math.sqrt", Arguments: largeArguments{"x": values.List{test.large, many}}})
		if d.Allow || !strings.Contains(d.Reason, "to decide") {
			t.Errorf("%s: %+v", test.when, d)
		}
	}
}
