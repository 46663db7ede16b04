package policies_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/postern-sandbox/postern/policies"
)

var update = flag.Bool("update", false, "write what Parse returns into the corpus")

// TestCorpus reads testdata/*.txtar. Each archive is a list of pairs: a policy
// NAME.toml and, in NAME.want, what Parse makes of it. Of a broken policy that
// is every mistake; of a valid one it is its parsed form and its warnings.
func TestCorpus(t *testing.T) {
	broken := 0
	for name, archive := range archives(t, "*.txtar") {
		topic := strings.TrimSuffix(filepath.Base(name), ".txtar")
		var updated []txtar.File
		for i := 0; i < len(archive.Files); i++ {
			policy := archive.Files[i]
			id, ok := strings.CutSuffix(policy.Name, ".toml")
			if !ok {
				t.Fatalf("%s: %s has no policy before it", name, policy.Name)
			}
			want := txtar.File{Name: id + ".want"}
			if i+1 < len(archive.Files) && archive.Files[i+1].Name == want.Name {
				i++
				want = archive.Files[i]
			}
			t.Run(topic+"/"+id, func(t *testing.T) {
				p, err := policies.Parse("p", policy.Data, vocabulary())
				got := form(p)
				if err != nil {
					broken++
					got = err.Error() + "\n"
				}
				if p != nil && err != nil {
					t.Errorf("both a policy and an error")
				}
				if valid := topic == "valid"; valid != (err == nil) {
					t.Errorf("error = %v in the topic %s", err, topic)
				}
				if *update {
					want.Data = []byte(got)
				} else if got != string(want.Data) {
					t.Errorf("policy:\n%s\ngot:\n%s\nwant:\n%s", policy.Data, got, want.Data)
				}
			})
			updated = append(updated, policy, want)
		}
		if *update {
			archive.Files = updated
			if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if broken < 100 {
		t.Errorf("only %d broken policies", broken)
	}
}

// form prints all that a policy holds, one fact a line.
func form(p *policies.Policy) string {
	if p == nil {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, "name %s\n", p.Name)
	l := p.Limits
	fmt.Fprintf(&b, "limits wall_time=%v fuel=%d memory=%d output=%d result=%d host_calls=%d recursion=%d\n",
		l.WallTime, l.Fuel, l.Memory, l.Output, l.Result, l.HostCalls, l.Recursion)
	fmt.Fprintf(&b, "imports %s\n", strings.Join(p.Python.Imports, " "))
	if len(p.Python.Packages) > 0 {
		fmt.Fprintf(&b, "packages %v\n", p.Python.Packages)
	}
	fmt.Fprintf(&b, "hash_seed %d\n", p.Python.HashSeed)
	fmt.Fprintf(&b, "audit log=%q arguments=%q\n", p.Audit.Log, p.Audit.Arguments)
	if a := p.Audit; a.Redact != nil || a.Durability != policies.DurabilityEffects || a.Rotate != 64<<20 || a.Key != "" {
		fmt.Fprintf(&b, "audit redact=%q durability=%q rotate=%d key=%q\n", a.Redact, a.Durability, a.Rotate, a.Key)
	}
	for i := range p.Grants {
		b.WriteString(grantForm(&p.Grants[i]))
	}
	for i := range p.Tools {
		tool := &p.Tools[i]
		fmt.Fprintf(&b, "tool.%s at %v: plugin=%q sha256=%.8s limits=%v%s\n", tool.Name, tool.Position, tool.Plugin, tool.SHA256, tool.Limits, termsForm(&tool.Terms))
		if tool.Schema != "" || tool.Stateful || tool.Functions != nil {
			fmt.Fprintf(&b, "  schema=%q functions=%q at %v stateful=%t\n", tool.Schema, tool.Functions, tool.Positions, tool.Stateful)
		}
		if tool.SchemaSHA256 != "" {
			fmt.Fprintf(&b, "  schema_sha256=%.8s\n", tool.SchemaSHA256)
		}
		if tool.IsPython() {
			fmt.Fprintf(&b, "  imports %s\n", strings.Join(tool.Python.Imports, " "))
		}
		for j := range tool.Grants {
			b.WriteString("  " + grantForm(&tool.Grants[j]))
		}
	}
	for i := range p.Servers {
		s := &p.Servers[i]
		fmt.Fprintf(&b, "mcp.%s at %v: command=%q folder=%q url=%q functions=%q at %v%s\n", s.Name, s.Position, s.Command, s.Folder, s.URL, s.Functions, s.Positions, termsForm(&s.Terms))
		fmt.Fprintf(&b, "  env=%q env_from=%q headers_from=%q tools_sha256=%.8s max_response=%d start_timeout=%v\n", s.Env, s.EnvFrom, s.HeadersFrom, s.ToolsSHA256, s.MaxResponse, s.StartTimeout)
		for _, c := range s.Conditions {
			fmt.Fprintf(&b, "  when=%q@%v about %q\n", c.Text, c.Position, c.Parameters())
		}
	}
	for _, w := range p.Warnings {
		fmt.Fprintf(&b, "warning %v\n", w)
	}
	return b.String()
}

func grantForm(g *policies.Grant) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s at %v:", g.Rule(), g.Position)
	for i, f := range g.Functions {
		fmt.Fprintf(&b, " %s@%d:%d", f, g.Positions[i].Line, g.Positions[i].Column)
	}
	b.WriteString(termsForm(&g.Terms))
	for _, c := range g.Conditions {
		fmt.Fprintf(&b, " when=%q@%v", c.Text, c.Position)
	}
	for _, key := range vocabulary().Families[g.Family].Scopes {
		if v, ok := g.Scope.Value(key.Name); ok && v.Position.Line > 0 {
			fmt.Fprintf(&b, " %s=%v@%d:%d", key.Name, v, v.Position.Line, v.Position.Column)
		}
	}
	return b.String() + "\n"
}

func termsForm(t *policies.Terms) string {
	var b strings.Builder
	if t.Calls != 0 {
		fmt.Fprintf(&b, " calls=%d", t.Calls)
	}
	if t.Rate.Calls != 0 {
		fmt.Fprintf(&b, " rate=%v", t.Rate)
	}
	if t.Timeout != 0 {
		fmt.Fprintf(&b, " timeout=%v", t.Timeout)
	}
	if t.Approve != "" {
		fmt.Fprintf(&b, " approve=%s", t.Approve)
	}
	if t.As != "" {
		fmt.Fprintf(&b, " as=%s", t.As)
	}
	if t.Note != "" {
		fmt.Fprintf(&b, " note=%q", t.Note)
	}
	if !t.Expires.IsZero() {
		fmt.Fprintf(&b, " expires=%s", t.Expires.Format(time.RFC3339))
	}
	return b.String()
}

// What a text file in an archive cannot hold.
func TestBytes(t *testing.T) {
	const head = "policy = 1\nname = \"n\"\n"
	tests := map[string]struct {
		src  string
		want string
	}{
		"empty":              {"", "p:1:1: \"policy\" is missing (write policy = 1)\np:1:1: \"name\" is missing (write for example name = \"analyst\")"},
		"byte order mark":    {"\ufeff" + head, "p:1:1: the file begins with a byte order mark (save it as UTF-8 without one)"},
		"invalid UTF-8":      {head + "# é\xff", "p:3:4: the file is not valid UTF-8"},
		"stray byte":         {head + "# é\x80", "p:3:4: the file is not valid UTF-8"},
		"cut character":      {head + "# \xe2\x82", "p:3:3: the file is not valid UTF-8"},
		"escape":             {head + "\x1b[31m = 1", "p:3:1: not valid TOML: invalid character at start of key: U+001B"},
		"escape in a string": {head + "x = \"a\x1bb\"", "p:3:7: not valid TOML: basic strings cannot have control characters"},
		"escape in a remark": {head + "# \x1b[31m", "p:3:3: not valid TOML: control characters are not allowed in comments"},
		"far to the right":   {head + "x = [" + strings.Repeat("'é', ", 2000) + "] y", "p:3:10008: not valid TOML: expected newline but got U+0079 'y'"},
		"a long size":        {head + "limits.memory = \"" + strings.Repeat("9", 9000) + "\"", "p:3:17: limits.memory: \"" + strings.Repeat("9", 60) + "…\" is more bytes than fit into 64 bits"},
		"too large":          {head + strings.Repeat("#", 1<<20), "p: the file is larger than 1MiB"},
		"null byte":          {head + "\x00", "p:3:1: not valid TOML: invalid character at start of key: U+0000"},
		"CRLF":               {strings.ReplaceAll(head+"x = 1\n", "\n", "\r\n"), "p:3:1: unknown key \"x\" (known here: audit, extends, grant, limits, mcp, name, policy, python, tool)"},
		"lone CR":            {head + "x = 1\r", "p:3:6: not valid TOML: expected newline but got U+000D"},
		"a long key":         {head + strings.Repeat("k", 5000) + " = 1", "p:3:1: unknown key \"" + strings.Repeat("k", 60) + "…\" (known here: audit, extends, grant, limits, mcp, name, policy, python, tool)"},
		"a deep array":       {head + "x = " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "p:3:20: nested more than 16 levels deep"},
		"a bottomless array": {head + "x = " + strings.Repeat("[", 500_000), "p:3:10005: not valid TOML: arrays and inline tables are nested more than the maximum of 10000 levels deep"},
		"a deep table":       {head + "[" + strings.Repeat("a.", 9000) + "a]", "p:3:2: unknown table \"a\" (known here: audit, extends, grant, limits, mcp, name, policy, python, tool)\np:3:34: nested more than 16 levels deep"},
		"a deep key":         {head + strings.Repeat("a.", 9000) + "a = 1", "p:3:1: unknown table \"a\" (known here: audit, extends, grant, limits, mcp, name, policy, python, tool)\np:3:33: nested more than 16 levels deep"},
		"a deep inline":      {head + "x = " + strings.Repeat("{a=", 9000) + "1" + strings.Repeat("}", 9000), "p:3:50: nested more than 16 levels deep"},
		"too many elements":  {head + "x = [" + strings.Repeat("1,", 9000) + "]", "p:3:8192: more than 4096 keys and array elements"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			p, err := policies.Parse("p", []byte(test.src), vocabulary())
			var mistakes policies.Errors
			if p != nil || !errors.As(err, &mistakes) {
				t.Fatalf("Parse = %v, %v", p, err)
			}
			if got := err.Error(); got != test.want {
				t.Errorf("\ngot  %.300s\nwant %.300s", got, test.want)
			}
		})
	}
}
