package policies

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/values"
)

// What is decided without counting must be decided the same with counting, and within the limit: for arguments as large as small ones can be.
func TestSmallArgumentsCostWhatIsPermitted(t *testing.T) {
	vocab := Vocabulary{Families: map[string]Family{"web": {Functions: []Function{{Name: "get", Parameters: []Parameter{
		{Name: "url", Type: "str"}, {Name: "tags", Type: "list[str]"}, {Name: "headers", Type: "dict[str]"}, {Name: "any"},
	}}}}}}
	items := func(n int, text string) values.List {
		list := make(values.List, n)
		for i := range list {
			list[i] = text
		}
		return list
	}
	dict := func(n int) *values.Dict {
		d := values.NewDict(n)
		for i := range n {
			d.SetString(fmt.Sprint(i), "x")
		}
		return d
	}
	arguments := []NamedArguments{
		{"url": strings.Repeat("a", maxSmall), "tags": values.List{}, "headers": dict(0), "any": nil},
		{"url": "", "tags": items(maxSmall, ""), "headers": dict(0), "any": int64(1)},
		{"url": "", "tags": items(2, strings.Repeat("b", maxSmall/2-1)), "headers": dict(0), "any": 1.5},
		{"url": "", "tags": values.List{}, "headers": dict(60), "any": nil},
		{"url": "https://a.example/", "tags": values.List{"x", "y"}, "headers": dict(3), "any": values.List{values.List{"z"}, nil}},
	}
	for when, counted := range map[string]bool{
		`args.url.startsWith("https://") && size(args.tags) < 3`:                                   false,
		`args.tags.all(t, t != "" && !t.contains("secret"))`:                                       false,
		`args.url.matches("^(a|b)*c.*$")`:                                                          false,
		`args.headers.all(name, args.headers[name] == "x")`:                                        false,
		`args.tags.exists(t, t + t + args.url == "bbbb")`:                                          false,
		`args.any == null || args.any in args.tags`:                                                false,
		`call.count < 3 && call.session != "s" && policy.name.size() < 3`:                          false,
		`args.tags.all(a, args.tags.all(b, args.tags.all(c, a + b != c)))`:                         true,
		`[args.url].all(u, [u + u].all(v, args.tags.all(t, args.tags.exists(s, s + t + v == u))))`: true,
	} {
		p, err := Parse("p", []byte("policy = 1\nname = \"n\"\n[grant.web]\nfunctions = [\"get\"]\nwhen = '"+when+"'\n"), vocab)
		if err != nil {
			t.Fatal(err)
		}
		program := p.Grants[0].Conditions[0].programs["get"]
		if counted != (program.small == nil) {
			t.Errorf("%s: counted %v", when, !counted)
		}
		for _, args := range arguments {
			v := &variables{policy: "n", function: "get", call: &Call{Arguments: args, Session: "s"}, count: 1, params: program.params}
			if !v.areSmall() {
				t.Fatalf("%s: not small: %v", when, args)
			}
			if program.small == nil {
				continue
			}
			small, err := program.small()
			if err != nil {
				t.Fatal(err)
			}
			want, _, wantErr := program.cel.Eval(v)
			got, _, gotErr := small.Eval(v)
			if (wantErr == nil) != (gotErr == nil) || wantErr == nil && want.Value() != got.Value() || wantErr != nil && strings.Contains(wantErr.Error(), "cost limit") {
				t.Errorf("%s of %v: counted %v, %v; not counted %v, %v", when, args, want, wantErr, got, gotErr)
			}
		}
	}
	large := &variables{call: &Call{Arguments: NamedArguments{"tags": items(maxSmall/2, "x"), "url": "x"}}, params: map[string]Parameter{"tags": {Name: "tags"}, "url": {Name: "url"}}}
	if large.areSmall() {
		t.Error("all arguments together are not small")
	}
	if (&variables{call: &Call{Session: strings.Repeat("x", maxSmall+1)}}).areSmall() {
		t.Error("a long session is small")
	}
}
