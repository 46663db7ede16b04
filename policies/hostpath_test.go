package policies_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// files is a vocabulary with a family whose scope has paths of the host in it.
func files(open func(string) ([]byte, error)) policies.Vocabulary {
	return policies.Vocabulary{Open: open, Families: map[string]policies.Family{"files": {
		Functions: []policies.Function{{Name: "read"}},
		Scopes: []policies.ScopeKey{
			{Name: "roots", Type: policies.ScopeMap, HostPath: true, Doc: "d", Example: `{a = "a"}`, CheckName: func(name string) (message, hint string) {
				if strings.Contains(name, "/") {
					return "has a slash", "leave it out"
				}
				return "", ""
			}},
			{Name: "store", Type: policies.ScopeString, HostPath: true, Doc: "d", Example: `"s"`},
			{Name: "more", Type: policies.ScopeStrings, HostPath: true, Doc: "d", Example: `["m"]`},
		},
	}}}
}

func TestHostPathsAreRelativeToTheirPolicy(t *testing.T) {
	absolute, err := filepath.Abs("elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	src := "policy = 1\nname = \"n\"\n[grant.files]\nfunctions = [\"read\"]\nstore = \"../s.db\"\nmore = [\".\", \"" + filepath.ToSlash(absolute) + "\"]\nroots = {a = \"./a\", b = \"b/../c\"}\n"
	p, err := policies.Parse(filepath.Join("x", "y", "policy.toml"), []byte(src), files(nil))
	if err != nil {
		t.Fatal(err)
	}
	s := p.Grant("files").Scope
	for got, want := range map[string]string{
		s.Text("store"): "x/s.db", s.List("more")[0]: "x/y", filepath.ToSlash(s.List("more")[1]): filepath.ToSlash(absolute), s.Map("roots")["a"]: "x/y/a", s.Map("roots")["b"]: "x/y/c",
	} {
		if filepath.ToSlash(got) != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	_, err = policies.Parse("p.toml", []byte(strings.Replace(src, "{a =", "{\"a/b\" =", 1)), files(nil))
	if err == nil || !strings.Contains(err.Error(), `p.toml:7:10: grant.files.roots: "a/b" has a slash (leave it out)`) {
		t.Errorf("%v", err)
	}
}

// The same words in another folder are other files: a policy elsewhere cannot widen what it extends by them.
func TestHostPathsAreComparedByWhatTheyMean(t *testing.T) {
	const grant = "[grant.files]\nfunctions = [\"read\"]\nroots = {a = \"a\"}\nstore = \"s\"\n"
	vocab := files(func(string) ([]byte, error) { return []byte("policy = 1\nname = \"base\"\n" + grant), nil })
	for child, narrower := range map[string]bool{
		"extends = \"base.toml\"\n" + grant:                                    true,
		"extends = \"sub/base.toml\"\n" + grant:                                false,
		"extends = \"sub/base.toml\"\n[grant.files]\nfunctions = [\"read\"]\n": true,
		"extends = \"sub/base.toml\"\n[grant.files]\nfunctions = [\"read\"]\nroots = {a = \"sub/a\"}\nstore = \"./sub/../sub/s\"\n": true,
		"extends = \"sub/base.toml\"\n[grant.files]\nfunctions = [\"read\"]\nroots = {a = \"sub\"}\n":                               false,
	} {
		p, err := policies.Parse("child.toml", []byte("policy = 1\nname = \"child\"\n"+child), vocab)
		if (err == nil) != narrower {
			t.Errorf("%s: %v", child, err)
		}
		if p != nil && err == nil && strings.Contains(child, "sub/") && filepath.ToSlash(p.Grant("files").Scope.Map("roots")["a"]) != "sub/a" {
			t.Errorf("%s: %v", child, p.Grant("files").Scope.Map("roots"))
		}
	}
}

func TestSpend(t *testing.T) {
	var u policies.Usage
	for _, test := range []struct {
		n, most int64
		want    bool
	}{{3, 10, true}, {8, 10, false}, {7, 10, true}, {0, 10, true}, {1, 10, false}, {0, 5, false}, {-1, 100, false}, {1<<63 - 1, 1<<63 - 1, false}, {5, 15, true}} {
		if got := u.Spend("files.total", test.n, test.most); got != test.want {
			t.Errorf("%+v: %v, %v", test, got, u.Spent)
		}
	}
	if copied := u.Clone(); !copied.Spend("files.total", 1, 16) || u.Spent["files.total"] != 15 {
		t.Errorf("%v, copy %v", u.Spent, copied.Spent)
	}
	var none *policies.Usage
	if !none.Spend("files.total", 10, 10) || none.Spend("files.total", 11, 10) || none.Spend("files.total", -1, 10) {
		t.Error("without usage there is what there is at the beginning")
	}
	if err := u.UnmarshalJSON([]byte(`{"spent": {"files.total": -5}}`)); err == nil {
		t.Error("a larger quota was taken")
	}
	if err := u.UnmarshalJSON([]byte(`{"spent": {"files.total": 5}}`)); err != nil || u.Spent["files.total"] != 5 {
		t.Errorf("%v, %v", u.Spent, err)
	}
}
