package policies_test

import (
	"os"
	"slices"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/policies"
)

// world is the vocabulary of the program: its families and the guest's modules.
func world(t *testing.T) policies.Vocabulary {
	t.Helper()
	registry, err := capabilities.NewRegistry(json.Family(), math.Family())
	if err != nil {
		t.Fatal(err)
	}
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	return policies.Vocabulary{Families: registry.Vocabulary(), Modules: modules}
}

// The default policy is accepted by the program as it is, and grants all that
// there is: a function that a family gains must be added to it.
func TestDefaultPolicyInTheWorld(t *testing.T) {
	vocab := world(t)
	src, err := os.ReadFile("../policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := policies.Parse("policy.toml", src, vocab)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Warnings) != 0 {
		t.Errorf("warnings: %v", p.Warnings)
	}
	for family, functions := range names(vocab) {
		for _, function := range functions {
			if d := p.Decide(&policies.Call{Capability: family + "." + function}); !d.Allow {
				t.Errorf("%s.%s: %s", family, function, d.Reason)
			}
		}
	}
}

func TestGuestHasTheDefaultImports(t *testing.T) {
	modules := world(t).Modules
	for _, module := range policies.DefaultImports() {
		if !slices.Contains(modules, module) {
			t.Errorf("the guest has no module %s", module)
		}
	}
}

// The tests' own vocabulary names the functions that the families have.
func TestVocabularyIsTheWorlds(t *testing.T) {
	actual, tests := names(world(t)), names(vocabulary())
	for _, family := range []string{"json", "math"} {
		if !slices.Equal(slices.Sorted(slices.Values(actual[family])), tests[family]) {
			t.Errorf("%s has %v", family, actual[family])
		}
	}
}
