package policies

import (
	"slices"
	"strings"
	"time"
)

// warnDangers warns of what is permitted and can do harm.
func (c *checker) warnDangers(p *Policy) {
	effects := false
	for i := range p.Grants {
		g := &p.Grants[i]
		reads, writes := c.effects(g)
		effects = effects || reads || len(writes) > 0
		c.warnOpen(p, g)
		if text := c.vocab.Families[g.Family].Warning; text != "" {
			c.warnAt(p, g.Position, g.Rule()+": "+text, "")
		}
		if len(writes) > 0 && !g.asks() {
			// Whoever writes down that nobody is asked, and why, has decided it.
			at, said := p.Where(g.Rule() + ".approve")
			if !said {
				at = g.Position
			}
			if !said || g.Note == "" {
				c.warnAt(p, at, g.Rule()+": "+strings.Join(writes, ", ")+" can change things and nobody is asked",
					`approve = "once" or "always" asks a human; approve = "never" and a note that says why accept it`)
			}
		}
		c.expires(p, g.Rule(), &g.Terms)
	}
	for i := range p.Tools {
		c.expires(p, "tool."+p.Tools[i].Name, &p.Tools[i].Terms)
	}
	c.warnServers(p)
	effects = effects || len(p.Servers) > 0
	if !effects {
		return
	}
	lowered := slices.ContainsFunc(limits, func(l limit[Limits]) bool { _, said := p.Where("limits." + l.name); return said })
	if !lowered {
		c.warnAt(p, Position{File: p.File, Line: 1, Column: 1}, "no limit is set although functions with effects are granted: all have their defaults",
			"set what the task needs, for example limits.wall_time and limits.host_calls")
	}
	if at, said := p.Where("audit.log"); said && p.Audit.Log == LogNone {
		c.warnAt(p, at, "audit.log: functions with effects are granted and their calls leave no record", "name a folder, or leave it out")
	}
}

// effects says what the granted functions can do beyond their results.
func (c *checker) effects(g *Grant) (reads bool, writes []string) {
	if g.open {
		return true, g.Functions // nobody knows
	}
	for _, name := range g.Functions {
		function, ok := c.vocab.function(g.Family, name)
		if !ok {
			continue
		}
		reads = reads || function.Reads
		if function.Writes {
			writes = append(writes, name)
		}
	}
	return reads, writes
}

// warnOpen warns of patterns that permit about everything.
func (c *checker) warnOpen(p *Policy, g *Grant) {
	for _, name := range g.Scope.keys() {
		v := g.Scope.values[name]
		for i, pattern := range v.Patterns {
			at := v.Position
			if i < len(v.Positions) {
				at = v.Positions[i]
			}
			switch {
			case at.Line == 0:
			case v.Key.Type == ScopeURLs && pattern.anyHost():
				c.warnAt(p, at, g.Rule()+"."+name+": "+quote(pattern.text)+" lets code choose the host", "name the hosts that are needed")
			case v.Key.Type == ScopePaths && strings.Trim(pattern.text, "*/") == "":
				c.warnAt(p, at, g.Rule()+"."+name+": "+quote(pattern.text)+" permits every path", "name the folders that are needed")
			}
		}
	}
}

// expires keeps the warning for the time when a grant has expired.
func (c *checker) expires(p *Policy, rule string, t *Terms) {
	if t.Expires.IsZero() {
		return
	}
	at, said := p.Where(rule + ".expires")
	if !said || at.File != p.File {
		return
	}
	p.expiries = append(p.expiries, expiry{t.Expires, c.doc.errorAt(at, rule+": has expired on "+t.Expires.Format(time.RFC3339), "remove the table, or set a later expires if it is still wanted")})
}

// An expiry is a warning that becomes true with time.
type expiry struct {
	at      time.Time
	warning *Error
}

// WarningsAt returns Warnings, and those about what has expired by a time.
func (p *Policy) WarningsAt(now time.Time) Errors {
	all := slices.Clone(p.Warnings)
	for _, e := range p.expiries {
		if !now.Before(e.at) {
			all = append(all, e.warning)
		}
	}
	Errors(all).sort()
	return all
}

// warnAt warns of what stands at a place of this policy. What stands in one that it extends is that one's.
func (c *checker) warnAt(p *Policy, at Position, message, hint string) {
	if at.File != p.File || at.Line == 0 {
		return
	}
	c.warnings = append(c.warnings, c.doc.errorAt(at, message, hint))
}
