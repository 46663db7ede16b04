package policies_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
)

func parse(t *testing.T, src string) *policies.Policy {
	t.Helper()
	return parseAs(t, "policy.toml", src)
}

func parseAs(t *testing.T, file, src string) *policies.Policy {
	t.Helper()
	p, err := policies.Parse(file, []byte(src), vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The default policy spells out the defaults, so that it shows what a policy
// without those keys means, and grants all of math and json.
func TestDefaultPolicy(t *testing.T) {
	src, err := os.ReadFile("../policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	p := parse(t, string(src))
	least := parse(t, "policy = 1\nname = \"default\"\n")

	if p.Name != "default" || len(p.Warnings) != 0 {
		t.Errorf("name %q, warnings %v", p.Name, p.Warnings)
	}
	slices.Sort(p.Python.Imports)
	if p.Limits != least.Limits || !reflect.DeepEqual(p.Audit, least.Audit) || !reflect.DeepEqual(p.Python, least.Python) {
		t.Errorf("it does not spell out the defaults:\n%s\n%s", form(p), form(least))
	}
	for _, key := range policies.Schema(policies.Vocabulary{}) {
		name := key.Path[strings.LastIndexByte(key.Path, '.')+1:]
		if strings.HasPrefix(key.Path, "tool.") || strings.HasPrefix(key.Path, "mcp.") || name == "extends" {
			continue
		}
		if !strings.Contains(string(src), "\n"+name) && !strings.Contains(string(src), "\n# "+name) && !strings.Contains(string(src), "\n#   "+name) {
			t.Errorf("it does not show the key %s", key.Path)
		}
	}
	families := names(vocabulary())
	for _, family := range []string{"json", "math"} {
		i := slices.IndexFunc(p.Grants, func(g policies.Grant) bool { return g.Family == family })
		if i < 0 || !slices.Equal(p.Grants[i].Functions, families[family]) {
			t.Errorf("it does not grant all of %s", family)
		}
	}
	if len(p.Grants) != 2 {
		t.Errorf("it grants %d families", len(p.Grants))
	}
}

func TestDefaultLimits(t *testing.T) {
	want := policies.Limits{
		WallTime:  10 * time.Second,
		Fuel:      5_000_000_000,
		Memory:    256 << 20,
		Output:    64 << 10,
		Result:    1 << 20,
		HostCalls: 1000,
		Recursion: 1000,
	}
	if got := policies.DefaultLimits(); got != want {
		t.Errorf("DefaultLimits = %+v", got)
	}
	var zero policies.Policy
	if got := zero.Limits.WithDefaults(); got != want {
		t.Errorf("the zero policy's limits = %+v", got)
	}
	some := policies.Limits{Fuel: 7, Memory: -1}.WithDefaults()
	want.Fuel = 7
	if some != want {
		t.Errorf("WithDefaults = %+v", some)
	}
}

func TestDigestIsOfTheExactBytes(t *testing.T) {
	src := "policy = 1\r\nname = \"n\" # comment\n"
	want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(src)))
	if p := parse(t, src); p.Digest != want || p.File != "policy.toml" {
		t.Errorf("Digest = %s, File = %s, want %s", p.Digest, p.File, want)
	}
}

// A base list may name more than an old or small guest has; a policy may not.
func TestImportsOfASmallGuest(t *testing.T) {
	small := policies.Vocabulary{Modules: []string{"re", "time", "zlib"}}
	p, err := policies.Parse("p", []byte("policy = 1\nname = \"n\""), small)
	if err != nil || !slices.Equal(p.Python.Imports, []string{"re", "time"}) {
		t.Errorf("imports = %v, %v", p, err)
	}
	if _, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\npython.imports = [\"csv\"]"), small); err == nil {
		t.Error("an import that the guest lacks is accepted")
	}
	unchecked := policies.Vocabulary{}
	p, err = policies.Parse("p", []byte("policy = 1\nname = \"n\"\npython.imports = [\"numpy\"]"), unchecked)
	if err != nil || !slices.Equal(p.Python.Imports, []string{"numpy"}) {
		t.Errorf("unchecked imports = %v, %v", p, err)
	}
}

func TestDefaultImports(t *testing.T) {
	imports := policies.DefaultImports()
	if !slices.IsSorted(imports) || len(slices.Compact(slices.Clone(imports))) != len(imports) {
		t.Error("the base list is not sorted or repeats itself")
	}
	for _, never := range strings.Fields("math json os sys subprocess socket ctypes importlib inspect gc builtins pickle threading") {
		if slices.Contains(imports, never) {
			t.Errorf("the base list has %s", never)
		}
	}
	imports[0] = "os"
	if policies.DefaultImports()[0] == "os" {
		t.Error("the base list can be changed from without")
	}
}

// Parse does not hold on to the caller's bytes.
func TestSourceMayBeReused(t *testing.T) {
	src := []byte("policy = 1\nname = \"abcd\"\n[grant.math]\nfunctions = [\"sqrt\"]\n")
	p, err := policies.Parse("p", src, vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	for i := range src {
		src[i] = 'x'
	}
	if p.Name != "abcd" || !decide(p, "math.sqrt").Allow {
		t.Errorf("the policy changed with its source: %s", form(p))
	}
}

func TestErrors(t *testing.T) {
	_, err := policies.Parse("some/p.toml", []byte("policy = 1\nnmae = \"n\"\nname = 3\n"), vocabulary())
	var all policies.Errors
	if !errors.As(err, &all) || len(all) != 2 {
		t.Fatalf("Parse = %v", err)
	}
	var first *policies.Error
	if !errors.As(err, &first) || first != all[0] {
		t.Errorf("errors.As finds %v", first)
	}
	if first.File != "some/p.toml" || first.Line != 2 || first.Column != 1 || first.Hint != `did you mean "name"?` {
		t.Errorf("first = %+v", first)
	}
	if !errors.Is(err, all[1]) {
		t.Error("errors.Is does not find the second mistake")
	}
}

// What a hostile policy and a hostile file name can put into messages is shown
// and not obeyed, and no name is repeated at its whole length.
func TestMessagesCanBeShown(t *testing.T) {
	const file = "\x1b]0;title\a\n.toml"
	var keys strings.Builder
	for i := range 100 {
		fmt.Fprintf(&keys, "k%d = 1\n", i)
	}
	for _, family := range []string{`\u001b[31m`, `a\nb`, `\u202e`, `\u009b`, `\u0000`, strings.Repeat("k", 100_000)} {
		for _, header := range []string{"[grant.\"" + family + "\"]\n", "[grant.store.labels]\n\"" + family + "\" = 1\n[grant.math.\"" + family + "\"]\n", "[tool.\"" + family + "\"]\n[limits]\n"} {
			_, err := policies.Parse(file, []byte("policy = 1\nname = \"n\"\n"+header+keys.String()), vocabulary())
			var all policies.Errors
			if !errors.As(err, &all) {
				t.Fatalf("Parse = %v", err)
			}
			for _, e := range all {
				checkLine(t, e)
			}
		}
	}
	d := decide(parseAs(t, file, analyst), "math.cos")
	checkLine(t, &policies.Error{Position: d.Position, Message: d.Reason, Hint: d.Hint})
}

func TestPosition(t *testing.T) {
	tests := map[string]policies.Position{
		"p.toml:3:4": {File: "p.toml", Line: 3, Column: 4},
		"p.toml":     {File: "p.toml"},
		"3:4":        {Line: 3, Column: 4},
		"":           {},

		`\x1b[31mp\n.toml:3:4`: {File: "\x1b[31mp\n.toml", Line: 3, Column: 4},
		`p\u202e.toml`:         {File: "p\u202e.toml"},
		`p\xff.toml`:           {File: "p\xff.toml"},
		`日本 ü.toml:1:1`:        {File: "日本 ü.toml", Line: 1, Column: 1},
		`C:\p.toml:1:1`:        {File: `C:\p.toml`, Line: 1, Column: 1},
	}
	for want, p := range tests {
		if got := p.String(); got != want {
			t.Errorf("%+v prints %q, want %q", p, got, want)
		}
	}
}
