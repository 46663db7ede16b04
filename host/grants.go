package host

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// Symbols returns the names of the imports that a policy's grants are, in the order of link.Order: "math_sqrt" for math.sqrt. Those of the functions of its tools
// are among them if their families, which [Tools] gives, are.
func Symbols(policy *policies.Policy, tools ...capabilities.Family) []string {
	symbols := []string{}
	for _, grant := range policy.Grants {
		for _, function := range grant.Functions {
			symbols = append(symbols, symbol(grant.Family, function))
		}
	}
	for _, family := range tools {
		if grant := policy.Grant(family.Name); grant != nil {
			for _, function := range functionsOf(grant, family) {
				symbols = append(symbols, symbol(family.Name, function))
			}
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

// withTools is the registry of the capabilities that the host was given, with the policy's tools.
func (h *Host) withTools() (*capabilities.Registry, error) {
	if len(h.tools) == 0 {
		return h.config.Capabilities, nil
	}
	families := h.config.Capabilities.Families()
	for _, t := range h.tools {
		families = append(families, t.family())
	}
	registry, err := capabilities.NewRegistry(families...)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return registry, nil
}

// grants are all grants of the policy, those of tools last.
func (h *Host) grants() []*policies.Grant { return allGrants(h.policy) }

func allGrants(policy *policies.Policy) []*policies.Grant {
	list := make([]*policies.Grant, len(policy.Grants))
	for i := range policy.Grants {
		list[i] = &policy.Grants[i]
	}
	return append(list, policy.OpenGrants()...)
}

// symbols are the imports of the host's guest, in the order of link.Order.
func (h *Host) symbols() []string {
	symbols := make([]string, len(h.functions))
	for i, g := range h.functions {
		symbols[i] = g.symbol
	}
	return symbols
}

// grantedFunctions finds the capabilities of all grants, in the order of their imports. A grant of what does not exist is
// an error: it would be an import that nobody serves.
func grantedFunctions(policy *policies.Policy, registry *capabilities.Registry) ([]*granted, error) {
	var list []*granted
	var missing []error
	for _, grant := range allGrants(policy) {
		family, ok := registry.Family(grant.Family)
		if ok && family.Decide != nil && !grant.Decides() {
			missing = append(missing, fmt.Errorf("host: the policy was not parsed with the scopes of family %q: use the registry's Vocabulary", grant.Family))
		}
		if !ok && grant.Open() {
			missing = append(missing, fmt.Errorf("host: %v: there is no family %q for [%s]: an MCP server is connected first, by package mcpclient", grant.Position, grant.Family, grant.Rule()))
		}
		for _, function := range functionsOf(grant, family) {
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
		if i > 0 && g.symbol == list[i-1].symbol {
			missing = append(missing, fmt.Errorf("host: %s and %s would be one import, %s: rename a tool", list[i-1].name, g.name, g.symbol))
		}
	}
	return list, errors.Join(missing...)
}

// functionsOf are the functions of a family that a grant grants.
func functionsOf(grant *policies.Grant, family capabilities.Family) []string {
	if !grant.Open() {
		return grant.Functions
	}
	var names []string
	for _, capability := range family.Capabilities {
		if name := capability.Spec().Function; grant.Names(name) {
			names = append(names, name)
		}
	}
	return names
}

// A Function is one function that the policy grants, as code in a session knows it.
type Function struct {
	capabilities.Spec
	Module string // the name of its module in Python: the family's, or what the policy calls it
	Note   string // the policy's, why it is granted
}

// Functions returns what code in the host's sessions may call, those of tools too, sorted by family and function. The caller owns the slice.
func (h *Host) Functions() []Function {
	list := make([]Function, len(h.functions))
	for i, g := range h.functions {
		list[i] = Function{g.capability.Spec(), g.grant.PythonName(), g.grant.Note}
	}
	slices.SortFunc(list, func(a, b Function) int {
		return cmp.Or(cmp.Compare(a.Family, b.Family), cmp.Compare(a.Function, b.Function))
	})
	return list
}
