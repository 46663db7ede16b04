package policies_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// said lists differences as the command does.
func said(all []policies.Difference) string {
	var lines []string
	for _, d := range all {
		mark := ""
		if d.Undecided {
			mark = "? "
		}
		lines = append(lines, fmt.Sprintf("%s%v (%v)", mark, d, d.Position))
	}
	return strings.Join(lines, "\n")
}

func TestDiff(t *testing.T) {
	const head = "policy = 1\nname = \"n\"\n"
	math := head + "[grant.math]\nfunctions = [\"sqrt\"]\n"
	http := head + "[grant.http]\nfunctions = [\"get\"]\nurls = [\"https://a.com/**\"]\n"
	for name, test := range map[string]struct{ old, new, gained, lost string }{
		"the same": {math, math, "", ""},
		"notes":    {math, math + "note = \"n\"\nas = \"m\"\n", "", ""},
		"a grant": {head, http,
			`http.get: may be called (urls = ["https://a.com/**"]) (new:4:14)`, ""},
		"a function": {math, strings.Replace(math, `"sqrt"`, `"sqrt", "cos"`, 1), "math.cos: may be called (new:4:22)", ""},
		"a limit":    {head, head + "limits.fuel = 100_000\n", "", "limits.fuel: 5_000_000_000 instead of 100_000 (old)"},
		"a quota": {math + "calls = 3\n", math, "grant.math.calls: any number of calls in a session instead of 3 (new:3:1)",
			""},
		"a larger quota": {math + "calls = 3\n", math + "calls = 4\n", "grant.math.calls: 4 calls in a session instead of 3 (new:5:9)", ""},
		"a rate":         {math + "rate = \"60/m\"\n", math + "rate = \"1/s\"\n", "", "grant.math.rate: 60/m instead of 1/s (old:5:8)"},
		"a rate of another length": {math + "rate = \"10/s\"\n", math + "rate = \"10/m\"\n", "",
			"grant.math.rate: 10/s instead of 10/m (old:5:8)"},
		"approval": {math + "approve = \"always\"\n", math + "approve = \"once\"\n", `grant.math.approve: "once" instead of "always" (new:5:11)`, ""},
		"an end": {math, math + "expires = 2030-01-01T00:00:00Z\n", "",
			"grant.math.expires: never expires, instead of on 2030-01-01T00:00:00Z (old:3:1)"},
		"the same end elsewhere": {math + "expires = 2030-01-01T00:00:00Z\n", math + "expires = 2030-01-01T01:00:00+01:00\n", "", ""},
		"a timeout":              {math + "timeout = \"1s\"\n", math, "grant.math.timeout: any time for a call instead of 1s (new:3:1)", ""},
		"a condition": {math, math + "when = 'args.x > 0'\n", "",
			"grant.math.when: calls for which this does not hold: args.x > 0 (old:3:1)"},
		"the same condition": {math + "when = 'args.x > 0'\n", math + "when = ' args.x > 0 '\n", "", ""},
		"two conditions": {math + "when = 'args.x > 0'\n", math + "when = 'args.x > 1'\n",
			"? grant.math.when: it cannot be decided whether this condition permits more than the other: args.x > 0 (new:5:8)",
			"? grant.math.when: it cannot be decided whether this condition permits more than the other: args.x > 1 (old:5:8)"},
		"a condition on the name": {math + "when = 'policy.name != \"a\"'\n", strings.Replace(math, `"n"`, `"a"`, 1) + "when = 'policy.name != \"a\"'\n",
			"? grant.math.when: the condition depends on the policy's name, which is another: it cannot be decided whether more is permitted (new:5:8)",
			"? grant.math.when: the condition depends on the policy's name, which is another: it cannot be decided whether more is permitted (old:5:8)"},
		"urls": {http, strings.Replace(http, "a.com/**", "a.com/v1/*", 1), "",
			`grant.http.urls: "https://a.com/**" permits "https://a.com/" (old:5:9)`},
		"imports": {head + "python.imports = [\"xml\"]\n", head + "python.imports = [\"xml.etree\", \"re\"]\n",
			`python.imports: "re" may be imported (new:3:18)`, `python.imports: "xml" may be imported (old:3:18)`},
		"packages": {head, head + "python.packages = [\"attrs==25.3.0\"]\n", "python.packages: package attrs==25.3.0 may be imported (new:3:20)", ""},
		"no log":   {head, head + "audit.log = \"none\"\n", "audit.log: calls leave no record (new:3:13)", ""},
		"a tool":   {head, head + tool, "tool.t: may be called (new:3:1)", ""},
		"a tool's limit": {head + tool + "limits.fuel = 10_000\n", head + tool + "limits.fuel = 20_000\n",
			"tool.t.limits.fuel: 20_000 instead of 10_000 (new:6:15)", ""},
		"another plugin": {head + tool, head + strings.Replace(tool, "e3b0", "e3b1", 1),
			"? tool.t.sha256: another plugin (new:5:10)", "? tool.t.sha256: another plugin (old:5:10)"},
		"a tool's functions":   {head + tool + "functions = [\"a\"]\n", head + tool + "functions = [\"a\", \"b\"]\n", `tool.t.functions: "b" may be called (new:6:19)`, ""},
		"all of a tool":        {head + tool + "functions = [\"a\"]\n", head + tool, "tool.t: all functions of the plugin instead of a (new:3:1)", ""},
		"a tool with a memory": {head + tool, head + tool + "stateful = true\n", "tool.t.stateful: the plugin may remember from call to call (new:6:12)", ""},
		"another schema": {head + tool + "schema = \"a.yaml\"\n", head + tool + "schema = \"b.yaml\"\n",
			"? tool.t.schema: another description of the plugin (new:6:10)", "? tool.t.schema: another description of the plugin (old:6:10)"},
		"no schema": {head + tool + "schema = \"a.yaml\"\n", head + tool,
			"? tool.t.schema: another description of the plugin (new:3:1)", "? tool.t.schema: another description of the plugin (old:6:10)"},
		"a tool's grant": {head + tool, head + tool + "grant.math.functions = [\"sqrt\"]\n", "tool.t.math.sqrt: may be called (new:6:25)", ""},
		"a server":       {head, head + serverTable, "mcp.s: tools of the MCP server may be called: get, list_* (new:3:1)", ""},
		"another command": {head + serverTable, head + strings.Replace(serverTable, `["s"]`, `["s", "-v"]`, 1),
			"? mcp.s.command: another server (new:4:11)", "? mcp.s.command: another server (old:4:11)"},
		"a URL in place of a command": {head + serverTable, head + strings.Replace(serverTable, `command = ["s"]`, `url = "https://a.com/"`, 1),
			"? mcp.s.command: another server (new:3:1)", "? mcp.s.command: another server (old:4:11)"},
		"another URL": {head + remote, head + strings.Replace(remote, "a.com", "b.com", 1), "? mcp.s.url: another server (new:4:7)", "? mcp.s.url: another server (old:4:7)"},
		"an environment": {head + serverTable, head + serverTable + "env = { A = \"b\" }\n",
			"? mcp.s.env: another environment of the server (new:6:7)", "? mcp.s.env: another environment of the server (old:3:1)"},
		"a variable": {head + serverTable, head + serverTable + "env_from = [\"TOKEN\"]\n", `mcp.s.env_from: "TOKEN" is handed on to the server (new:6:12)`, ""},
		"a header": {head + remote, head + remote + "headers_from = { X-Key = \"env:KEY\" }\n",
			`mcp.s.headers_from.X-Key: "env:KEY" is sent to the server (new:6:26)`, ""},
		"a server's functions": {head + serverTable, head + strings.Replace(serverTable, `"get"`, `"get", "set"`, 1), `mcp.s.functions: "set" may be called (new:5:21)`, ""},
		"a pattern":            {head + serverTable, head + strings.Replace(serverTable, `"get"`, `"get*"`, 1), `mcp.s.functions: "get*" permits "getx" (new:5:14)`, ""},
		"a narrower pattern": {head + serverTable, head + strings.Replace(serverTable, `"list_*"`, `"list_a*", "list_b"`, 1), "",
			`mcp.s.functions: "list_*" permits "list_" (old:5:21)`},
		"a pin":            {head + serverTable, head + serverTable + pin, "", "mcp.s.tools_sha256: any tools of the server instead of those of a digest (old:3:1)"},
		"another pin":      {head + serverTable + pin, head + serverTable + strings.Replace(pin, "e3b0", "e3b1", 1), "? mcp.s.tools_sha256: other tools of the server (new:6:16)", "? mcp.s.tools_sha256: other tools of the server (old:6:16)"},
		"more to read":     {head + serverTable, head + serverTable + "max_response = \"2MiB\"\n", "mcp.s.max_response: 2MiB instead of 1MiB (new:6:16)", ""},
		"a server's quota": {head + serverTable + "calls = 3\n", head + serverTable, "mcp.s.calls: any number of calls in a session instead of 3 (new:3:1)", ""},
		"a server's condition": {head + serverTable + "when = 'args.x > 1'\n", head + serverTable,
			"mcp.s.when: calls for which this does not hold: args.x > 1 (new:3:1)", ""},
		"how long it may take to start": {head + serverTable, head + serverTable + "start_timeout = \"1m\"\n", "", ""},
	} {
		older, newer := parseAs(t, "old", test.old), parseAs(t, "new", test.new)
		gained, lost := policies.Diff(older, newer)
		if said(gained) != test.gained || said(lost) != test.lost {
			t.Errorf("%s:\ngained %s\n  want %s\nlost %s\nwant %s", name, said(gained), test.gained, said(lost), test.lost)
		}
		d := policies.Narrower(newer, older)
		if (d == nil) != (len(gained) == 0) || d != nil && *d != gained[0] {
			t.Errorf("%s: Narrower = %v", name, d)
		}
	}
}

const (
	remote = "[mcp.s]\nurl = \"https://a.com/\"\nfunctions = [\"get\"]\n"
	pin    = "tools_sha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n"
)

// The same command is another server when it is started elsewhere, as one that a policy inherits is not.
func TestServersOfTwoFolders(t *testing.T) {
	const text = "policy = 1\nname = \"n\"\n" + serverTable
	here, there := parseAs(t, "here/p.toml", text), parseAs(t, "there/p.toml", text)
	if d := policies.Narrower(here, there); d == nil || !d.Undecided || d.Subject != "mcp.s.command" {
		t.Errorf("%+v", d)
	}
	vocab := vocabulary()
	vocab.Open = func(string) ([]byte, error) { return []byte(text), nil }
	child := "policy = 1\nname = \"n\"\nextends = \"../here/p.toml\"\n[mcp.s]\ncalls = 3\n"
	p, err := policies.Parse("there/p.toml", []byte(child), vocab)
	if err != nil || p.Servers[0].Folder != "here" {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err = policies.Parse("there/p.toml", []byte(child+"command = [\"s\"]\n"), vocab); err == nil {
		t.Error("an extending policy starts the command in its own folder")
	}
}

// Of a fixed key any other value is more, however alike they are printed.
func TestFixedKeys(t *testing.T) {
	vocab := vocabulary()
	vocab.Families["math"] = policies.Family{
		Functions: functions("sqrt"),
		Scopes:    []policies.ScopeKey{{Name: "headers", Type: policies.ScopeMap, Doc: "d", Example: `{ a = "b" }`, Fixed: true}},
	}
	long := strings.Repeat("x", 80)
	var both []*policies.Policy
	for _, value := range []string{long, long + "y"} {
		p, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\n[grant.math]\nfunctions = [\"sqrt\"]\nheaders = { a = \""+value+"\" }\n"), vocab)
		if err != nil {
			t.Fatal(err)
		}
		both = append(both, p)
	}
	if policies.Narrower(both[0], both[1]) == nil || policies.Narrower(both[1], both[0]) == nil || policies.Narrower(both[0], both[0]) != nil {
		t.Error("another value of a fixed key is not noticed")
	}
}

// randomPolicy writes a policy of the families store and math.
func randomPolicy(r *rand.Rand, name string) string {
	pick := func(options ...string) string { return options[r.IntN(len(options))] }
	some := func(options ...string) string {
		var chosen []string
		for _, o := range options {
			if r.IntN(2) == 0 {
				chosen = append(chosen, o)
			}
		}
		if len(chosen) == 0 {
			chosen = options[:1]
		}
		return "[" + strings.Join(chosen, ", ") + "]"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "policy = 1\nname = %q\n", name)
	if r.IntN(4) > 0 {
		fmt.Fprintf(&b, "[grant.math]\nfunctions = %s\n%s%s%s", some(`"sqrt"`, `"log"`, `"cos"`),
			pick("", "calls = 1\n", "calls = 2\n"), pick("", "when = 'args.x < 10'\n", "when = 'args.x < 5'\n"), pick("", "approve = \"always\"\n"))
	}
	if r.IntN(4) > 0 {
		fmt.Fprintf(&b, "[grant.store]\nfunctions = %s\npaths = %s\nkinds = %s\n%s%s", some(`"put"`, `"take"`),
			some(`"a/**"`, `"a/*"`, `"a/b"`, `"**"`, `"*/b"`), some(`"text"`, `"image"`), pick("", "max_size = 10\n", "max_size = 20\n"), pick("", "rate = \"1/s\"\n"))
	}
	return b.String()
}

func randomCall(r *rand.Rand) policies.Call {
	pick := func(options ...any) any { return options[r.IntN(len(options))] }
	return policies.Call{
		Capability: pick("math.sqrt", "math.log", "math.cos", "store.put", "store.take").(string),
		Arguments: policies.NamedArguments{
			"x": pick(int64(3), int64(7), 12.5, "text", nil), "path": pick("a", "a/b", "a/b/c", "b/b", "c"),
			"size": pick(int64(5), int64(15), int64(100)), "kind": pick("text", "image", "sound"),
		},
		Now: noon,
	}
}

// What is narrower allows no call that the other does not, whatever was called before.
func TestNarrowerIsTrue(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	narrower, allowed := 0, 0
	for range 4000 {
		parent, child := parse(t, randomPolicy(r, "n")), parse(t, randomPolicy(r, "n"))
		if policies.Narrower(parent, parent) != nil {
			t.Fatalf("not narrower than itself:\n%s", form(parent))
		}
		if policies.Narrower(child, parent) != nil {
			continue
		}
		narrower++
		one, other := new(policies.Usage), new(policies.Usage)
		rates, otherRates := new(policies.Rates), new(policies.Rates)
		for range 20 {
			a := randomCall(r)
			a.Approval = &policies.Approval{Allow: true, By: "ada"}
			b := a
			a.Usage, a.Rates, b.Usage, b.Rates = one, rates, other, otherRates
			if !child.Decide(&a).Allow {
				continue
			}
			allowed++
			if theirs := parent.Decide(&b); !theirs.Allow {
				t.Fatalf("%s(%v) is allowed by\n%s\nand not by\n%s\n%+v", a.Capability, a.Arguments, form(child), form(parent), theirs)
			}
		}
	}
	if narrower < 200 || allowed < 100 {
		t.Errorf("only %d pairs and %d calls", narrower, allowed)
	}
}

// A policy that extends another parses exactly if it is narrower, and then allows no more.
func TestExtendsNarrows(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	accepted := 0
	for range 2000 {
		vocab := vocabulary()
		base := randomPolicy(r, "base")
		vocab.Open = func(string) ([]byte, error) { return []byte(base), nil }
		parent, err := policies.Parse("base.toml", []byte(base), vocab)
		if err != nil {
			t.Fatal(err)
		}
		src := strings.Replace(randomPolicy(r, "child"), "name =", "extends = \"base.toml\"\nname =", 1)
		child, err := policies.Parse("child.toml", []byte(src), vocab)
		if err != nil {
			continue
		}
		accepted++
		if d := policies.Narrower(child, parent); d != nil || child.Base == nil || child.Digest == parent.Digest {
			t.Fatalf("%s\nextends\n%s\n%v", src, base, d)
		}
		for range 20 {
			a := randomCall(r)
			b := a
			if child.Decide(&a).Allow && !parent.Decide(&b).Allow {
				t.Fatalf("%v is allowed by\n%s\nand not by\n%s", a, src, base)
			}
		}
	}
	if accepted < 50 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// The digest covers what is extended.
func TestDigestCoversTheBase(t *testing.T) {
	vocab := vocabulary()
	base := "policy = 1\nname = \"base\"\n"
	vocab.Open = func(path string) ([]byte, error) {
		if path != "folder/base.toml" {
			return nil, fmt.Errorf("asked for %s", path)
		}
		return []byte(base), nil
	}
	digests := []string{}
	for _, base = range []string{base, base + "# changed\n"} {
		p, err := policies.Parse("folder/p.toml", []byte("policy = 1\nname = \"n\"\nextends = \"base.toml\"\n"), vocab)
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, p.Digest)
	}
	if digests[0] == digests[1] {
		t.Error("the digest does not cover the base")
	}
	vocab.Open = nil
	if _, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\nextends = \"base.toml\"\n"), vocab); err == nil {
		t.Error("a policy that cannot be read is ignored")
	}
}

// The log of the base is written where the base says, whatever the folder of the child.
func TestInheritedLog(t *testing.T) {
	vocab := vocabulary()
	vocab.Open = func(string) ([]byte, error) {
		return []byte("policy = 1\nname = \"base\"\naudit.log = \"records\"\n"), nil
	}
	p, err := policies.Parse("a/b/p.toml", []byte("policy = 1\nname = \"n\"\nextends = \"../base.toml\"\n"), vocab)
	if err != nil || p.Audit.Log != "../records" {
		t.Errorf("%+v, %v", p, err)
	}
}
