package policies_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// The reference is written by hand: this holds it to what the parser does.
func TestReferenceIsComplete(t *testing.T) {
	src, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(src)) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, line)
		}
	}
	for _, key := range policies.Schema() {
		row := ""
		for _, r := range rows {
			if strings.HasPrefix(r, "| `"+key.Path+"` |") {
				row = r
			}
		}
		if row == "" {
			t.Errorf("no row for %s", key.Path)
		}
		for _, fact := range []string{key.Default, key.Min, key.Max} {
			if strings.HasPrefix(key.Path, "audit.log") || strings.HasPrefix(key.Path, "python.imports") {
				continue // their defaults are words
			}
			if !strings.Contains(row, fact) {
				t.Errorf("the row of %s does not say %q:\n%s", key.Path, fact, row)
			}
		}
		if key.Doc == "" || key.Type == "" {
			t.Errorf("%s is not described", key.Path)
		}
	}
	for _, module := range policies.DefaultImports() {
		if !strings.Contains(string(src), "`"+module+"`") {
			t.Errorf("the base list of the reference lacks %s", module)
		}
	}
}

// Whatever the schema calls a default, a minimum or a maximum, Parse accepts;
// and what lies beyond the bounds it refuses.
func TestBoundsAreAccepted(t *testing.T) {
	accepts := func(path, value string) bool {
		src := fmt.Sprintf("policy = 1\nname = \"n\"\n%s = %s\n", path, value)
		_, err := policies.Parse("p", []byte(src), vocabulary())
		return err == nil
	}
	tested := 0
	for _, key := range policies.Schema() {
		if !strings.HasPrefix(key.Path, "limits.") {
			continue
		}
		tested++
		beyond := [2]string{"0", "9_000_000_000_000_000"}
		quoted := key.Type != "an integer"
		if strings.Contains(key.Type, "duration") {
			beyond = [2]string{`"0s"`, `"1000h"`}
		}
		for _, value := range []string{key.Default, key.Min, key.Max} {
			if quoted {
				value = `"` + value + `"`
			}
			if !accepts(key.Path, value) {
				t.Errorf("%s = %s is refused", key.Path, value)
			}
		}
		for _, value := range beyond {
			if accepts(key.Path, value) {
				t.Errorf("%s = %s is accepted", key.Path, value)
			}
		}
	}
	if tested != 6 {
		t.Errorf("%d limits", tested)
	}
}
