package policies_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

const analyst = `policy = 1
name = "analyst"

[grant.math]
functions = ["sqrt", "log"]
`

// decide decides about a call of which nothing but the name is known.
func decide(p *policies.Policy, capability string) policies.Decision {
	return p.Decide(&policies.Call{Capability: capability})
}

func TestDecide(t *testing.T) {
	p := parse(t, analyst)
	allow := func(capability, position string) {
		t.Helper()
		d := decide(p, capability)
		if !d.Allow || d.Rule != "grant.math" || d.Position.String() != position || d.Hint != "" || d.Reason == "" {
			t.Errorf("Decide(%q) = %+v", capability, d)
		}
	}
	deny := func(capability, rule, position, reason, hint string) {
		t.Helper()
		want := policies.Decision{Rule: rule, Reason: reason, Hint: hint}
		got := decide(p, capability)
		where := got.Position.String()
		got.Position, got.By = policies.Position{}, ""
		if got != want || where != position {
			t.Errorf("Decide(%q) = %+v at %s, want %+v at %s", capability, got, where, want, position)
		}
	}

	allow("math.sqrt", "policy.toml:5:14")
	allow("math.log", "policy.toml:5:22")

	deny("math.cos", "grant.math", "policy.toml:4:1",
		`[grant.math] does not name "cos"`, `add "cos" to functions of [grant.math] at policy.toml:4`)
	deny("http.get", "", "policy.toml", `there is no [grant.http]`, `add [grant.http] with functions = ["get"]`)
	deny("math.sqtr", "grant.math", "policy.toml:4:1", `there is no function "sqtr" in family "math"`, `did you mean "sqrt"?`)
	deny("mth.sqrt", "", "policy.toml", `there is no family "mth"`, `did you mean "math"?`)
	deny("http.delete", "", "policy.toml", `there is no function "delete" in family "http"`, "")

	for _, capability := range []string{"", ".", "math", "math.", ".sqrt", "math.sqrt.x", "Math.sqrt", "math.SQRT", "math_sqrt", " math.sqrt", "math.sqrt\x00", "ma\xffth.sqrt"} {
		deny(capability, "", "policy.toml", fmt.Sprintf("%q is not a capability's name, family.function", capability), "")
	}
	if d := decide(p, strings.Repeat("x", 1<<20)); d.Allow || len(d.Reason) > 200 {
		t.Errorf("a long name gives a reason of %d bytes", len(d.Reason))
	}
}

func TestWithoutAPolicyAllIsDenied(t *testing.T) {
	var none *policies.Policy
	for _, p := range []*policies.Policy{none, {}, {Grants: []policies.Grant{{}}}, {Grants: []policies.Grant{{Family: "math"}}}} {
		for _, capability := range []string{"", ".", "math.sqrt", "math.", "math"} {
			if d := decide(p, capability); d.Allow || d.Reason == "" {
				t.Errorf("%+v decides %q: %+v", p, capability, d)
			}
		}
	}
}

// Decide answers from Grants as they are: one that was removed is gone.
func TestDecideFollowsGrants(t *testing.T) {
	p := parse(t, analyst)
	p.Grants = nil
	if decide(p, "math.sqrt").Allow {
		t.Error("a grant outlives its removal")
	}
	p.Grants = []policies.Grant{{Family: "json", Functions: []string{"loads"}}}
	if d := decide(p, "json.loads"); !d.Allow || d.Rule != "grant.json" {
		t.Errorf("Decide = %+v", d)
	}
}

// Whatever is granted, in whatever order and form, Decide allows exactly that.
func TestDecideAllowsExactlyWhatIsGranted(t *testing.T) {
	vocab := vocabulary()
	var capabilities []string
	for family, functions := range names(vocab) {
		if family == "http" || family == "store" {
			continue // they have scopes
		}
		for _, function := range functions {
			capabilities = append(capabilities, family+"."+function)
		}
	}
	slices.Sort(capabilities)
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		random.Shuffle(len(capabilities), func(i, j int) {
			capabilities[i], capabilities[j] = capabilities[j], capabilities[i]
		})
		granted := capabilities[:random.IntN(len(capabilities)+1)]
		p, err := policies.Parse("p", []byte(granting(granted)), vocab)
		if err != nil {
			t.Fatal(err)
		}
		for i, capability := range capabilities {
			if got := decide(p, capability); got.Allow != (i < len(granted)) {
				t.Fatalf("Decide(%q) = %+v, granted %v", capability, got, granted)
			}
		}
		if !slices.IsSortedFunc(p.Grants, func(a, b policies.Grant) int { return strings.Compare(a.Family, b.Family) }) {
			t.Fatalf("families out of order: %s", form(p))
		}
		for _, g := range p.Grants {
			if !slices.IsSorted(g.Functions) || len(g.Positions) != len(g.Functions) {
				t.Fatalf("functions out of order: %s", form(p))
			}
		}
	}
}

// granting writes a policy that grants the capabilities in their order.
func granting(capabilities []string) string {
	var families []string
	functions := map[string][]string{}
	for _, capability := range capabilities {
		family, function, _ := strings.Cut(capability, ".")
		if !slices.Contains(families, family) {
			families = append(families, family)
		}
		functions[family] = append(functions[family], fmt.Sprintf("%q", function))
	}
	var b strings.Builder
	b.WriteString("policy = 1\nname = \"n\"\n")
	for _, family := range families {
		fmt.Fprintf(&b, "[grant.%s]\nfunctions = [%s]\n", family, strings.Join(functions[family], ", "))
	}
	return b.String()
}

// Following a denial's hint must lead to an allowed call.
func TestHintsAreTrue(t *testing.T) {
	if d := decide(parse(t, analyst), "math.cos"); !strings.Contains(d.Hint, `add "cos" to functions`) {
		t.Fatalf("Decide = %+v", d)
	}
	if !decide(parse(t, strings.Replace(analyst, `"log"]`, `"log", "cos"]`, 1)), "math.cos").Allow {
		t.Error("adding the function does not allow it")
	}
	if !decide(parse(t, analyst+"[grant.json]\nfunctions = [\"loads\"]\n"), "json.loads").Allow {
		t.Error("adding the grant does not allow the function")
	}
}

func TestAllowDoesNotAllocate(t *testing.T) {
	p := parse(t, analyst)
	call := policies.Call{Capability: "math.sqrt"}
	if n := testing.AllocsPerRun(100, func() { p.Decide(&call) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
