package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Decision says whether a capability may be called, and why. The zero
// Decision denies.
type Decision struct {
	Allow bool

	// Rule is the grant that decided: "grant.math". It is empty when the
	// policy has no grant for the family.
	Rule string

	// Position is where the policy names the function or, in a denial, where
	// the family's grant begins. Without a grant it is the file.
	Position Position

	// Reason is why, as a clause without a full stop.
	Reason string

	// Hint is, in a denial, what to change in the policy so that it allows
	// the call. It is empty if nothing would.
	Hint string
}

// Decide says whether the policy grants a capability, given by its full name,
// "math.sqrt". What is not granted is denied, and so is what is not a name. To
// allow costs two binary searches and no memory. A nil Policy denies.
//
// It relies on the order of Grants and Functions; a Policy that was changed
// and is out of order can deny more than it says, but never allow more.
func (p *Policy) Decide(capability string) Decision {
	family, function, ok := strings.Cut(capability, ".")
	if p == nil || !ok {
		return p.deny(capability, family, function)
	}
	g, ok := p.grant(family)
	if !ok {
		return p.deny(capability, family, function)
	}
	i, ok := slices.BinarySearch(g.Functions, function)
	if !ok {
		return p.deny(capability, family, function)
	}
	d := Decision{Allow: true, Rule: g.Rule(), Position: g.Position, Reason: "the grant names the function"}
	if i < len(g.Positions) {
		d.Position = g.Positions[i]
	}
	return d
}

// grant returns the grant of a family.
func (p *Policy) grant(family string) (*Grant, bool) {
	i, ok := slices.BinarySearchFunc(p.Grants, family, func(g Grant, family string) int {
		return strings.Compare(g.Family, family)
	})
	if !ok {
		return nil, false
	}
	return &p.Grants[i], true
}

func (p *Policy) deny(capability, family, function string) Decision {
	if p == nil {
		return Decision{Reason: "there is no policy"}
	}
	d := Decision{Position: Position{File: p.File}}
	if !familyName.matches(family) || !functionName.matches(function) {
		d.Reason = quote(capability) + " is not a capability's name, family.function"
		return d
	}
	g, granted := p.grant(family)
	if granted {
		d.Rule, d.Position = g.Rule(), g.Position
	}
	valid, known := p.vocab.Families[family]
	switch {
	case p.vocab.Families != nil && !known:
		d.Reason = fmt.Sprintf("there is no family %q", family)
		d.Hint = suggest(family, slices.Collect(maps.Keys(p.vocab.Families)), "")
	case known && !slices.Contains(valid, function):
		d.Reason = fmt.Sprintf("there is no function %q in family %q", function, family)
		d.Hint = suggest(function, valid, "")
	case granted:
		d.Reason = fmt.Sprintf("[%s] does not name %q", d.Rule, function)
		d.Hint = fmt.Sprintf("add %q to functions of [%s] at %s", function, d.Rule, g.Position.line())
	default:
		d.Reason = fmt.Sprintf("there is no [grant.%s]", family)
		d.Hint = fmt.Sprintf("add [grant.%s] with functions = [%q]", family, function)
	}
	return d
}
