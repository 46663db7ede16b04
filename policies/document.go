package policies

import (
	"bytes"
	"fmt"
	"sort"
	"strconv"
	"unicode/utf8"
)

// A document is a TOML file as a tree that remembers where everything stands.
// Places in it are byte offsets; position turns them into lines and columns.
type document struct {
	file  string
	src   []byte
	lines []int // the offset of each line's first byte
	runes []int // how many characters begin before each multiple of stride
	root  *table
}

// stride is how many bytes are counted, at most, to find a column. Without it a
// file of one long line with thousands of mistakes would be counted through
// for each of them.
const stride = 1 << 10

func newDocument(file string, src []byte) *document {
	d := &document{file: file, src: src, lines: []int{0}, runes: []int{0}, root: newTable(0, byHeader)}
	runes := 0
	for i, c := range src {
		if utf8.RuneStart(c) {
			runes++
		}
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
		if (i+1)%stride == 0 {
			d.runes = append(d.runes, runes)
		}
	}
	return d
}

func (d *document) position(at int) Position {
	// go-toml locates what is missing at the end of a file at its last byte.
	start := at
	for start > 0 && start < len(d.src) && !utf8.RuneStart(d.src[start]) {
		start--
	}
	if _, size := utf8.DecodeRune(d.src[start:]); start+size > at {
		at = start
	}
	line := sort.SearchInts(d.lines, at+1) - 1
	column := d.runesBefore(at) - d.runesBefore(d.lines[line]) + 1
	return Position{File: d.file, Line: line + 1, Column: column}
}

// runesBefore returns how many characters begin before an offset.
func (d *document) runesBefore(at int) int {
	runes := d.runes[at/stride]
	for _, c := range d.src[at/stride*stride : at] {
		if utf8.RuneStart(c) {
			runes++
		}
	}
	return runes
}

// line returns where a line, counted from 1, begins and where it ends, without its line break.
func (d *document) line(n int) (start, end int) {
	start, end = d.lines[n-1], len(d.src)
	if n < len(d.lines) {
		end = d.lines[n] - 1
	}
	if end > start && d.src[end-1] == '\r' {
		end--
	}
	return start, end
}

// A kind is the type of a TOML value.
type kind uint8

const (
	stringKind kind = iota
	integerKind
	floatKind
	booleanKind
	dateKind // dates, times and both together
	arrayKind
	tableKind
	arrayOfTablesKind // [[name]]
)

// String is the kind in the words of a message: "found a string".
func (k kind) String() string {
	return [...]string{
		"a string", "an integer", "a float", "a boolean", "a date or time",
		"an array", "a table", "an array of tables",
	}[k]
}

// A value is one TOML value.
type value struct {
	kind  kind
	at    int      // where it begins
	text  string   // of a string what it says, of other scalars how it is written
	raw   []byte   // of a scalar: how it is written, with its quotes
	items []*value // of an array, and of an array of tables
	table *table   // of a table; of an array of tables the last one
}

// within returns the place of the given byte of a string's text.
func (v *value) within(offset int) int {
	if v.kind != stringKind {
		return v.at
	}
	at, length := decoded(v.raw, offset)
	if length != len(v.text) {
		return v.at // not read as TOML reads it: the string as a whole is right
	}
	return v.at + at
}

// decoded walks through a string as it is written. It returns at which of its
// bytes the given byte of the text begins, and the length of the whole text.
func decoded(raw []byte, offset int) (at, length int) {
	quotes := 1
	if len(raw) >= 6 && (string(raw[:3]) == `"""` || string(raw[:3]) == "'''") {
		quotes = 3
	}
	i, at := quotes, -1
	if quotes == 3 {
		i += len(newline(raw[i:]))
	}
	for i < len(raw)-quotes {
		made, size := 1, 1
		if raw[0] == '"' && raw[i] == '\\' {
			made, size = escape(raw[i:])
		}
		if at < 0 && made > 0 && length+made > offset {
			at = i
		}
		i, length = i+size, length+made
	}
	if at < 0 {
		at = i
	}
	return at, length
}

// newline returns the line break that a text begins with.
func newline(text []byte) []byte {
	switch {
	case bytes.HasPrefix(text, []byte("\r\n")):
		return text[:2]
	case bytes.HasPrefix(text, []byte("\n")):
		return text[:1]
	}
	return nil
}

// escape returns how many bytes an escape stands for and how many it has. The
// text begins with a backslash and is valid TOML.
func escape(text []byte) (made, size int) {
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}
	c := text[1]
	if n, ok := digits[c]; ok && len(text) >= 2+n {
		r, err := strconv.ParseUint(string(text[2:2+n]), 16, 32)
		if err != nil {
			return 0, 2 + n
		}
		return utf8.RuneLen(rune(r)), 2 + n
	}
	if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
		return 1, 2
	}
	// A backslash at the end of a line: blanks and line breaks are skipped.
	return 0, 1 + len(text[1:]) - len(bytes.TrimLeft(text[1:], " \t\r\n"))
}

func (v *value) mismatch(expected, hint string) *complaint {
	return &complaint{v.at, fmt.Sprintf("expected %s, found %s", expected, v.kind), hint}
}

// An origin is how a table came to be. TOML says by it what may still be added.
type origin uint8

const (
	byHeader origin = iota // [a]
	implied                // the a of [a.b]
	byKey                  // the a of a.b = 1
	inline                 // a = {…}
)

// A table is one TOML table, its entries in the order of the file.
type table struct {
	at      int
	origin  origin
	entries []entry
	index   map[string]int
}

// An entry is a key and its value.
type entry struct {
	name  string
	at    int // of the key
	value *value
}

func newTable(at int, o origin) *table {
	return &table{at: at, origin: o, index: map[string]int{}}
}

func (t *table) get(name string) (*entry, bool) {
	i, ok := t.index[name]
	if !ok {
		return nil, false
	}
	return &t.entries[i], true
}

func (t *table) add(e entry) {
	t.index[e.name] = len(t.entries)
	t.entries = append(t.entries, e)
}

// addTable adds a table under a name that is not in use.
func (t *table) addTable(name string, keyAt, at int, o origin) *table {
	sub := newTable(at, o)
	t.add(entry{name, keyAt, &value{kind: tableKind, at: at, table: sub}})
	return sub
}
