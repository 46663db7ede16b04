package host

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// Symbols returns the names of the imports that a policy's grants are, in the order of link.Order: "math_sqrt" for math.sqrt.
func Symbols(policy *policies.Policy) []string {
	symbols := []string{}
	for _, grant := range policy.Grants {
		for _, function := range grant.Functions {
			symbols = append(symbols, symbol(grant.Family, function))
		}
	}
	slices.Sort(symbols)
	return symbols
}

func symbol(family, function string) string { return family + "_" + function }

// granted is one function that a policy grants, and the capability behind it.
type granted struct {
	symbol     string // "math_sqrt", the import
	name       string // "math.sqrt"
	function   string // "sqrt"
	index      int    // in the linked module's order
	capability capabilities.Capability
	effects    string     // of the capability, as records say them
	redaction  *redaction // nil if records keep everything
	signature  *capabilities.Signature
	grant      *policies.Grant
}

// unsupported refuses a policy that asks for what this host cannot do: to leave it out silently would not be what the
// policy says.
func unsupported(policy *policies.Policy) error {
	var errs []error
	for _, tool := range policy.Tools {
		errs = append(errs, fmt.Errorf("%w: %v: [tool.%s], a tool from a plugin", ErrUnsupported, tool.Position, tool.Name))
	}
	return errors.Join(errs...)
}

// grantedFunctions finds the capabilities of all grants, in the order of their imports. A grant of what does not exist is
// an error: it would be an import that nobody serves.
func grantedFunctions(policy *policies.Policy, registry *capabilities.Registry) ([]*granted, error) {
	var list []*granted
	var missing []error
	for i := range policy.Grants {
		grant := &policy.Grants[i]
		if family, ok := registry.Family(grant.Family); ok && family.Decide != nil && !grant.Decides() {
			missing = append(missing, fmt.Errorf("host: the policy was not parsed with the scopes of family %q: use the registry's Vocabulary", grant.Family))
		}
		for _, function := range grant.Functions {
			name := grant.Family + "." + function
			capability, ok := registry.Lookup(name)
			if !ok {
				missing = append(missing, fmt.Errorf("host: the policy grants %q, and there is no such capability", name))
				continue
			}
			signature, _ := registry.Signature(name)
			list = append(list, &granted{
				symbol: symbol(grant.Family, function), name: name, function: function, capability: capability,
				signature: signature, grant: grant, effects: capability.Spec().Effects.String(),
			})
		}
	}
	slices.SortFunc(list, func(a, b *granted) int { return cmp.Compare(a.symbol, b.symbol) })
	for i, g := range list {
		g.index = i
	}
	return list, errors.Join(missing...)
}
