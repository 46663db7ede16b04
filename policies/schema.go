package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Key describes one key of the policy language, for references, help texts
// and editors. All fields are text for people.
type Key struct {
	Path    string // "limits.fuel"; FAMILY stands for any family: "grant.FAMILY.functions"
	Type    string // what a value is: `a size such as "64KiB"`
	Default string // the value if the key is absent, as it would be written; "" if there is none
	Min     string // the least value; "" if it has none
	Max     string // the greatest value; "" if it has none
	Doc     string // one or two sentences
}

// Schema returns every key of the language, in the order in which the
// reference explains them. A key that is not listed is an error in a policy.
func Schema() []Key {
	return slices.Concat(
		rootKeys.describe(""),
		limitKeys.describe("limits."),
		pythonKeys.describe("python."),
		auditKeys.describe("audit."),
		grantKeys.describe("grant.FAMILY."),
	)
}

// A section is the keys of one table, whose values go into a T.
type section[T any] []key[T]

// A key is one key of a section. Key.Path is its name alone; required says
// what to do when it is missing, and is empty if it may be.
type key[T any] struct {
	Key
	required string
	read     func(c *checker, f field, into *T)
}

// A field is a key with its value as found in a policy.
type field struct {
	path string // "limits.fuel"
	at   int    // where the key stands
	*value
}

// read reads a table. The path is that of the table with a dot behind it, or
// empty for the root.
func (s section[T]) read(c *checker, path string, t *table, into *T) {
	for _, e := range t.entries {
		if k, ok := s.find(e.name); ok {
			k.read(c, field{path + e.name, e.at, e.value}, into)
		} else {
			c.unknownKey(path, e, s.names())
		}
	}
	for _, k := range s {
		if _, ok := t.get(k.Path); !ok && k.required != "" && c.complete {
			c.report(t.at, fmt.Sprintf("%q is missing%s", k.Path, in(path)), k.required)
		}
	}
}

func (s section[T]) find(name string) (key[T], bool) {
	i := slices.IndexFunc(s, func(k key[T]) bool { return k.Path == name })
	if i < 0 {
		return key[T]{}, false
	}
	return s[i], true
}

func (s section[T]) names() []string {
	names := make([]string, len(s))
	for i, k := range s {
		names[i] = k.Path
	}
	return names
}

// describe returns the descriptions of the section's keys, except of those
// that are sections themselves.
func (s section[T]) describe(path string) []Key {
	var keys []Key
	for _, k := range s {
		if k.Type != "" {
			described := k.Key
			described.Path = path + k.Path
			keys = append(keys, described)
		}
	}
	return keys
}

// in returns " in [limits]" for the path "limits.", and nothing for the root.
func in(path string) string {
	if path == "" {
		return ""
	}
	return " in [" + strings.TrimSuffix(path, ".") + "]"
}

var rootKeys = section[Policy]{
	{
		Key: Key{
			Path: "policy", Type: "an integer", Min: "1", Max: "1",
			Doc: "The version of the policy language.",
		},
		required: "write policy = 1",
		read:     readVersion,
	},
	{
		Key: Key{
			Path: "name", Type: "a string",
			Doc: "What messages and audit records call the policy.",
		},
		required: `write for example name = "analyst"`,
		read:     readName,
	},
	subsection("limits", limitKeys, func(p *Policy) *Limits { return &p.Limits }),
	subsection("python", pythonKeys, func(p *Policy) *Python { return &p.Python }),
	subsection("audit", auditKeys, func(p *Policy) *Audit { return &p.Audit }),
	{Key: Key{Path: "grant"}, read: readGrants},
}

// subsection is the key of a table that has a section of its own.
func subsection[T, S any](name string, s section[S], part func(*T) *S) key[T] {
	return key[T]{
		Key: Key{Path: name},
		read: func(c *checker, f field, into *T) {
			if c.isTable(f) {
				s.read(c, f.path+".", f.table, part(into))
			}
		},
	}
}

var limitKeys = func() section[Limits] {
	s := make(section[Limits], len(limits))
	for i, l := range limits {
		s[i] = key[Limits]{
			Key: Key{
				Path: l.name, Type: l.quantity.typ, Default: l.quantity.print(l.byDefault),
				Min: l.quantity.print(l.min), Max: l.quantity.print(l.max), Doc: l.doc,
			},
			read: func(c *checker, f field, into *Limits) {
				*l.field(into) = c.quantity(f, l.quantity, l.min, l.max)
			},
		}
	}
	return s
}()

var pythonKeys = section[Python]{
	{
		Key: Key{
			Path: "imports", Type: "an array of strings", Default: "the base list",
			Doc: "The standard library modules that may be imported, each with its submodules.",
		},
		read: readImports,
	},
	{
		Key: Key{
			Path: "packages", Type: "an array of strings", Default: "[]",
			Doc: "Must be empty: packages are not supported.",
		},
		read: readPackages,
	},
	{
		Key: Key{
			Path: "hash_seed", Type: "an integer", Default: "0", Min: "0", Max: printCount(maxHashSeed),
			Doc: "The seed of Python's string hashes, which fixes the order of sets.",
		},
		read: func(c *checker, f field, into *Python) {
			into.HashSeed = uint32(c.quantity(f, counts, 0, maxHashSeed))
		},
	},
}

const maxHashSeed = 1<<32 - 1

var grantKeys = section[Grant]{
	{
		Key: Key{
			Path: "functions", Type: "an array of strings",
			Doc: "The functions of the family that may be called.",
		},
		required: "name the functions that are granted",
		read:     readFunctions,
	},
}

// readGrants reads [grant]: one table for each family.
func readGrants(c *checker, f field, into *Policy) {
	if !c.isTable(f) {
		return
	}
	for _, e := range f.table.entries {
		family := field{f.path + "." + pathKey(e.name), e.at, e.value}
		known := c.isFamily(e)
		if !c.isTable(family) {
			continue
		}
		grant := Grant{Family: e.name, Position: c.doc.position(e.value.at), rule: family.path}
		keys := grantKeys
		if !known {
			// Its functions would all be unknown too: once is enough.
			keys = keys.without("functions")
		}
		keys.read(c, family.path+".", e.value.table, &grant)
		into.Grants = append(into.Grants, grant)
	}
	slices.SortFunc(into.Grants, func(a, b Grant) int { return strings.Compare(a.Family, b.Family) })
}

// without returns the section with a key that is known and not looked at.
func (s section[T]) without(name string) section[T] {
	s = slices.Clone(s)
	for i := range s {
		if s[i].Path == name {
			s[i].required, s[i].read = "", func(*checker, field, *T) {}
		}
	}
	return s
}

func (c *checker) isFamily(e entry) bool {
	families := slices.Sorted(maps.Keys(c.vocab.Families))
	_, known := c.vocab.Families[e.name]
	switch {
	case !familyName.matches(e.name):
		c.report(e.at, quote(e.name)+" is not a family's name",
			suggest(e.name, families, "a family is written in lower-case letters and digits, a letter first"))
	case !known:
		c.report(e.at, "there is no family "+quote(e.name), suggest(e.name, families, choices("there are", families)))
	default:
		return true
	}
	return false
}
