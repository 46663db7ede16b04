package policies

import (
	"fmt"
	"slices"
	"strconv"
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
	Unit    string // what a number counts; "" if it has none
	Doc     string // one or two sentences
	Example string // a value as it is written in a policy, which Parse accepts

	// Choices are all values that a string can have; nil if there are others.
	Choices []string

	scope *ScopeKey // nil if it is none
}

// literal returns a value as it is written: quoted, unless the key takes a number.
func (k Key) literal(value string) string {
	if k.Type == countType {
		return value
	}
	return strconv.Quote(value)
}

// Schema returns every key of the language, in the order in which the
// reference explains them, and last the scope keys of the vocabulary's families, as
// "grant.http.urls". A key that is not listed is an error in a policy.
func Schema(vocab Vocabulary) []Key {
	keys := slices.Concat(
		rootKeys.describe(""),
		limitKeys.describe("limits."),
		pythonKeys.describe("python."),
		auditKeys.describe("audit."),
		grantKeys.describe("grant.FAMILY."),
		toolKeys.describe("tool.NAME."),
		toolLimitKeys.describe("tool.NAME.limits."),
		serverKeys.describe("mcp.NAME."),
	)
	for _, family := range vocab.familyNames() {
		for _, k := range vocab.Families[family].Scopes {
			described := k.describe()
			described.Path = "grant." + family + "." + k.Name
			keys = append(keys, described)
		}
	}
	return keys
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
	s.readKnown(c, path, t, into)
	for _, e := range t.entries {
		if _, ok := s.find(e.name); !ok {
			c.unknownKey(path, e, s.names())
		}
	}
	for _, k := range s {
		if _, ok := t.get(k.Path); !ok && k.required != "" && c.complete {
			c.report(t.at, fmt.Sprintf("%q is missing%s", k.Path, in(path)), k.required)
		}
	}
}

// readKnown reads the keys of a table that the section has.
func (s section[T]) readKnown(c *checker, path string, t *table, into *T) {
	for _, e := range t.entries {
		if k, ok := s.find(e.name); ok {
			c.note(path+e.name, e.value.at)
			k.read(c, field{path + e.name, e.at, e.value}, into)
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
			Doc: "The version of the policy language.", Example: "1",
		},
		required: "write policy = 1",
		read:     readVersion,
	},
	{
		Key: Key{
			Path: "name", Type: "a string",
			Doc: "What messages and audit records call the policy: at most 64 printable characters, the first no space.", Example: `"analyst"`,
		},
		required: `write for example name = "analyst"`,
		read:     readName,
	},
	{
		Key: Key{
			Path: "extends", Type: "a string", Default: "none",
			Doc: "The policy that this one narrows, relative to this one's file.", Example: `"base.toml"`,
		},
		read: func(*checker, field, *Policy) {}, // it is read before all others
	},
	subsection("limits", limitKeys, func(p *Policy) *Limits { return &p.Limits }),
	subsection("python", pythonKeys, func(p *Policy) *Python { return &p.Python }),
	subsection("audit", auditKeys, func(p *Policy) *Audit { return &p.Audit }),
	{Key: Key{Path: "grant"}, read: readGrants},
	{Key: Key{Path: "tool"}, read: readTools},
	{Key: Key{Path: "mcp"}, read: readServers},
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

var limitKeys = limitSection(limits)

var pythonKeys = section[Python]{
	{
		Key: Key{
			Path: "imports", Type: "an array of strings", Default: "the base list",
			Doc:     "The standard library modules that may be imported, each with its submodules.",
			Example: `["re", "datetime", "xml.etree"]`,
		},
		read: readImports,
	},
	{
		Key: Key{
			Path: "packages", Type: "an array of strings", Default: "[]",
			Doc:     "The packages that may be imported, each at one exact version.",
			Example: `["attrs==25.3.0"]`,
		},
		read: readPackages,
	},
	{
		Key: Key{
			Path: "hash_seed", Type: "an integer", Default: "0", Min: "0", Max: printCount(maxHashSeed),
			Doc:     "The seed of Python's string hashes, which fixes the order of sets.",
			Example: "42",
		},
		read: func(c *checker, f field, into *Python) {
			into.HashSeed = uint32(c.quantity(f, counts, 0, maxHashSeed))
		},
	},
}

const maxHashSeed = 1<<32 - 1
