package policies_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

const stored = `policy = 1
name = "n"
limits.fuel = 1_000_000
[grant.store]
functions = ["put", "take"]
approve = "never"
owner = "ada"
kinds = ["text", "image"]
paths = ["data/*.csv", "out/**"]
hosts = ["https://mirror.example.com/**"]
max_size = "64KiB"
delay = "1m30s"
copies = 9
overwrite = true
labels = { team = "data", "two words" = 'x' }
mode = "write"
`

// A scope key of each type has the value that the policy says, or else its default.
func TestScopeValues(t *testing.T) {
	s := parse(t, stored).Grant("store").Scope
	if s.Text("owner") != "ada" || strings.Join(s.List("kinds"), " ") != "text image" || s.Number("max_size") != 64<<10 ||
		s.Duration("delay") != 90*time.Second || s.Number("copies") != 9 || !s.Bool("overwrite") || s.Map("labels")["two words"] != "x" || s.Text("mode") != "write" {
		t.Errorf("%+v", s)
	}
	if p := s.Patterns("paths"); len(p) != 2 || !p[1].Match("out/a/b") || p[0].String() != "data/*.csv" {
		t.Errorf("paths %v", p)
	}
	if p := s.Patterns("hosts"); len(p) != 1 || !p[0].Match("https://mirror.example.com/x") {
		t.Errorf("hosts %v", p)
	}
	if v, ok := s.Value("copies"); !ok || v.Position.String() != "policy.toml:13:10" || v.String() != "9" || v.Key.Doc == "" {
		t.Errorf("%+v", v)
	}
	if _, ok := s.Value("urls"); ok {
		t.Error("a key of another family")
	}

	least := parse(t, "policy = 1\nname = \"n\"\n[grant.store]\nfunctions = [\"put\"]\n").Grant("store").Scope
	if least.Text("owner") != "nobody" || len(least.List("kinds")) != 0 || !least.Patterns("paths")[0].Match("tmp/x") || least.Number("max_size") != 4096 ||
		least.Duration("delay") != time.Second || least.Number("copies") != 1 || least.Bool("overwrite") || len(least.Map("labels")) != 0 || least.Text("mode") != "append" {
		t.Errorf("defaults %+v", least)
	}
	if v, _ := least.Value("owner"); v.Position.Line != 0 || v.String() != `"nobody"` {
		t.Errorf("%+v", v)
	}
}

// The family decides, with the arguments and the scope; what it says is in the decision.
func TestScopeDecides(t *testing.T) {
	p := parse(t, stored)
	put := func(path string, size int64, kind string) policies.Decision {
		return p.Decide(&policies.Call{Capability: "store.put", Arguments: policies.NamedArguments{"path": path, "size": size, "kind": kind}})
	}
	for _, test := range []struct {
		path string
		size int64
		kind string
		want policies.Decision
		at   string
	}{
		{"out/a", 1, "text", policies.Decision{Allow: true, By: "functions", Reason: "the grant names the function", Canonical: "/out/a"}, "policy.toml:5:14"},
		{"etc/passwd", 1, "text", policies.Decision{By: "paths", Reason: "'etc/passwd' is not among paths", Hint: "permitted: data/*.csv"}, "policy.toml:9:9"},
		{"out/a", 1 << 20, "text", policies.Decision{By: "max_size", Reason: "1048576 bytes are more than max_size", Hint: "permitted: 65536"}, "policy.toml:11:12"},
		{"out/a", 1, "sound", policies.Decision{By: "kinds", Reason: "'sound' is not among kinds"}, "policy.toml:8:9"},
	} {
		got := put(test.path, test.size, test.kind)
		where := got.Position.String()
		got.Position, test.want.Rule = policies.Position{}, "grant.store"
		if got != test.want || where != test.at {
			t.Errorf("put %s %d %s: %+v at %s", test.path, test.size, test.kind, got, where)
		}
	}
	if d := p.Decide(&policies.Call{Capability: "store.put"}); d.Allow || d.Reason != "the arguments are not known" {
		t.Errorf("without arguments: %+v", d)
	}
	// What the agent chose is shown and not obeyed.
	d := put("\x1b[31m"+strings.Repeat("x", 10_000), 1, "text")
	checkLine(t, &policies.Error{Position: d.Position, Message: d.Reason, Hint: d.Hint})
}

// A family whose Decide says nothing permits nothing.
func TestZeroVerdictDenies(t *testing.T) {
	vocab := vocabulary()
	vocab.Families["math"] = policies.Family{
		Functions: functions("sqrt"), Decide: func(policies.ScopedCall) policies.Verdict { return policies.Verdict{} },
	}
	p, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\n[grant.math]\nfunctions = [\"sqrt\"]\n"), vocab)
	if err != nil {
		t.Fatal(err)
	}
	d := p.Decide(&policies.Call{Capability: "math.sqrt", Arguments: policies.NamedArguments{}})
	if d.Allow || d.Reason != "the scope does not permit it" || !p.Grant("math").Decides() {
		t.Errorf("%+v", d)
	}
}

func TestParseScope(t *testing.T) {
	keys := storeFamily().Scopes
	s, err := policies.ParseScope(keys, "copies = 3\nkinds = [\"text\"]")
	if err != nil || s.Number("copies") != 3 || s.Number("max_size") != 4096 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := policies.ParseScope(keys, "copies = 30\ncopy = 3"); err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%v", err)
	}
	if s := policies.NewScope(keys); s.Text("owner") != "nobody" {
		t.Errorf("%+v", s)
	}
}

func TestCheckScopes(t *testing.T) {
	good := policies.ScopeKey{Name: "roots", Type: policies.ScopePaths, Doc: "d", Example: `["a"]`}
	if mistakes := policies.CheckScopes([]policies.ScopeKey{good}); len(mistakes) != 0 {
		t.Errorf("%v", mistakes)
	}
	for name, change := range map[string]func(*policies.ScopeKey){
		"taken":       func(k *policies.ScopeKey) { k.Name = "calls" },
		"functions":   func(k *policies.ScopeKey) { k.Name = "functions" },
		"name":        func(k *policies.ScopeKey) { k.Name = "Roots" },
		"type":        func(k *policies.ScopeKey) { k.Type = 99 },
		"doc":         func(k *policies.ScopeKey) { k.Doc = "" },
		"no example":  func(k *policies.ScopeKey) { k.Example = "" },
		"example":     func(k *policies.ScopeKey) { k.Example = `["a//b"]` },
		"not a value": func(k *policies.ScopeKey) { k.Example = `]` },
		"default":     func(k *policies.ScopeKey) { k.Default = `"a"` },
		"enum":        func(k *policies.ScopeKey) { k.Type, k.Example = policies.ScopeEnum, `"a"` },
	} {
		k := good
		change(&k)
		if len(policies.CheckScopes([]policies.ScopeKey{k})) == 0 {
			t.Errorf("%s is accepted", name)
		}
	}
	if len(policies.CheckScopes([]policies.ScopeKey{good, good})) == 0 {
		t.Error("a name twice is accepted")
	}
}

func TestNamedArguments(t *testing.T) {
	a := policies.NamedArguments{"x": values.Bytes("a"), "y": nil}
	if v, ok := a.Lookup("y"); v != nil || !ok {
		t.Error("y")
	}
	if _, ok := a.Lookup("z"); ok {
		t.Error("z")
	}
}
