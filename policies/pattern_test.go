package policies_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

func path(t testing.TB, text string) policies.Pattern {
	t.Helper()
	p, err := policies.ParsePath(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func url(t testing.TB, text string) policies.Pattern {
	t.Helper()
	p, err := policies.ParseURL(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPathPatterns(t *testing.T) {
	for pattern, texts := range map[string]struct{ yes, no string }{
		"a":            {"a", "b aa A /a a/"},
		"/":            {"/", "a /a"},
		"/data/**":     {"/data /data/x /data/x/y", "/datas / /data/ /data//x /dat data/x"},
		"/data/*":      {"/data/x /data/.x", "/data /data/ /data/x/y"},
		"/data/*.csv":  {"/data/x.csv /data/.csv", "/data/x.csv/y /data/x/y.csv /data/x.csvs"},
		"/data/**/x":   {"/data/x /data/a/x /data/a/b/x", "/data/ax /x /data/a/x/b"},
		"data/a?c/*/d": {"data/abc/x/d data/a日c/x/d", "data/ac/x/d data/abc/d data/a/c/x/d"},
		"**":           {"a / /a/b ../x", ""},
		"**/x":         {"x a/x a/b/x /x", "ax x/a"},
		"/**":          {"/a /a/b", "a"},
		"a*b*c":        {"abc axbxc abbc", "ab a/b/c abcd"},
		"é/日":          {"é/日", "e/日"},
	} {
		matches(t, path(t, pattern), texts.yes, texts.no)
		if got, want := path(t, pattern).Match(""), pattern == "**" || pattern == "/**"; got != want {
			t.Errorf("%s matches the empty path: %v", pattern, got)
		}
	}
}

// matches checks which of the words in yes and no a pattern matches.
func matches(t *testing.T, p policies.Pattern, yes, no string) {
	t.Helper()
	for _, text := range strings.Fields(yes) {
		if !p.Match(text) {
			t.Errorf("%s does not match %s", p, text)
		}
	}
	for _, text := range strings.Fields(no) {
		if p.Match(text) {
			t.Errorf("%s matches %s", p, text)
		}
	}
}

func TestURLPatterns(t *testing.T) {
	for pattern, texts := range map[string]struct{ yes, no string }{
		"https://a.com":            {"https://a.com/", "http://a.com/ https://a.com/x https://a.com https://a.com:8443/ https://b.a.com/"},
		"https://a.com/**":         {"https://a.com/ https://a.com/x/y https://a.com/x/", "https://a.com.evil.org/ https://a.com@evil.org/ https://evil.org/https://a.com/"},
		"https://*.a.com/":         {"https://b.a.com/", "https://a.com/ https://.a.com/ https://c.b.a.com/ https://evil.org/.a.com/"},
		"https://**.a.com/":        {"https://a.com/ https://b.a.com/ https://c.b.a.com/", "https://evila.com/ https://evil.org/x.a.com/ https://evil:1.a.com/"},
		"https://a.com:443/":       {"https://a.com/", "https://a.com:443/"},
		"http://a.com:8080/":       {"http://a.com:8080/", "http://a.com/ http://a.com:80/"},
		"http://a.com:*/":          {"http://a.com/ http://a.com:1/ http://a.com:99999/", "http://a.com:1:2/ http://a.com.b/"},
		"https://a.com/v1/*/x":     {"https://a.com/v1/b/x", "https://a.com/v1/b/c/x https://a.com/v1//x"},
		"https://a.com/v1/":        {"https://a.com/v1/", "https://a.com/v1"},
		"https://[::1]/":           {"https://[::1]/", "https://[::2]/"},
		"https://10.0.0.1:99/**/b": {"https://10.0.0.1:99/b https://10.0.0.1:99/a/b", "https://10.0.0.1/b"},
		"**":                       {"https://a.com/ anything", ""},
	} {
		matches(t, url(t, pattern), texts.yes, texts.no)
	}
}

func TestNearestPattern(t *testing.T) {
	patterns := []policies.Pattern{path(t, "/tmp/**"), path(t, "/data/a/*"), path(t, "/data/b/*")}
	for text, want := range map[string]string{"/data/b": "/data/b/*", "/tmq": "/tmp/**", "x": "/tmp/**"} {
		if got := policies.NearestPattern(patterns, text); got != want {
			t.Errorf("nearest to %s is %s, want %s", text, got, want)
		}
	}
	if policies.NearestPattern(nil, "x") != "" {
		t.Error("nothing is near")
	}
}

// storing is a policy of the family store with the patterns as its paths.
func storing(t *testing.T, patterns []string) *policies.Policy {
	return parse(t, "policy = 1\nname = \"n\"\n[grant.store]\nfunctions = [\"take\"]\npaths = [\""+strings.Join(patterns, `", "`)+"\"]\n")
}

func TestPatternsAreCompared(t *testing.T) {
	for _, test := range []struct{ child, parents, witness string }{
		{"a", "a", ""},
		{"a", "b", `"a"`},
		{"/a/b", "/a/*", ""},
		{"/a/*", "/a/**", ""},
		{"/a/**", "/a/*", `"/a"`},
		{"/a/**", "/a /a/*", `"/a/x/x"`},
		{"/a/**", "/a /a/* /a/*/**", ""},
		{"/a/*.csv", "/a/*", ""},
		{"/a/*", "/a/*.csv", `"/a/x"`},
		{"/a/b*", "/a/*b*", ""},
		{"/a/*/c", "/a/**/c", ""},
		{"/a/**/c", "/a/*/c", `"/a/c"`},
		{"**", "/**", `"x"`},
		{"a?c", "a*c", ""},
		{"a*c", "a?c", `"ac"`},
		{"a*c", "ac a?*c", ""},
	} {
		d := policies.Narrower(storing(t, []string{test.child}), storing(t, strings.Fields(test.parents)))
		got := ""
		if d != nil {
			got = d.Witness
		}
		if got != test.witness || d != nil && (d.Undecided || d.Subject != "grant.store.paths") {
			t.Errorf("%s against %s: witness %s, want %s (%+v)", test.child, test.parents, got, test.witness, d)
		}
	}
}

// A question that would take too long is not answered.
func TestComparisonIsBounded(t *testing.T) {
	after := strings.Repeat("?", 40)
	d := policies.Narrower(storing(t, []string{"*x" + after}), storing(t, []string{"*z" + after, "y*x" + after}))
	if d == nil || !d.Undecided {
		t.Errorf("%+v", d)
	}
}

// What is called narrower matches nothing more, and a witness is one.
func TestComparisonIsTrue(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	make := func(wild []string) string {
		parts := wild
		var segments []string
		for range 1 + random.IntN(3) {
			segments = append(segments, parts[random.IntN(len(parts))])
		}
		return strings.ReplaceAll(strings.Join(segments, "/"), "**/**", "**/a")
	}
	wild := []string{"a", "b", "*", "a*", "*b", "?", "**", "ab"}
	plain := []string{"a", "b", "ab", "aab", "c", "ba"}
	narrower := 0
	for range 3000 {
		child, parents := make(wild), []string{make(wild), make(wild)}
		if strings.Contains(child+" "+strings.Join(parents, " "), "**/**") || parents[0] == parents[1] {
			continue
		}
		p, others := path(t, child), []policies.Pattern{path(t, parents[0]), path(t, parents[1])}
		d := policies.Narrower(storing(t, []string{child}), storing(t, parents))
		if d != nil {
			witness := strings.Trim(d.Witness, `"`)
			if !p.Match(witness) || policies.MatchAny(others, witness) {
				t.Fatalf("%s against %v: %s is no witness", child, parents, d.Witness)
			}
			continue
		}
		narrower++
		for range 50 {
			if text := make(plain); p.Match(text) && !policies.MatchAny(others, text) {
				t.Fatalf("%s is called narrower than %v, and matches %s", child, parents, text)
			}
		}
	}
	if narrower < 50 {
		t.Errorf("only %d were narrower", narrower)
	}
}

func FuzzPattern(f *testing.F) {
	f.Add("/data/**", "/data/x")
	f.Add("https://*.a.com:*/**", "https://b.a.com/")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		for _, parse := range []func(string) (policies.Pattern, error){policies.ParsePath, policies.ParseURL} {
			p, err := parse(pattern)
			if err != nil {
				continue
			}
			// What has no wildcard matches at most itself.
			if !strings.ContainsAny(pattern, "*?") && strings.HasPrefix(pattern, "/") && p.Match(text) != (text == pattern) {
				t.Errorf("%q matches %q: %v", pattern, text, p.Match(text))
			}
			p.Match(text)
		}
	})
}
