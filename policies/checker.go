package policies

import (
	"fmt"
	"strconv"
	"strings"
)

// A checker reads the values of a document and collects what is wrong.
type checker struct {
	doc      *document
	vocab    Vocabulary
	complete bool // the document was read to its end, so what is missing is missing
	errs     Errors
	warnings Errors
	imports  []*value // what [python].imports names, to be compared with the grants
}

func (c *checker) report(at int, message, hint string) {
	c.errs = append(c.errs, &Error{c.doc.position(at), message, hint})
}

func (c *checker) warn(at int, message, hint string) {
	c.warnings = append(c.warnings, &Error{c.doc.position(at), message, hint})
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
		suggest(e.name, known, choices("known here:", known)))
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

// choice returns one of several strings.
func (c *checker) choice(f field, valid ...string) string {
	text, ok := c.text(f)
	if !ok {
		return ""
	}
	quoted := make([]string, len(valid))
	for i, v := range valid {
		if v == text {
			return text
		}
		quoted[i] = strconv.Quote(v)
	}
	expected := "expected " + strings.Join(quoted, " or ")
	c.complain(f, &complaint{f.value.at, expected + ", found " + quote(text), suggest(text, valid, "")})
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
