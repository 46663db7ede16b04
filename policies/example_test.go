package policies_test

import (
	"fmt"

	"github.com/postern-sandbox/postern/policies"
)

func ExampleParse() {
	vocab := policies.Vocabulary{Families: map[string]policies.Family{
		"math": {Functions: []policies.Function{{Name: "cos"}, {Name: "log"}, {Name: "sqrt"}}},
	}}
	p, err := policies.Parse("policy.toml", []byte(`
policy = 1
name = "analyst"

[limits]
wall_time = "1m30s"

[grant.math]
functions = ["sqrt", "log"]
`), vocab)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(p.Name, p.Limits.WallTime, p.Limits.HostCalls)
	for _, g := range p.Grants {
		fmt.Println(g.Rule(), g.Functions, g.Position)
	}
	// Output:
	// analyst 1m30s 1000
	// grant.math [log sqrt] policy.toml:8:1
}

// All mistakes are reported at once, each with its place.
func ExampleParse_mistakes() {
	vocab := policies.Vocabulary{Families: map[string]policies.Family{
		"math": {Functions: []policies.Function{{Name: "cos"}, {Name: "log"}, {Name: "sqrt"}}},
	}}
	_, err := policies.Parse("policy.toml", []byte(`
policy = 1
[limits]
wall_time = 10
fule = 1_000_000
[grant.math]
functions = ["sqrt", "sqroot"]
`), vocab)
	fmt.Println(err)
	// Output:
	// policy.toml:1:1: "name" is missing (write for example name = "analyst")
	// policy.toml:4:13: limits.wall_time: expected a duration such as "10s", found an integer (write "10s" for seconds)
	// policy.toml:5:1: unknown key "fule" in [limits] (did you mean "fuel"?)
	// policy.toml:7:22: grant.math.functions: there is no function "sqroot" in family "math" (did you mean "sqrt"?)
}

func ExamplePolicy_Decide() {
	vocab := policies.Vocabulary{Families: map[string]policies.Family{
		"math": {Functions: []policies.Function{{Name: "cos"}, {Name: "log"}, {Name: "sqrt"}}},
	}}
	p, err := policies.Parse("policy.toml", []byte(`policy = 1
name = "analyst"
[grant.math]
functions = ["sqrt", "log"]
`), vocab)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, capability := range []string{"math.sqrt", "math.cos"} {
		d := p.Decide(&policies.Call{Capability: capability})
		fmt.Println(capability, d.Allow, d.Position, d.Reason)
		fmt.Println(d.Hint)
	}
	// Output:
	// math.sqrt true policy.toml:4:14 the grant names the function
	//
	// math.cos false policy.toml:3:1 [grant.math] does not name "cos"
	// add "cos" to functions of [grant.math] at policy.toml:3
}
