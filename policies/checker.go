package policies

import (
	"fmt"
	"slices"
)

// A checker reads the values of a document and collects what is wrong.
type checker struct {
	doc      *document
	vocab    Vocabulary
	modules  map[string]bool // those of vocab, once they are needed
	complete bool            // the document was read to its end, so what is missing is missing
	errs     Errors
	warnings Errors
	imports  []*value // what [python].imports names, to be compared with the grants

	defaults  map[*ScopeKey]ScopeValue
	positions map[string]Position // of the value of each key, by its path
	whens     int                 // bytes of all conditions
	searches  int                 // for nearest names
	foreign   Errors              // mistakes of the policies that this one extends
}

// maxSearches is for how many mistakes of a policy the nearest valid name is
// looked for. Nobody reads more of them, and a policy of nothing but mistakes would
// take most of a second.
const maxSearches = 100

// suggest is [suggest] for as many mistakes as somebody will read.
func (c *checker) suggest(wrong string, valid []string, otherwise string) string {
	if c.searches++; c.searches > maxSearches {
		return otherwise
	}
	return suggest(wrong, valid, otherwise)
}

func (c *checker) report(at int, message, hint string) {
	c.errs = append(c.errs, c.doc.newError(at, message, hint))
}

func (c *checker) warn(at int, message, hint string) {
	c.warnings = append(c.warnings, c.doc.newError(at, message, hint))
}

// note remembers where the value of a key stands.
func (c *checker) note(path string, at int) {
	if c.positions == nil {
		c.positions = map[string]Position{}
	}
	c.positions[path] = c.doc.position(at)
}

// complain reports what is wrong with the value of a key.
func (c *checker) complain(f field, about *complaint) {
	c.report(about.at, f.path+": "+about.message, about.hint)
}

func (c *checker) unknownKey(path string, e entry, known []string) {
	thing := "key"
	if e.value.table != nil {
		thing = "table"
	}
	c.report(e.at, fmt.Sprintf("unknown %s %s%s", thing, quote(e.name), in(path)),
		c.suggest(e.name, known, choices("known here:", known)))
}

func (c *checker) isTable(f field) bool {
	if f.kind != tableKind {
		c.complain(f, f.mismatch("a table", ""))
		return false
	}
	return true
}

// text returns a string, or reports that it is none.
func (c *checker) text(f field) (string, bool) {
	if f.kind != stringKind {
		c.complain(f, f.mismatch("a string", ""))
		return "", false
	}
	return f.value.text, true
}

// boolean returns true or false.
func (c *checker) boolean(f field) bool {
	if f.kind != booleanKind {
		c.complain(f, f.mismatch(boolType, "write true or false"))
	}
	return f.value.text == "true"
}

// choice returns one of several strings.
func (c *checker) choice(f field, valid ...string) string {
	text, ok := c.text(f)
	if !ok {
		return ""
	}
	if slices.Contains(valid, text) {
		return text
	}
	c.complain(f, &complaint{f.value.at, "expected " + enumType(valid) + ", found " + quote(text), c.suggest(text, valid, "")})
	return ""
}

// quantity returns a number within bounds; if there is a mistake, any number.
func (c *checker) quantity(f field, q quantity, least, greatest int64) int64 {
	n, mistake := q.read(f.value)
	written := f.value.text
	if len(written) > maxName {
		written = q.print(n)
	}
	switch {
	case mistake != nil:
		c.complain(f, mistake)
	case n < least:
		c.complain(f, &complaint{f.value.at, written + " is below the minimum of " + q.print(least), ""})
	case n > greatest:
		c.complain(f, &complaint{f.value.at, written + " is above the maximum of " + q.print(greatest), ""})
	}
	return n
}

// list returns the strings of an array and reports the other elements and
// whatever is listed twice.
func (c *checker) list(f field) (items []*value, ok bool) {
	if f.kind != arrayKind {
		hint := ""
		if f.kind == stringKind {
			hint = "write [" + quote(f.value.text) + "]"
		}
		c.complain(f, f.mismatch("an array of strings", hint))
		return nil, false
	}
	seen := map[string]int{}
	for _, item := range f.items {
		if item.kind != stringKind {
			c.complain(f, item.mismatch("a string", ""))
			continue
		}
		if first, twice := seen[item.text]; twice {
			place := c.doc.position(first)
			c.report(item.at, fmt.Sprintf("%s: %s is listed twice; first at %d:%d",
				f.path, quote(item.text), place.Line, place.Column), "")
			continue
		}
		seen[item.text] = item.at
		items = append(items, item)
	}
	return items, true
}
