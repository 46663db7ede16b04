package policies

import (
	"fmt"
	"strings"
)

// Coverage says what of a policy's grants decided something in its tests.
type Coverage struct {
	Functions, FunctionsAllowed int // granted functions, and those of which a call was allowed
	Terms, TermsDecided         int // terms that can refuse a call, and those that did or asked a human

	// Untested are the functions and terms that never decided anything, in the order of the grants.
	Untested []Untested
}

// Untested is a function of which no call was allowed, or a term that refused none.
type Untested struct {
	Subject  string // "math.sqrt", "grant.math.when"
	Text     string // "no call of it was allowed"
	Position Position
}

// A cover counts decisions by what decided.
type cover struct {
	p         *Policy
	tools     map[string][]string // functions of tools that do not name theirs
	functions map[string]bool
	terms     map[string]bool // by rule, key and position
}

func newCover(p *Policy, tools map[string][]string) *cover {
	return &cover{p: p, tools: tools, functions: map[string]bool{}, terms: map[string]bool{}}
}

func termID(rule, key string, at Position) string { return fmt.Sprint(rule, " ", key, " ", at) }

func (c *cover) note(capability string, d *Decision) {
	if d.Allow {
		c.functions[capability] = true
	}
	if !d.Allow || d.By == "approve" {
		c.terms[termID(d.Rule, d.By, d.Position)] = true
	}
}

func (c *cover) result() Coverage {
	var r Coverage
	for i := range c.p.Grants {
		c.add(&r, "", &c.p.Grants[i])
	}
	for _, g := range c.p.OpenGrants() {
		c.add(&r, "", g)
		if t := c.p.Tool(g.Family); t != nil {
			for i := range t.Grants {
				c.add(&r, t.Name, &t.Grants[i])
			}
		}
	}
	return r
}

// add counts a grant, that of a tool if one is named.
func (c *cover) add(r *Coverage, tool string, g *Grant) {
	functions := g.Functions
	if len(functions) == 0 {
		functions = c.tools[g.Family]
	}
	for j, name := range functions {
		r.Functions++
		if full := calledBy(tool, g.Family+"."+name); c.allowed(full) {
			r.FunctionsAllowed++
		} else {
			at := g.Position
			if j < len(g.Positions) {
				at = g.Positions[j]
			}
			r.Untested = append(r.Untested, Untested{full, "no call of it was allowed", at})
		}
	}
	for _, t := range c.p.refusing(g) {
		r.Terms++
		if c.terms[termID(g.Rule(), t.Subject, t.Position)] {
			r.TermsDecided++
		} else {
			t.Subject = g.Rule() + "." + t.Subject
			r.Untested = append(r.Untested, t)
		}
	}
}

// allowed reports whether a call of a function was allowed, or of one that a pattern stands for.
func (c *cover) allowed(name string) bool {
	if !strings.Contains(name, "*") {
		return c.functions[name]
	}
	pattern := namePattern(name)
	for function := range c.functions {
		if pattern.Match(function) {
			return true
		}
	}
	return false
}

// refusing returns the terms of a grant that can refuse a call: those that were written, of the family's own the lists of what is permitted.
func (p *Policy) refusing(g *Grant) []Untested {
	var list []Untested
	add := func(key, text string, at Position) { list = append(list, Untested{key, text, at}) }
	said := func(key string) Position {
		if at, ok := p.Where(g.Rule() + "." + key); ok {
			return at
		}
		return g.Position
	}
	const refused = "it refused no call"
	if !g.Expires.IsZero() {
		add("expires", refused, said("expires"))
	}
	for _, name := range g.Scope.keys() {
		if v := g.Scope.values[name]; v.Key != nil && v.Key.Type.isList() && v.Position.Line > 0 && g.decide != nil {
			add(name, refused, v.Position)
		}
	}
	for _, condition := range g.Conditions {
		add("when", refused, condition.Position)
	}
	if g.Calls > 0 {
		add("calls", refused, said("calls"))
	}
	if g.Rate.Calls > 0 {
		add("rate", refused, said("rate"))
	}
	if g.asks() {
		add("approve", "nobody was asked", said("approve"))
	}
	return list
}
