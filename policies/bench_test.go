package policies_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
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

// grants200 is a policy of 200 grants, each of two functions with terms and a scope, and every tenth with a condition.
func grants200() (string, policies.Vocabulary) {
	vocab := policies.Vocabulary{Families: map[string]policies.Family{}}
	http := httpFamily()
	var b strings.Builder
	b.WriteString("policy = 1\nname = \"n\"\n")
	for i := range 200 {
		family := fmt.Sprintf("http%d", i)
		vocab.Families[family] = http
		fmt.Fprintf(&b, "[grant.%s]\nfunctions = [\"get\", \"post\"]\nurls = [\"https://example.com/%d/**\", \"https://*.example.com/\"]\ncalls = 20\nrate = \"5/s\"\napprove = \"once\"\nnote = \"n\"\n", family, i)
		if i%10 == 0 {
			fmt.Fprintf(&b, "when = 'args.url.size() < %d && call.count < 10'\n", 100+i)
		}
	}
	return b.String(), vocab
}

func BenchmarkParse200Grants(b *testing.B) {
	src, vocab := grants200()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := policies.Parse("p", []byte(src), vocab); err != nil {
			b.Fatal(err)
		}
	}
}

// The first condition of a process gets CEL ready.
func BenchmarkParseCondition(b *testing.B) {
	src := []byte("policy = 1\nname = \"n\"\n[grant.math]\nfunctions = [\"sqrt\"]\nwhen = 'args.x < 100'\n")
	vocab := vocabulary()
	for b.Loop() {
		if _, err := policies.Parse("p", src, vocab); err != nil {
			b.Fatal(err)
		}
	}
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

// A decision with everything a grant can have but a human.
func BenchmarkDecideTerms(b *testing.B) {
	const post = "[grant.http]\nfunctions = [\"post\"]\nurls = [\"https://example.com/**\"]\n"
	args := policies.NamedArguments{"url": "https://example.com/v1/items", "body": values.Bytes("x"), "tags": values.List{"a", "b"}, "wait": 1.5}
	for name, terms := range map[string]string{
		"scope":              "",
		"quota and rate":     "calls = 1_000_000_000\nrate = \"10000/1ms\"\n",
		"condition":          "when = 'args.wait < 2.0'\n",
		"a longer condition": "when = 'args.url.startsWith(\"https://example.com/\") && size(args.body) < 1000 && args.tags.all(t, t != \"\")'\n",
	} {
		p, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\n"+post+terms), vocabulary())
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			usage, rates, now := new(policies.Usage), new(policies.Rates), noon
			for b.Loop() {
				now = now.Add(time.Microsecond)
				call := policies.Call{Capability: "http.post", Arguments: args, Usage: usage, Rates: rates, Now: now}
				if d := p.Decide(&call); !d.Allow {
					b.Fatalf("%+v", d)
				}
			}
		})
	}
}
