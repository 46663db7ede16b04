package policies

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// maxExtends is how many policies may extend each other in a row.
const maxExtends = 8

// base reads the policy that p extends, and lets p begin with what it says: its
// limits, Python and audit settings, and, for tables of grants, tools and servers that p names
// too, theirs. line are the files that lead here, p's the last.
func (c *checker) base(p *Policy, line []string) *Policy {
	e, ok := c.doc.root.get("extends")
	if !ok {
		return nil
	}
	f := field{"extends", e.at, e.value}
	name, ok := c.text(f)
	if !ok {
		return nil
	}
	complain := func(message, hint string) *Policy {
		c.complain(f, &complaint{e.value.at, message, hint})
		return nil
	}
	path := name
	if !filepath.IsAbs(name) {
		path = filepath.Join(filepath.Dir(p.File), filepath.FromSlash(name))
	}
	switch {
	case strings.ContainsFunc(name, unprintable) || len(name) > maxLog || !strings.HasSuffix(name, ".toml"):
		return complain(quote(name)+" is not the name of a policy file", `write for example "base.toml"`)
	case c.vocab.Open == nil:
		return complain("a policy that extends another cannot be read here", "Vocabulary.Open reads the other one")
	case slices.ContainsFunc(line, func(file string) bool { return filepath.Clean(file) == path }):
		return complain(quote(name)+" extends this policy in turn", "")
	case len(line) >= maxExtends:
		return complain(fmt.Sprintf("more than %d policies extend each other", maxExtends), "")
	}
	src, err := c.vocab.Open(path)
	if err != nil {
		return complain("cannot read the policy: "+printable(err.Error()), "")
	}
	base, err := parse(path, src, c.vocab, line)
	if err != nil {
		var mistakes Errors
		if errors.As(err, &mistakes) {
			c.foreign = append(c.foreign, mistakes...)
		}
		return complain(quote(name)+" has mistakes", "")
	}
	p.Digest = digest(c.doc.src, []byte(base.Digest))
	p.Limits, p.Python, p.Audit = base.Limits, base.Python, base.Audit
	p.Python.Imports, p.Python.Packages = slices.Clone(base.Python.Imports), slices.Clone(base.Python.Packages)
	p.Grants, p.Tools, p.Servers = base.Grants, slices.Clone(base.Tools), base.Servers
	for i := range p.Tools {
		t := &p.Tools[i]
		t.Plugin, t.Schema = fromBase(p.File, base, t.Plugin), fromBase(p.File, base, t.Schema)
	}
	if _, said := c.doc.root.table("audit").get("log"); !said {
		p.Audit.Log = logFrom(p.File, base)
	}
	p.Audit.Key = fromBase(p.File, base, base.Audit.Key)
	c.positions = maps.Clone(base.positions)
	return base
}

// logFrom is the log of a policy's base as the policy would name it: relative to its own file.
func logFrom(file string, base *Policy) string {
	log := base.Audit.Log
	if log == LogNone {
		return log
	}
	log = fromBase(file, base, log)
	if log == LogNone {
		return "./" + log
	}
	return log
}

// fromBase is a path of a policy's base as the policy itself would name it.
func fromBase(file string, base *Policy, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return relativeTo(file, filepath.Join(filepath.Dir(base.File), path))
}

// relativeTo is a path as a policy would name it, where that can be said.
func relativeTo(file, path string) string {
	if relative, err := filepath.Rel(filepath.Dir(file), path); err == nil {
		return relative
	}
	return path
}

// drop removes what a policy has from its base and does not name: grants, tools and servers
// are had only by those who name them.
func (c *checker) drop(p *Policy) {
	if p.Base == nil {
		return
	}
	if _, named := c.doc.root.get("grant"); !named {
		p.Grants = nil
	}
	if _, named := c.doc.root.get("tool"); !named {
		p.Tools = nil
	}
	if _, named := c.doc.root.get("mcp"); !named {
		p.Servers = nil
	}
}

// table returns the table under a name; if there is none, an empty one.
func (t *table) table(name string) *table {
	if e, ok := t.get(name); ok && e.value.kind == tableKind {
		return e.value.table
	}
	return newTable(0, implied)
}

// checkNarrower reports everything that a policy permits and its base does not.
func (c *checker) checkNarrower(p *Policy) {
	if p.Base == nil {
		return
	}
	for _, d := range exceeds(p, p.Base) {
		at := d.Position
		if at.File != p.File {
			at = Position{File: p.File, Line: 1, Column: 1}
		}
		c.errs = append(c.errs, c.doc.errorAt(at, fmt.Sprintf("%s: not narrower than %s: %s", d.Subject, printable(p.Base.File), d.Text), d.Hint))
	}
}
