package policies_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// What a family says beyond its schema: a warning, names of a table's entries, denials that come late.
func TestWarningNamesAndLateDenials(t *testing.T) {
	vocab := policies.Vocabulary{Families: map[string]policies.Family{"web": {
		Functions: []policies.Function{{Name: "get"}},
		Warning:   "it is a web",
		Scopes: []policies.ScopeKey{
			{Name: "to", Type: policies.ScopeMap, Doc: "Where to.", Example: `{a = "b"}`, CheckName: func(name string) (string, string) {
				if name == strings.ToLower(name) {
					return "", ""
				}
				return "is not in lower case", "write " + strings.ToLower(name)
			}},
		},
		Decide: func(policies.ScopedCall) policies.Verdict { return policies.Verdict{Allow: true} },
	}}}
	const text = "policy = 1\nname = \"p\"\n[grant.web]\nfunctions = [\"get\"]\nto = { a = \"x\" }\n"
	p, err := policies.Parse("p.toml", []byte(text), vocab)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) != 1 || p.Warnings[0].Error() != "p.toml:3:1: grant.web: it is a web" {
		t.Errorf("warnings %v", p.Warnings)
	}
	d := p.Refuse("web", policies.Verdict{Allow: true, Key: "to", Reason: "it leads to\x1bb", Nearest: "a"})
	if d.Allow || d.By != "to" || d.Rule != "grant.web" || d.Position.String() != "p.toml:5:6" || d.Reason != `it leads to\x1bb` || d.Hint != "permitted: a" {
		t.Errorf("decision %+v", d)
	}
	if d := p.Refuse("other", policies.Verdict{Allow: true}); d.Allow {
		t.Errorf("decision %+v", d)
	}
	_, err = policies.Parse("p.toml", []byte(strings.Replace(text, "a =", "A =", 1)), vocab)
	if err == nil || err.Error() != `p.toml:5:8: grant.web.to: "A" is not in lower case (write a)` {
		t.Errorf("mistake %v", err)
	}
}
