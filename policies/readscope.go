package policies

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
)

// maxEntries is how many entries a list or table of a scope may have where the
// family does not say.
const maxEntries = 1000

// scopeSection makes the keys of a grant that a family contributes.
func scopeSection(scopes []ScopeKey) section[Grant] {
	keys := make(section[Grant], len(scopes))
	for i := range scopes {
		k := &scopes[i]
		keys[i] = key[Grant]{Key: Key{Path: k.Name}, required: k.Required}
		keys[i].read = func(c *checker, f field, into *Grant) {
			v := ScopeValue{Key: k, Position: c.doc.position(f.value.at)}
			if k.read(c, f, &v) {
				into.Scope.set(k.Name, v)
			}
		}
	}
	return keys
}

// describe returns what the reference says of the key.
func (k *ScopeKey) describe() Key {
	d := Key{Path: k.Name, Type: k.Type.String(), Doc: k.Doc, Example: k.Example, Choices: k.Choices, Default: k.printDefault(), scope: k}
	q, numeric := k.quantity()
	switch {
	case numeric:
		if k.Type != ScopeInt {
			d.Example = `"` + strings.Trim(k.Example, `"`) + `"`
		}
		d.Min, d.Max = q.print(k.Min), ""
		if k.Max > 0 {
			d.Max = q.print(k.Max)
		}
	case k.Type == ScopeEnum:
		d.Type = enumType(k.Choices)
	}
	switch k.Type {
	case ScopeSize:
		d.Unit = "bytes"
	case ScopeDuration:
		d.Unit = "time"
	}
	return d
}

func (k *ScopeKey) printDefault() string {
	switch {
	case k.Required != "":
		return ""
	case k.Default == "" && (k.Type.isList() || k.Type == ScopeMap):
		return "none"
	}
	v, err := k.byDefault()
	if err != nil {
		return ""
	}
	return v.String()
}

func enumType(choices []string) string {
	quoted := make([]string, len(choices))
	for i, c := range choices {
		quoted[i] = `"` + c + `"`
	}
	if n := len(quoted); n > 1 {
		return strings.Join(quoted[:n-1], ", ") + " or " + quoted[n-1]
	}
	return strings.Join(quoted, "")
}

// quantity returns how a number of the key's type is written.
func (k *ScopeKey) quantity() (q quantity, numeric bool) {
	switch k.Type {
	case ScopeSize:
		return sizes, true
	case ScopeDuration:
		return durations, true
	case ScopeInt:
		return counts, true
	}
	return quantity{}, false
}

// read reads the value of the key and reports whether it is right.
func (k *ScopeKey) read(c *checker, f field, into *ScopeValue) bool {
	before := len(c.errs)
	if q, numeric := k.quantity(); numeric {
		most := k.Max
		if most == 0 {
			most = 1<<63 - 1
		}
		into.Number = c.quantity(f, q, k.Min, most)
		return len(c.errs) == before
	}
	switch k.Type {
	case ScopeBool:
		into.Bool = c.boolean(f)
	case ScopeString:
		if text, ok := c.text(f); ok && k.checkText(c, f, f.value) {
			into.Text = k.resolve(c, text)
		}
	case ScopeEnum:
		into.Text = c.choice(f, k.Choices...)
	case ScopeMap:
		into.Map = k.readMap(c, f)
	default:
		k.readList(c, f, into)
	}
	return len(c.errs) == before
}

func (k *ScopeKey) readList(c *checker, f field, into *ScopeValue) {
	items, ok := c.list(f)
	if !ok || !k.checkCount(c, f, len(f.items)) {
		return
	}
	into.List = []string{}
	for _, item := range items {
		p, ok := k.readPattern(c, f, item)
		if !ok || !k.checkText(c, f, item) {
			continue
		}
		if p.text != "" {
			into.Patterns = append(into.Patterns, p)
		}
		into.List = append(into.List, k.resolve(c, item.text))
		into.Positions = append(into.Positions, c.doc.position(item.at))
	}
}

// readPattern reads an element of a list of patterns; of other lists it does nothing.
func (k *ScopeKey) readPattern(c *checker, f field, item *value) (p Pattern, ok bool) {
	parse := parsePath
	switch k.Type {
	case ScopeURLs:
		parse = parseURL
	case ScopePaths:
	default:
		return Pattern{}, true
	}
	p, mistake := parse(item.text)
	if mistake != nil {
		c.complain(f, &complaint{item.within(mistake.at), quote(item.text) + ": " + mistake.message, mistake.hint})
		return p, false
	}
	return p, true
}

func (k *ScopeKey) readMap(c *checker, f field) map[string]string {
	if !c.isTable(f) || !k.checkCount(c, f, len(f.table.entries)) {
		return nil
	}
	m := make(map[string]string, len(f.table.entries))
	for _, e := range f.table.entries {
		entry := field{f.path + "." + pathKey(e.name), e.at, e.value}
		if i := strings.IndexFunc(e.name, unprintable); i >= 0 || e.name == "" {
			c.report(e.at, f.path+": a name must be printable and not empty", "")
			continue
		}
		if k.CheckName != nil {
			if message, hint := k.CheckName(e.name); message != "" {
				c.report(e.at, f.path+": "+quote(e.name)+" "+message, hint)
				continue
			}
		}
		if text, ok := c.text(entry); ok && k.checkText(c, entry, e.value) {
			m[e.name] = k.resolve(c, text)
			c.note(entry.path, e.value.at)
		}
	}
	return m
}

// resolve returns a string of the value as the value holds it.
func (k *ScopeKey) resolve(c *checker, text string) string {
	if !k.HostPath || text == "" || filepath.IsAbs(text) {
		return text
	}
	return filepath.Join(filepath.Dir(c.doc.file), filepath.FromSlash(text))
}

func (k *ScopeKey) checkCount(c *checker, f field, n int) bool {
	most := k.Max
	if most == 0 {
		most = maxEntries
	}
	switch {
	case int64(n) < k.Min && k.Min == 1:
		c.complain(f, &complaint{f.value.at, "must not be empty", ""})
	case int64(n) < k.Min:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must have at least %d entries", k.Min), ""})
	case int64(n) > most:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must not have more than %d entries", most), ""})
	default:
		return true
	}
	return false
}

// checkText checks one string of the value.
func (k *ScopeKey) checkText(c *checker, f field, v *value) bool {
	if i := strings.IndexFunc(v.text, unprintable); i >= 0 {
		c.complain(f, &complaint{v.within(i), "a value cannot have " + character(v.text, i), ""})
		return false
	}
	if len(k.Choices) > 0 && !slices.Contains(k.Choices, v.text) {
		c.complain(f, &complaint{v.at, "expected " + enumType(k.Choices) + ", found " + quote(v.text), c.suggest(v.text, k.Choices, "")})
		return false
	}
	if k.Check == nil {
		return true
	}
	if at, message, hint := k.Check(v.text); message != "" {
		c.complain(f, &complaint{v.within(at), message, hint})
		return false
	}
	return true
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }

func (s Scope) clone() Scope { return Scope{values: maps.Clone(s.values)} }

// keys returns the names of the scope's keys, sorted.
func (s Scope) keys() []string { return sortedKeys(s.values) }

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

func setOf(list []string) map[string]bool {
	set := make(map[string]bool, len(list))
	for _, name := range list {
		set[name] = true
	}
	return set
}
