package policies

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A ScopeType is the type of a family's own key in a grant. It fixes how the
// value is written, checked, compared and explained.
type ScopeType uint8

const (
	ScopeString   ScopeType = iota // one string
	ScopeStrings                   // a list of strings, of which each permits something
	ScopePaths                     // a list of patterns of paths: see [Pattern]
	ScopeURLs                      // a list of patterns of URLs: see [Pattern]
	ScopeSize                      // a number of bytes
	ScopeDuration                  // a length of time
	ScopeInt                       // a whole number
	ScopeBool                      // true permits more than false
	ScopeMap                       // a table of strings
	ScopeEnum                      // one of several strings
)

// String returns the type as messages and the reference call it.
func (t ScopeType) String() string {
	return [...]string{
		"a string", "an array of strings", "an array of path patterns", "an array of URL patterns",
		sizeType, durationType, countType, boolType, "a table of strings", "one of several strings",
	}[t]
}

func (t ScopeType) isList() bool {
	return t == ScopeStrings || t == ScopePaths || t == ScopeURLs
}

// A ScopeKey describes one scope key of a family: the parser checks by it, and
// the reference, the JSON Schema and explanations are made of it.
//
// An absent list is the empty list and permits nothing, unless Default says
// otherwise: a family must not take it for everything.
type ScopeKey struct {
	Name string // lower-case letters, digits and '_', a letter first
	Type ScopeType
	Doc  string // one or two sentences: what it permits

	// Default is the value when the key is absent, written as in a policy:
	// "1MiB" for a size, `["GET"]` for a list. Empty is the type's zero.
	Default string

	// Required says what to do when the key is missing; empty if it may be.
	Required string

	// Min and Max bound sizes, durations (in nanoseconds) and integers, and
	// the number of a list's or table's entries if Max is not 0.
	Min, Max int64

	// Choices are the values of an enum, or of each string of a list if it is
	// not empty. Those of an enum go from the one that permits least to the one
	// that permits most.
	Choices []string

	// Check says what is wrong with one string of the value, at which of its
	// bytes, and what to do. Nil, or an empty message, is nothing.
	Check func(text string) (offset int, message, hint string)

	// CheckName says what is wrong with a name of a table, and what to do. Nil, or
	// an empty message, is nothing.
	CheckName func(name string) (message, hint string)

	// HostPath says that the strings are paths of the host, relative to the folder
	// of the policy file that they stand in. The value holds them joined with it,
	// so that policies in different folders are compared by what they mean.
	HostPath bool

	// Example is a value as it is written in a policy. It must be one that the
	// parser accepts.
	Example string

	// Higher says that of a size, duration or integer a greater value permits
	// less, as of a minimum delay. Fixed says that no other value is narrower.
	Higher, Fixed bool
}

// A Scope is the values of a grant's scope keys. Absent keys have their
// defaults. It must not be changed.
type Scope struct {
	values map[string]ScopeValue
}

// A ScopeValue is the value of one scope key. Which field is set depends on the
// key's type.
type ScopeValue struct {
	Key *ScopeKey

	Text     string            // strings and enums
	List     []string          // lists, in the order of the file
	Patterns []Pattern         // of paths and URLs: List, compiled
	Number   int64             // sizes in bytes, durations in nanoseconds, integers
	Bool     bool              // booleans
	Map      map[string]string // tables

	// Position is that of the value; its Line is 0 when it is the default.
	Position Position

	// Positions are those of List.
	Positions []Position
}

// NewScope makes the scope that a grant without scope keys has: that of the
// defaults. It is for tests of a family, and panics when a default does not
// parse.
func NewScope(keys []ScopeKey) Scope {
	s := Scope{values: make(map[string]ScopeValue, len(keys))}
	for i := range keys {
		v, err := keys[i].byDefault()
		if err != nil {
			panic(err)
		}
		s.values[keys[i].Name] = v
	}
	return s
}

// ParseScope makes a scope of what could stand in a grant of the family: TOML
// without a table header. It is for tests of a family.
func ParseScope(keys []ScopeKey, toml string) (Scope, error) {
	c := &checker{doc: newDocument("", []byte(toml))}
	r := reader{doc: c.doc, report: c.report}
	c.complete = r.read()
	grant := Grant{}
	scopeSection(keys).read(c, "", c.doc.root, &grant)
	if len(c.errs) > 0 {
		c.errs.sort()
		return Scope{}, c.errs
	}
	grant.Scope.fill(keys, nil)
	return grant.Scope, nil
}

// fill gives absent keys their defaults, which [CheckScopes] has seen to be right. Those that were
// made are kept in known, if it is not nil.
func (s *Scope) fill(keys []ScopeKey, known map[*ScopeKey]ScopeValue) {
	for i := range keys {
		if _, ok := s.values[keys[i].Name]; ok {
			continue
		}
		v, ok := known[&keys[i]]
		if !ok {
			var err error
			if v, err = keys[i].byDefault(); err != nil {
				continue
			}
			if known != nil {
				known[&keys[i]] = v
			}
		}
		s.set(keys[i].Name, v)
	}
}

func (s *Scope) set(name string, v ScopeValue) {
	if s.values == nil {
		s.values = map[string]ScopeValue{}
	}
	s.values[name] = v
}

// Value returns the value of a key; ok is false when the family has no such key.
func (s Scope) Value(key string) (v ScopeValue, ok bool) {
	v, ok = s.values[key]
	return v, ok
}

// Text returns the value of a string or an enum.
func (s Scope) Text(key string) string { return s.values[key].Text }

// List returns the value of a list.
func (s Scope) List(key string) []string { return s.values[key].List }

// Patterns returns the patterns of a list of paths or URLs.
func (s Scope) Patterns(key string) []Pattern { return s.values[key].Patterns }

// Number returns the value of an integer, of a size in bytes.
func (s Scope) Number(key string) int64 { return s.values[key].Number }

// Duration returns the value of a duration.
func (s Scope) Duration(key string) time.Duration { return time.Duration(s.values[key].Number) }

// Bool returns the value of a boolean.
func (s Scope) Bool(key string) bool { return s.values[key].Bool }

// Map returns the value of a table of strings.
func (s Scope) Map(key string) map[string]string { return s.values[key].Map }

// byDefault returns the value that the key has when it is absent.
func (k *ScopeKey) byDefault() (ScopeValue, error) {
	v := ScopeValue{Key: k}
	if k.Default == "" {
		if k.Type == ScopeEnum && len(k.Choices) > 0 {
			v.Text = k.Choices[0]
		}
		return v, nil
	}
	v, mistakes := k.parse(k.Default)
	if len(mistakes) > 0 {
		return v, mistakes
	}
	v.Position, v.Positions = Position{}, nil
	return v, nil
}

// parse reads a value as it is written in a policy. Sizes and durations, which
// are always strings, may be written without quotes.
func (k *ScopeKey) parse(text string) (ScopeValue, Errors) {
	if k.Type == ScopeSize || k.Type == ScopeDuration {
		text = `"` + strings.Trim(text, `"`) + `"`
	}
	c := &checker{doc: newDocument("", []byte(k.Name+" = "+text+"\n"))}
	r := reader{doc: c.doc, report: c.report}
	r.read()
	var grant Grant
	scopeSection([]ScopeKey{*k}).read(c, "", c.doc.root, &grant)
	v := grant.Scope.values[k.Name]
	v.Key = k
	return v, c.errs
}

// CheckScopes says what is wrong with the schema of a family's scope keys: names
// that are taken, defaults and examples that do not parse. Whoever makes a
// registry calls it.
func CheckScopes(keys []ScopeKey) []error {
	var mistakes []error
	taken := append(grantKeys.names(), "functions")
	for i := range keys {
		k := &keys[i]
		mistake := func(format string, args ...any) {
			mistakes = append(mistakes, fmt.Errorf("scope key %q: "+format, append([]any{k.Name}, args...)...))
		}
		switch {
		case !functionName.matches(k.Name):
			mistake("the name is not lower-case letters, digits and '_', a letter first")
			continue
		case slices.Contains(taken, k.Name):
			mistake("the name is taken")
		case k.Type > ScopeEnum:
			mistake("there is no such type")
			continue
		}
		taken = append(taken, k.Name)
		if k.Doc == "" || k.Example == "" {
			mistake("a doc and an example are needed")
		}
		if k.Type == ScopeEnum && len(k.Choices) == 0 {
			mistake("an enum needs choices")
		}
		if _, err := k.byDefault(); err != nil {
			mistake("the default is wrong: %w", err)
		}
		if _, wrong := k.parse(k.Example); len(wrong) > 0 {
			mistake("the example is wrong: %w", wrong)
		}
	}
	return mistakes
}

// String prints the value as a policy would have it.
func (v ScopeValue) String() string {
	if v.Key == nil {
		return ""
	}
	switch v.Key.Type {
	case ScopeString, ScopeEnum:
		return quote(v.Text)
	case ScopeSize:
		return `"` + printSize(v.Number) + `"`
	case ScopeDuration:
		return `"` + printDuration(v.Number) + `"`
	case ScopeInt:
		return printCount(v.Number)
	case ScopeBool:
		return fmt.Sprint(v.Bool)
	case ScopeMap:
		parts := make([]string, 0, len(v.Map))
		for _, name := range sortedKeys(v.Map) {
			parts = append(parts, pathKey(name)+" = "+quote(v.Map[name]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	parts := make([]string, len(v.List))
	for i, text := range v.List {
		parts[i] = quote(text)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}
