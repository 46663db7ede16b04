package policies

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2/unstable"
)

const (
	// maxSize is how large a policy file may be, in bytes.
	maxSize = 1 << 20
	// maxValues is how many keys and array elements a policy may have. It also
	// bounds the number of mistakes that can be reported.
	maxValues = 4096
	// maxDepth is how deep tables and arrays may be nested.
	maxDepth = 16
)

// A reader builds a document out of the expressions of go-toml's parser. That
// parser checks the grammar and says where things stand; what the expressions
// mean together, above all which tables and keys may not be defined again, is
// decided here.
type reader struct {
	doc     *document
	current *table // the table of the last header
	values  int
	stopped bool // a bound was exceeded: nothing more is read
	report  func(at int, message, hint string)
}

// read fills in the document and reports whether it came to the end. Mistakes
// that do not keep it from going on are reported and leave out what they are
// about.
func (r *reader) read() bool {
	var parser unstable.Parser
	parser.Reset(r.doc.src)
	r.current = r.doc.root
	for !r.stopped && parser.NextExpression() {
		switch node := parser.Expression(); node.Kind {
		case unstable.KeyValue:
			r.keyValue(r.current, node, 1)
		case unstable.Table, unstable.ArrayTable:
			r.header(node)
		default:
			r.stop(0, fmt.Sprintf("unexpected TOML expression %s", node.Kind))
		}
	}
	var mistake *unstable.ParserError
	switch err := parser.Error(); {
	case errors.As(err, &mistake):
		at := int(parser.Range(mistake.Highlight).Offset)
		r.stop(at, "not valid TOML: "+r.describe(mistake, at))
	case err != nil:
		r.stop(0, "not valid TOML: "+err.Error())
	}
	return !r.stopped
}

// describe returns what is wrong with the grammar. The parser names a byte
// where it stumbles over a character: a quotation mark of a text processor
// would be an 'â'.
func (r *reader) describe(mistake *unstable.ParserError, at int) string {
	if at < len(r.doc.src) && r.doc.src[at] >= utf8.RuneSelf {
		c, _ := utf8.DecodeRune(r.doc.src[at:])
		return fmt.Sprintf("unexpected character %q", c)
	}
	return mistake.Message
}

func (r *reader) stop(at int, message string) {
	r.report(at, message, "")
	r.stopped = true
}

// count notes one more value and reports whether there may be one.
func (r *reader) count(at, depth int) bool {
	if r.stopped {
		return false
	}
	r.values++
	switch {
	case r.values > maxValues:
		r.stop(at, fmt.Sprintf("more than %d keys and array elements", maxValues))
	case depth > maxDepth:
		r.stop(at, fmt.Sprintf("nested more than %d levels deep", maxDepth))
	}
	return !r.stopped
}

// header begins the table of a [header] or [[header]].
func (r *reader) header(node *unstable.Node) {
	t, depth := r.doc.root, 0
	for keys := node.Key(); keys.Next(); {
		key, at := keys.Node(), int(keys.Node().Raw.Offset)
		if depth++; !r.count(at, depth) {
			return
		}
		switch {
		case !keys.IsLast():
			t = r.descend(t, string(key.Data), at)
		case node.Kind == unstable.ArrayTable:
			t = r.element(t, string(key.Data), at, r.bracket(node))
		default:
			t = r.define(t, string(key.Data), at, r.bracket(node))
		}
		if t == nil {
			// The keys that follow have no place. They are read, for their
			// syntax, into a table that nobody looks at.
			t = newTable(at, byHeader)
			break
		}
	}
	r.current = t
}

// bracket returns where the header of a table begins.
func (r *reader) bracket(node *unstable.Node) int {
	at := int(node.Child().Raw.Offset) - 1
	for r.doc.src[at] != '[' {
		at--
	}
	if node.Kind == unstable.ArrayTable {
		at--
	}
	return at
}

// descend goes to the table that a header names on its way to another.
func (r *reader) descend(t *table, name string, at int) *table {
	e, ok := t.get(name)
	switch {
	case !ok:
		return t.addTable(name, at, at, implied)
	case e.value.table == nil || e.value.table.origin == inline:
		r.again(at, name, e)
		return nil
	default:
		return e.value.table
	}
}

// define makes the table that a header is about.
func (r *reader) define(t *table, name string, at, bracket int) *table {
	e, ok := t.get(name)
	switch {
	case !ok:
		return t.addTable(name, at, bracket, byHeader)
	case e.value.kind == tableKind && e.value.table.origin == implied:
		e.at, e.value.at = at, bracket
		e.value.table.at, e.value.table.origin = bracket, byHeader
		return e.value.table
	default:
		r.again(at, name, e)
		return nil
	}
}

// element adds a table to an array of tables.
func (r *reader) element(t *table, name string, at, bracket int) *table {
	e, ok := t.get(name)
	if !ok {
		t.add(entry{name, at, &value{kind: arrayOfTablesKind, at: bracket}})
		e, _ = t.get(name)
	}
	if e.value.kind != arrayOfTablesKind {
		r.again(at, name, e)
		return nil
	}
	e.value.table = newTable(bracket, byHeader)
	e.value.items = append(e.value.items, &value{kind: tableKind, at: bracket, table: e.value.table})
	return e.value.table
}

// keyValue adds what "key = value" says to a table. It returns where the value
// ends.
func (r *reader) keyValue(t *table, node *unstable.Node, depth int) (end int) {
	var name string
	var at int
	for keys := node.Key(); keys.Next(); depth++ {
		key := keys.Node()
		name, at = string(key.Data), int(key.Raw.Offset)
		end = at + int(key.Raw.Length)
		if !r.count(at, depth) {
			return end
		}
		if !keys.IsLast() && t != nil {
			t = r.dotted(t, name, at)
		}
	}
	for c := r.doc.src[end]; c == ' ' || c == '\t' || c == '='; c = r.doc.src[end] {
		end++
	}
	v, end := r.value(node.Value(), end, depth)
	if v == nil || t == nil {
		return end
	}
	if first, ok := t.get(name); ok {
		r.again(at, name, first)
		return end
	}
	t.add(entry{name, at, v})
	return end
}

// dotted goes to the table that a dotted key names on its way.
func (r *reader) dotted(t *table, name string, at int) *table {
	e, ok := t.get(name)
	switch {
	case !ok:
		return t.addTable(name, at, at, byKey)
	case e.value.kind == tableKind && e.value.table.origin == byKey:
		return e.value.table
	default:
		r.again(at, name, e)
		return nil
	}
}

// again reports a second definition of a name.
func (r *reader) again(at int, name string, first *entry) {
	place := r.doc.position(first.at)
	r.report(at, fmt.Sprintf("%s is defined a second time; first at %d:%d", quote(name), place.Line, place.Column), "")
}

var kinds = map[unstable.Kind]kind{
	unstable.String: stringKind, unstable.Integer: integerKind, unstable.Float: floatKind,
	unstable.Bool: booleanKind, unstable.LocalDate: dateKind, unstable.LocalTime: dateKind,
	unstable.LocalDateTime: dateKind, unstable.DateTime: dateKind,
	unstable.Array: arrayKind, unstable.InlineTable: tableKind,
}

// value converts a value that begins at from and returns where it ends. The
// parser does not say where arrays begin and end, so this follows the text.
// The value is nil once the reader has stopped.
func (r *reader) value(node *unstable.Node, from, depth int) (v *value, end int) {
	if depth > maxDepth {
		r.stop(from, fmt.Sprintf("nested more than %d levels deep", maxDepth))
		return nil, from
	}
	v = &value{kind: kinds[node.Kind], at: from, text: string(node.Data)}
	switch v.kind {
	case arrayKind:
		end = r.skip(from + 1)
		for items := node.Children(); items.Next(); end = r.skip(end) {
			if !r.count(end, depth) {
				return nil, end
			}
			var item *value
			if item, end = r.value(items.Node(), end, depth+1); item == nil {
				return nil, end
			}
			v.items = append(v.items, item)
		}
		return v, end + 1
	case tableKind:
		v.table = newTable(from, inline)
		end = r.skip(from + 1)
		for pairs := node.Children(); pairs.Next(); end = r.skip(end) {
			if end = r.keyValue(v.table, pairs.Node(), depth); r.stopped {
				return nil, end
			}
		}
		seal(v.table)
		return v, end + 1
	default:
		end = from + int(node.Raw.Length)
		v.raw = r.doc.src[from:end]
		return v, end
	}
}

// seal closes the tables that the dotted keys of an inline table made: what is
// within the braces cannot be extended from without.
func seal(t *table) {
	for _, e := range t.entries {
		if e.value.kind == tableKind && e.value.table.origin == byKey {
			e.value.table.origin = inline
			seal(e.value.table)
		}
	}
}

// skip returns the place of the next thing after blanks, comments and commas.
func (r *reader) skip(at int) int {
	for at < len(r.doc.src) {
		switch r.doc.src[at] {
		case ' ', '\t', '\r', '\n', ',':
			at++
		case '#':
			for at < len(r.doc.src) && r.doc.src[at] != '\n' {
				at++
			}
		default:
			return at
		}
	}
	return at
}
