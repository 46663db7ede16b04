package policies

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A tool's functions are known to the tool alone, and those of an MCP server to the server: the policy file names the tool. What [Policy.Decide] knows of one
// is an open grant, which has the tool's terms, and whose functions are those that the policy names, or all that the tool has.

// namedTables calls read with each table in f, whose names become those of modules in Python. noun is what they name.
func (c *checker) namedTables(f field, noun string, read func(e entry, table field)) {
	for _, e := range f.table.entries {
		table := field{f.path + "." + pathKey(e.name), e.at, e.value}
		switch {
		case !functionName.matches(e.name) || slices.Contains(pythonKeywords, e.name):
			c.report(e.at, quote(e.name)+" is not a "+noun+"'s name", "a "+noun+" is written in lower-case letters, digits and '_', a letter first")
		case c.isTable(table):
			read(e, table)
		}
	}
}

// openGrant is the grant that a [tool.NAME] table is.
func (t *Tool) openGrant() Grant {
	return Grant{
		Family: t.Name, Functions: t.Functions, Positions: t.Positions, Position: t.Position,
		Terms: t.Terms, rule: "tool." + t.Name, open: true,
	}
}

// openGrant is the grant that an [mcp.NAME] table is.
func (s *Server) openGrant() Grant {
	g := Grant{
		Family: s.Name, Functions: s.Functions, Positions: s.Positions, Position: s.Position,
		Terms: s.Terms, Conditions: s.Conditions, rule: "mcp." + s.Name, open: true,
	}
	for _, name := range s.Functions {
		g.names = append(g.names, namePattern(name))
	}
	return g
}

// openGrants makes the open grants, when all tables are known.
func (p *Policy) openGrants() {
	for i := range p.Tools {
		p.open = append(p.open, p.Tools[i].openGrant())
	}
	for i := range p.Servers {
		p.open = append(p.open, p.Servers[i].openGrant())
	}
	slices.SortFunc(p.open, func(a, b Grant) int { return strings.Compare(a.Family, b.Family) })
}

// OpenGrants returns the grants of tools and of MCP servers, sorted by family, which is the tool's name. Which functions they grant is to be asked
// with [Grant.Names]. They must not be changed.
func (p *Policy) OpenGrants() []*Grant {
	list := make([]*Grant, len(p.open))
	for i := range p.open {
		list[i] = &p.open[i]
	}
	return list
}

// Open reports whether the grant is that of a tool, whose functions the policy does not know.
func (g *Grant) Open() bool { return g.open }

// Names reports whether the grant grants a function of its family.
func (g *Grant) Names(function string) bool {
	_, ok := g.function(function)
	return ok
}

// openFunction returns where an open grant names a function.
func (g *Grant) openFunction(name string) (Position, bool) {
	switch {
	case !functionName.matches(name):
		return Position{}, false
	case len(g.Functions) == 0:
		return g.Position, true
	}
	for i, granted := range g.Functions {
		if granted == name {
			return g.Positions[i], true
		}
	}
	for i := range g.names {
		if g.names[i].Match(name) {
			return g.Positions[i], true
		}
	}
	return Position{}, false
}

// Server returns the MCP server of a name, nil if there is none.
func (p *Policy) Server(name string) *Server {
	i, ok := slices.BinarySearchFunc(p.Servers, name, func(s Server, name string) int { return strings.Compare(s.Name, name) })
	if !ok {
		return nil
	}
	return &p.Servers[i]
}

// Tool returns the tool of a name, nil if there is none.
func (p *Policy) Tool(name string) *Tool {
	i, ok := slices.BinarySearchFunc(p.Tools, name, func(t Tool, name string) int { return strings.Compare(t.Name, name) })
	if !ok {
		return nil
	}
	return &p.Tools[i]
}

// toolPolicies gives each tool the policy under which it runs.
func (p *Policy) toolPolicies() {
	for i := range p.Tools {
		t := &p.Tools[i]
		t.policy = &Policy{
			Name: p.Name + "/" + t.Name, File: p.File, Digest: p.Digest,
			Limits: t.Limits.forRun(), Python: t.Python, Audit: p.Audit, Grants: t.Grants,
			vocab: p.vocab, positions: p.positions, source: p.source, owner: "tool." + t.Name + ".",
		}
	}
}

// Policy returns what the tool itself may do, as a policy: its limits and grants. It is nil for a Tool that Parse did not make.
func (t *Tool) Policy() *Policy { return t.policy }

// forRun makes the tool's limits those of a run in Python. What a tool has no limit for is as by default.
func (l ToolLimits) forRun() Limits {
	limits := DefaultLimits()
	limits.WallTime, limits.Fuel, limits.Memory, limits.HostCalls = l.WallTime, l.Fuel, l.Memory, l.HostCalls
	return limits
}

// clientFamily is the family of what the client of `postern serve` provides.
const clientFamily = "tools"

// checkOpenNames reports tools and servers that have the name of a family of capabilities, or of each other: in Python, and in records, they would be one.
func (c *checker) checkOpenNames(p *Policy) {
	names, families := map[string]string{}, map[string]string{}
	for i := range p.Grants {
		names[p.Grants[i].PythonName()] = p.Grants[i].Rule()
	}
	for _, g := range p.OpenGrants() {
		if g.Position.File != p.File {
			continue
		}
		complain := func(key, message string) {
			at := g.Position
			if where, said := c.positions[g.Rule()+"."+key]; said {
				at = where
			}
			c.errs = append(c.errs, c.doc.errorAt(at, message, "choose another name"))
		}
		other, taken := names[g.PythonName()]
		twin, twice := families[g.Family]
		families[g.Family] = g.Rule()
		switch _, family := c.vocab.Families[g.Family]; {
		case family:
			complain("", fmt.Sprintf("%s: %q is a family of capabilities", g.Rule(), g.Family))
		case twice:
			complain("", fmt.Sprintf("%s: %q is already the name of [%s]", g.Rule(), g.Family, twin))
		case g.Family == clientFamily && g.As != "":
			complain("", fmt.Sprintf("%s: %q are the functions of the client of serve", g.Rule(), g.Family))
		case slices.Contains(reserved, g.PythonName()):
			complain("as", fmt.Sprintf("%s: %q means something else in Python", g.Rule(), g.PythonName()))
		case taken:
			complain("as", fmt.Sprintf("%s: %q is already the name of [%s]", g.Rule(), g.PythonName(), other))
		case slices.Contains(p.Python.Imports, g.PythonName()):
			complain("as", fmt.Sprintf("%s: %q is already the name of a module in python.imports", g.Rule(), g.PythonName()))
		}
		names[g.PythonName()] = cmp.Or(other, g.Rule())
	}
}

// Callable is the policy's vocabulary, and with it the policy's tools and MCP servers as open families: all that a test of the policy
// can be about.
func (p *Policy) Callable() Vocabulary {
	v := p.vocab
	v.Families = maps.Clone(v.Families)
	for _, g := range p.OpenGrants() {
		if v.Families == nil {
			v.Families = map[string]Family{}
		}
		v.Families[g.Family] = Family{Open: true, tool: p.Tool(g.Family) != nil}
	}
	return v
}
