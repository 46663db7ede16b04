package policies_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/postern-sandbox/postern/policies"
)

// TestFormat reads testdata/format/*.txtar: pairs of NAME.toml and, in NAME.want, its form.
func TestFormat(t *testing.T) {
	for name, archive := range archives(t, "format/*.txtar") {
		for i := 0; i+1 < len(archive.Files); i += 2 {
			src, want := archive.Files[i], &archive.Files[i+1]
			t.Run(strings.TrimSuffix(src.Name, ".toml"), func(t *testing.T) {
				got, err := policies.Format("p", src.Data, vocabulary())
				if err != nil {
					t.Fatal(err)
				}
				if *update {
					want.Data = got
				}
				if string(got) != string(want.Data) {
					t.Errorf("%s", diff.Diff("want", want.Data, "got", got))
				}
				checkFormat(t, src.Data)
			})
		}
		if *update {
			if err := os.WriteFile(name, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// checkFormat checks what holds of every policy: its meaning and comments are kept, and to format twice gives the same.
func checkFormat(t *testing.T, src []byte) {
	t.Helper()
	vocab := vocabulary()
	before, parseErr := policies.Parse("p", src, vocab)
	out, err := policies.Format("p", src, vocab)
	if parseErr != nil {
		var mistakes policies.Errors
		if out != nil || !errors.As(err, &mistakes) || err.Error() != parseErr.Error() {
			t.Fatalf("Format = %q, %v; Parse says %v", out, err, parseErr)
		}
		return
	}
	if err != nil {
		t.Fatalf("a policy without mistakes: %v\n%s", err, src)
	}
	after, err := policies.Parse("p", out, vocab)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := unplaced(form(before)), unplaced(form(after)); a != b {
		t.Errorf("another meaning:\n%s\n%s", a, b)
	}
	if !slices.Equal(comments(before, src), comments(after, out)) {
		t.Errorf("other comments:\n%s\n%s", src, out)
	}
	again, err := policies.Format("p", out, vocab)
	if err != nil || string(again) != string(out) {
		t.Errorf("not the same twice: %v\n%s", err, diff.Diff("once", out, "twice", again))
	}
}

var places = regexp.MustCompile(`(p|base\.toml|middle\.toml)?[@:]?[0-9]+:[0-9]+`)

// unplaced is a form without positions and in an order that does not depend on them.
func unplaced(form string) string {
	lines := strings.Split(places.ReplaceAllString(form, "@"), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// comments are the comments of a policy, sorted. A '#' in a string looks like one; in both texts it does.
func comments(_ *policies.Policy, src []byte) []string {
	var all []string
	for line := range strings.Lines(string(src)) {
		if i := strings.IndexByte(line, '#'); i >= 0 {
			all = append(all, strings.Join(strings.Fields(line[i:]), ""))
		}
	}
	slices.Sort(all)
	return all
}

// FuzzFormat checks Format on what is a policy and on what is none.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"*.txtar", "format/*.txtar"} {
		policiesOf(f, pattern, func(_ string, src []byte) { f.Add(src) })
	}
	f.Fuzz(func(t *testing.T, src []byte) { checkFormat(t, src) })
}

// The parts of a policy may stand in any order and with any comments.
func TestFormatOfShuffledPolicies(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	tables := []string{
		"[limits]\n%skey fuel = 1_000_000\nmemory = \"64MiB\" # %d\n",
		"[python]\nhash_seed=4\nimports = [ 're',# %d\n \"datetime\" ]\n",
		"%s[grant.math]\nfunctions = [\n\t\"sqrt\",\n\n# %d\n\"log\"\n]\nnote=\"a # in it\"\ncalls=3\n",
		"[grant]\n%s",
		"%s[grant.http]\nwhen = '''\nargs.url != '#%d'\n'''\nurls = ['https://example.com/**']\nfunctions = ['get']\n",
		"[grant.store] # %d\nlabels = {team='data',  \"a b\" = \"c\"}\nfunctions = [\"put\"]\n",
		"%s[audit]\n# foot %d\n\narguments = 'digest'\n",
		"[tool.t.limits]\nfuel = 5000 # %d\n",
		"[tool.t]\nsha256 = \"" + strings.Repeat("ab", 32) + "\"\nplugin = \"t.wasm\"\n# end %d\n",
	}
	for n := range 300 {
		comment := func() string {
			return []string{"", "# c\n", "\n# c\n\n", "\n\n\n", "# c\n# d\n\n\n# e\n"}[r.IntN(5)]
		}
		var b strings.Builder
		b.WriteString(comment() + "name = \"n\"\n" + comment() + "policy = 1 # one\n" + comment())
		for _, i := range r.Perm(len(tables)) {
			text := strings.ReplaceAll(tables[i], "%d", fmt.Sprint(n))
			text = strings.ReplaceAll(text, "%skey ", comment())
			b.WriteString(strings.ReplaceAll(text, "%s", comment()) + comment())
		}
		if _, err := policies.Parse("p", []byte(b.String()), vocabulary()); err != nil {
			t.Fatalf("%v\n%s", err, b.String())
		}
		checkFormat(t, []byte(b.String()))
		checkFormat(t, []byte(strings.ReplaceAll(b.String(), "\n", "\r\n")))
	}
}
