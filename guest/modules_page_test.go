package guest_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/guest"
)

var update = flag.Bool("update", false, "rewrite docs/modules.md")

// TestModulesPage keeps docs/modules.md what the guest is. `go test ./guest -run ModulesPage -update` writes it anew.
func TestModulesPage(t *testing.T) {
	const path = "../docs/modules.md"
	want := modulesPage(t)
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is stale: run go test ./guest -run ModulesPage -update", path)
	}
}

func modulesPage(t *testing.T) string {
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	leftOut, err := guest.LeftOut()
	if err != nil {
		t.Fatal(err)
	}
	var page strings.Builder
	page.WriteString("# Modules of the guest\n\nGenerated from `guest/dist/stdlib.json` by `go test ./guest -run ModulesPage -update`.\n\n" +
		"What `[python].imports` may name. A name stands for the module and its submodules, of which those in a package are listed behind it.\n\n")
	packages := make(map[string][]string)
	for _, name := range modules {
		top, rest, _ := strings.Cut(name, ".")
		if rest != "" {
			packages[top] = append(packages[top], rest)
		} else if packages[top] == nil {
			packages[top] = []string{}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(&page, "- `%s`", name)
		if subs := packages[name]; len(subs) > 0 {
			fmt.Fprintf(&page, " (`.%s`)", strings.Join(subs, "` `."))
		}
		page.WriteString("\n")
	}
	page.WriteString("\n## Left out of CPython's standard library\n\n| why | modules |\n|---|---|\n")
	for _, reason := range slices.Sorted(maps.Keys(leftOut)) {
		fmt.Fprintf(&page, "| %s | `%s` |\n", reason, strings.Join(leftOut[reason], "` `"))
	}
	return page.String()
}
