package policies_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// wide is a policy that grants 200 functions in ten families.
func wide() (string, policies.Vocabulary) {
	vocab := policies.Vocabulary{Families: map[string]policies.Family{}}
	var all []string
	for i := range 200 {
		family, function := fmt.Sprintf("family%d", i/20), fmt.Sprintf("function_%d", i)
		described := vocab.Families[family]
		described.Functions = append(described.Functions, policies.Function{Name: function, Parameters: []policies.Parameter{{Name: "x"}}})
		slices.SortFunc(described.Functions, func(a, b policies.Function) int { return strings.Compare(a.Name, b.Name) })
		vocab.Families[family] = described
		all = append(all, family+"."+function)
	}
	return granting(all), vocab
}

func BenchmarkParse200Functions(b *testing.B) {
	src, vocab := wide()
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policies.Parse("p", []byte(src), vocab); err != nil {
			b.Fatal(err)
		}
	}
}

// Among the worst that a file of 1 MiB can ask for: a line of thousands of mistakes
// that are each far from its beginning and look for a nearest name.
func BenchmarkParseHostile(b *testing.B) {
	var list strings.Builder
	for i := range 4000 {
		fmt.Fprintf(&list, "%200s\"%s%04d\", ", "", strings.Repeat("x", 12), i)
	}
	src := []byte("policy = 1\nname = \"n\"\n[python]\nimports = [" + list.String() + "]\n")
	vocab := vocabulary()
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		if _, err := policies.Parse("p", src, vocab); err == nil {
			b.Fatal("no mistakes")
		}
	}
}

func BenchmarkParseDefault(b *testing.B) {
	src, err := os.ReadFile("../policy.toml")
	if err != nil {
		b.Fatal(err)
	}
	vocab := vocabulary()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policies.Parse("p", src, vocab); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	src, vocab := wide()
	p, err := policies.Parse("p", []byte(src), vocab)
	if err != nil {
		b.Fatal(err)
	}
	for name, capability := range map[string]string{"allow": "family7.function_150", "deny": "family7.function_1"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			call := policies.Call{Capability: capability}
			for b.Loop() {
				if p.Decide(&call).Allow != (name == "allow") {
					b.Fatal("wrong decision")
				}
			}
		})
	}
}
