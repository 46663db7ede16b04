package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// web is a family with a list that is needed, one that is not, and one that is a table.
func web() policies.Family {
	return policies.Family{
		Functions: []policies.Function{{
			Name: "get", Reads: true,
			Parameters: []policies.Parameter{{Name: "url", Type: "str"}, {Name: "headers", Type: "dict", Nullable: true}},
			Bind: func(args []any, kwargs []values.Keyword) (policies.Arguments, error) {
				bound := policies.NamedArguments{"url": args[0], "headers": nil}
				for _, k := range kwargs {
					bound[k.Name] = k.Value
				}
				return bound, nil
			},
		}},
		Scopes: []policies.ScopeKey{
			{Name: "urls", Type: policies.ScopeURLs, Doc: "Where to.", Required: "write urls", Min: 1, Example: `["https://example.org/"]`},
			{Name: "headers", Type: policies.ScopeStrings, Doc: "Which headers.", Default: `["Accept"]`, Example: `["Accept"]`},
			{Name: "names", Type: policies.ScopeMap, Doc: "What is needed besides.", Required: "write names", Example: `{ a = "b" }`},
		},
		Decide: func(call policies.ScopedCall) policies.Verdict {
			url, _ := call.Arguments.Lookup("url")
			text, ok := url.(string)
			if text == "https://panic.example/" {
				panic("in Decide")
			}
			text, _, _ = strings.Cut(text, "?")
			if !ok || !policies.MatchAny(call.Scope.Patterns("urls"), text) {
				return policies.Verdict{}
			}
			if headers, _ := call.Arguments.Lookup("headers"); headers != nil {
				for name := range headers.(*values.Dict).All() {
					if !slices.Contains(call.Scope.List("headers"), name.(string)) {
						return policies.Verdict{}
					}
				}
			}
			return policies.Verdict{Allow: true}
		},
	}
}

func TestLearnedScope(t *testing.T) {
	l := &learner{vocab: policies.Vocabulary{Families: map[string]policies.Family{"web": web()}}}
	get := func(url string, headers ...string) triedCall {
		w := policies.Written{Args: []any{url}}
		if len(headers) > 0 {
			d := values.NewDict(1)
			for _, name := range headers {
				d.SetString(name, "https://not.example/")
			}
			w.Kwargs = []values.Keyword{{Name: "headers", Value: d}}
		}
		return triedCall{"", "web", "get", w}
	}
	for name, test := range map[string]struct {
		tried           []triedCall
		toml, questions string
	}{
		"what was asked for": {
			[]triedCall{get("https://a.example/x/y?q=1"), get("https://a.example/x/y?q=2")},
			"urls = [\"https://a.example/x/y\"]\nnames = { a = \"b\" }\n",
			"# Wider? urls = [\"https://a.example/**\"]\n# Wider? urls = [\"https://a.example/x/**\"]\n# names is an example. What is needed besides.\n",
		},
		"only what is needed": {
			[]triedCall{get("https://a.example/", "Accept"), get("https://b.example/", "X-One")},
			"urls = [\"https://a.example/\", \"https://b.example/\"]\nheaders = [\"Accept\", \"X-One\"]\nnames = { a = \"b\" }\n",
			"# Wider? urls = [\"https://a.example/**\"]\n# Wider? urls = [\"https://b.example/**\"]\n# names is an example. What is needed besides.\n",
		},
		// The program must not get a pattern by asking for it, nor a line of its own.
		"wildcards": {
			[]triedCall{get("https://**"), get("https://*.example/"), get("https://a.example/\n# x\nurls = ['**']")},
			"urls = [\"https://example.org/\"]\nnames = { a = \"b\" }\n",
			"# These keys do not permit it yet: web.get('https://**')\n# These keys do not permit it yet: web.get('https://*.example/')\n" +
				"# These keys do not permit it yet: web.get(\"https://a.example/\\n# x\\nurls = ['**']\")\n# urls is an example. Where to.\n# names is an example. What is needed besides.\n",
		},
		"a family that fails": {
			[]triedCall{get("https://panic.example/")},
			"urls = [\"https://panic.example/\"]\nnames = { a = \"b\" }\n",
			"",
		},
	} {
		toml, questions := l.scope("web", test.tried)
		if toml != test.toml || test.questions != "" && questions != test.questions {
			t.Errorf("%s:\n%s%s\nwant\n%s%s", name, toml, questions, test.toml, test.questions)
		}
	}
}

func TestShellQuote(t *testing.T) {
	for text, want := range map[string]string{
		"http.get":         "'http.get'",
		"a'; rm -rf ~; '":  `'a'\''; rm -rf ~; '\'''`,
		"a\nb\x1b[31m":     `'a\nb\x1b[31m'`,
		"$(date) `date` !": "'$(date) `date` !'",
	} {
		if got := shellQuote(text); got != want {
			t.Errorf("shellQuote(%q) = %s, want %s", text, got, want)
		}
	}
}

func TestImported(t *testing.T) {
	for code, want := range map[string]bool{
		"import math": true, "  import re, math": true, "from math import pi": true, "import re as r, math as m": true,
		"import mathematics": false, "x = 'math'": false, "# import math": false, "from x import math": false,
	} {
		if imported(code, "math") != want {
			t.Errorf("%q: %v", code, !want)
		}
	}
}
