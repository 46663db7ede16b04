package policies_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// bound are the arguments of a function whose parameters are known when it is called.
type bound map[string]any

func (b bound) Lookup(name string) (any, bool) { v, ok := b[name]; return v, ok && v != nil }
func (b bound) HasParameter(name string) bool  { _, ok := b[name]; return ok }

// A call of a server's tool is decided as any other: by names and patterns, then by conditions whose parameters only the call knows.
func TestDecideAboutServers(t *testing.T) {
	p := parse(t, `policy = 1
name = "n"
[mcp.github]
command = ["s"]
functions = ["search", "get_*", "*_comment"]
calls = 3
when = 'call.function == "search" || args.owner == "me" && args.page < 3'
`)
	usage := new(policies.Usage)
	for _, test := range []struct {
		capability string
		args       policies.Arguments
		want       string // where it is allowed, or why it is not
	}{
		{"github.search", policies.NamedArguments{}, "policy.toml:5:14 the grant names the function"},
		{"github.get_user", policies.NamedArguments{"owner": "me", "page": int64(2)}, "policy.toml:5:24 a pattern of the grant names the function"},
		{"github.get_user", policies.NamedArguments{"owner": "me", "page": int64(3)}, "the condition does not hold"},
		{"github.get_user", policies.NamedArguments{"owner": "me", "page": "2"}, "the condition cannot be decided: an operator cannot be used with values of these types"},
		{"github.get_user", policies.NamedArguments{"owner": int64(1)}, "the condition does not hold"},
		{"github.get_user", policies.NamedArguments{"owner": "me"}, `the condition cannot be decided: "<" cannot be used with values of these types`},
		{"github.get_user", bound{"owner": "me", "page": nil}, `the condition cannot be decided: "<" cannot be used with values of these types`},
		{"github.get_user", bound{"owner": "me"}, `the condition cannot be decided: get_user does not have a parameter "page"`},
		{"github.get_user", nil, "the arguments are not known"},
		{"github.get_", bound{"owner": "me", "page": 1.5}, "policy.toml:5:24 a pattern of the grant names the function"},
		{"github.add_comment", bound{"owner": "you", "page": int64(1)}, "the condition does not hold"},
		{"github.add_comment", bound{"owner": "me", "page": int64(1)}, "the session has made all of its 3 calls"},
		{"github.delete", bound{}, `[mcp.github] does not name "delete"`},
		{"github.Get_user", bound{}, `"github.Get_user" is not a capability's name, family.function`},
		{"github.get_*", bound{}, `"github.get_*" is not a capability's name, family.function`},
		{"github.get_" + strings.Repeat("x", 64), bound{}, `is not a capability's name, family.function`},
		{"gitlab.get_user", bound{}, `there is no family "gitlab"`},
	} {
		d := p.Decide(&policies.Call{Capability: test.capability, Arguments: test.args, Usage: usage})
		got := d.Reason
		if d.Allow {
			got = d.Position.String() + " " + d.Reason
		}
		if !strings.HasSuffix(got, test.want) || d.Rule != "mcp.github" && (d.Allow || d.Rule != "") {
			t.Errorf("%s(%v): %q, want %q: %+v", test.capability, test.args, got, test.want, d)
		}
	}
	if d := p.Decide(&policies.Call{Capability: "github.delete"}); d.Hint != `add "delete" to functions of [mcp.github] at policy.toml:3` {
		t.Errorf("hint %q", d.Hint)
	}
	if g := p.Grant("github"); !g.Names("get_a") || g.Names("get") || p.Server("github") == nil || p.Server("gitlab") != nil {
		t.Errorf("%+v", g)
	}
}

// Tests of a policy can be about its servers, whose arguments have names.
func TestTestsAboutServers(t *testing.T) {
	p := parse(t, "policy = 1\nname = \"n\"\n"+serverTable+"when = 'args.n < 3'\n[tool.t]\nplugin = \"t.wasm\"\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n")
	suite, err := policies.ParseTests("t", []byte(`
[[test]]
name = "reads"
steps = [
  { call = "s.get", args = { n = 2 }, expect = "allow" },
  { call = "s.get", args = { n = 3 }, expect = "deny", by = "when" },
  { call = "s.get", args = { n = "3" }, expect = "deny", reason = "cannot be decided" },
  { call = "s.get", args = [2], expect = "deny", reason = "arguments must be given by name" },
  { call = "s.list_users", args = { n = 2 }, expect = "allow" },
  { call = "s.drop", expect = "deny", by = "functions" },
  { call = "t.anything", expect = "allow" },
]
`), p.Callable())
	if err != nil {
		t.Fatal(err)
	}
	report := suite.Run(p, nil)
	if !report.OK() {
		t.Errorf("%+v", report.Results)
	}
	if c := report.Coverage; c.Functions != 2 || c.FunctionsAllowed != 2 || c.Terms != 1 || c.TermsDecided != 1 {
		t.Errorf("coverage %+v", c)
	}
	if _, err := policies.ParseTests("t", []byte("[[test]]\nname = \"n\"\ncall = \"u.get\"\nexpect = \"deny\"\n"), p.Callable()); err == nil {
		t.Error("a test about a server that is not there")
	}
}

const toolTables = `policy = 1
name = "n"
[tool.a]
plugin = "a.wasm"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
functions = ["one", "two"]
calls = 3
[tool.a.grant.http]
functions = ["get"]
urls = ["https://api.example.com/**"]
calls = 1
rate = "2/m"
[tool.b]
plugin = "b.wasm"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
[tool.b.grant.http]
functions = ["get"]
urls = ["https://api.example.com/**"]
`

// Tests are about what tools call too, and the coverage counts tools and what they are granted.
func TestTestsAboutTools(t *testing.T) {
	p := parse(t, toolTables)
	suite, err := policies.ParseTests("t", []byte(`
[[test]]
name = "its own grants, quotas and rates"
steps = [
  { call = "a.one", expect = "allow", repeat = 3 },
  { call = "a.one", expect = "deny", by = "calls" },
  { tool = "a", call = "http.get", args = ["https://api.example.com/x"], expect = "allow" },
  { tool = "a", call = "http.get", args = ["https://api.example.com/x"], expect = "deny", by = "calls" },
  { tool = "a", call = "http.get", args = ["https://evil.example/"], expect = "deny", by = "urls" },
  { tool = "b", call = "http.get", args = ["https://api.example.com/x"], expect = "allow", repeat = 4 },
  { tool = "a", call = "math.sqrt", args = [4], expect = "deny", reason = "there is no [tool.a.grant.math]" },
  { call = "http.get", args = ["https://api.example.com/x"], expect = "deny", reason = "there is no [grant.http]" },
  { call = "b.three", expect = "allow" },
]
`), p.Callable())
	if err != nil {
		t.Fatal(err)
	}
	suite.Tools = map[string][]string{"a": {"one", "two", "unnamed"}, "b": {"four", "three"}}
	report := suite.Run(p, nil)
	for _, result := range report.Results {
		for _, failure := range result.Failures {
			t.Error(failure)
		}
	}
	if c := report.Coverage; c.Functions != 6 || c.FunctionsAllowed != 4 || c.Terms != 5 || c.TermsDecided != 3 {
		t.Errorf("coverage %+v", c)
	}
	var untested []string
	for _, u := range report.Coverage.Untested {
		untested = append(untested, u.Subject)
	}
	if got := strings.Join(untested, ", "); got != "a.two, tool.a.grant.http.rate, b.four, tool.b.grant.http.urls" {
		t.Errorf("not tested: %s", got)
	}
	for keys, want := range map[string]string{
		`tool = "aa", call = "http.get"`: `there is no tool "aa" (did you mean "a"?)`,
		`tool = "http", call = "http.x"`: `there is no tool "http"`,
		`tool = "a", call = "b.three"`:   `a tool calls capabilities alone, and not "b.three"`,
	} {
		_, err := policies.ParseTests("t", []byte("test = [{ name = \"n\", expect = \"deny\", "+keys+" }]\n"), p.Callable())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", keys, err, want)
		}
	}
}

// The functions of an open family are not known when a policy is checked: any name can be one.
func TestOpenFamily(t *testing.T) {
	vocab := vocabulary()
	vocab.Families["tools"] = policies.Family{Open: true, Doc: "what the client provides"}
	read := func(src string) (*policies.Policy, error) {
		return policies.Parse("p", []byte("policy = 1\nname = \"n\"\n[grant.tools]\n"+src), vocab)
	}
	p, err := read("functions = [\"search\", \"save\"]\nwhen = 'args.q != \"x\"'\n")
	if err != nil {
		t.Fatal(err)
	}
	for capability, allow := range map[string]bool{"tools.search": true, "tools.save": true, "tools.drop": false} {
		if d := p.Ask(policies.Call{Capability: capability}, policies.Written{}); d.Allow != allow {
			t.Errorf("%s: %+v", capability, d)
		}
	}
	if len(p.Warnings) != 2 || !strings.Contains(p.Warnings[1].Message, "save, search can change things") {
		t.Errorf("warnings %v", p.Warnings)
	}
	if e := p.Explain(noon); e.Grants[0].Functions[0].Effects != "unknown" || !strings.Contains(strings.Join(e.Summary, " "), "tools.save, tools.search") {
		t.Errorf("%+v", e)
	}
	for _, wrong := range []string{"functions = [\"*\"]", "functions = [\"get_*\"]", "functions = [\"Get\"]", "functions = []"} {
		if _, err := read(wrong + "\n"); err == nil {
			t.Errorf("accepted: %s", wrong)
		}
	}
}
