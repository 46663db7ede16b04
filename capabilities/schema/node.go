package schema

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"
)

// A node is one value of a schema's document, with its place.
type node struct {
	kind    nodeKind
	text    string // of a string or a number
	truth   bool
	items   []*node  // of a list
	members []member // of a table, in order; no name is there twice
	at      place
}

type member struct {
	name string
	at   place
	node *node
}

// A place is where something begins in a document. Both begin at 1, and columns count characters.
type place struct{ line, column int }

type nodeKind uint8

const (
	null nodeKind = iota
	boolean
	number
	text
	sequence
	mapping
)

func (k nodeKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "a list", "a table"}[k]
}

// get gives a member of a table, or nil.
func (n *node) get(name string) *node {
	if n == nil || n.kind != mapping {
		return nil
	}
	for _, m := range n.members {
		if m.name == name {
			return m.node
		}
	}
	return nil
}

// A documentError is why a document cannot be read at all.
type documentError struct {
	at      place
	message string
}

func (e *documentError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.at.line, e.at.column, e.message)
}

func malformed(at place, format string, args ...any) error {
	return &documentError{at, fmt.Sprintf(format, args...)}
}

func checkText(src []byte) error {
	switch {
	case len(src) > MaxText:
		return malformed(place{1, 1}, "the schema is longer than %d KiB", MaxText>>10)
	case !utf8.Valid(src):
		return malformed(place{1, 1}, "the schema is not UTF-8")
	}
	return nil
}

// readJSON reads a document in JSON.
func readJSON(src []byte) (*node, error) {
	if err := checkText(src); err != nil {
		return nil, err
	}
	r := &jsonReader{src: src, decoder: json.NewDecoder(bytes.NewReader(src))}
	r.decoder.UseNumber()
	n, err := r.value(0)
	if err != nil {
		return nil, err
	}
	at := r.next()
	if _, err := r.decoder.Token(); err != io.EOF {
		return nil, malformed(at, "there is more after the document")
	}
	return n, nil
}

type jsonReader struct {
	src     []byte
	decoder *json.Decoder
	count   int
	place   place // of offset
	offset  int
}

// next gives the place of the next token.
func (r *jsonReader) next() place {
	to := int(r.decoder.InputOffset())
	for to < len(r.src) && bytes.IndexByte([]byte(" \t\r\n,:"), r.src[to]) >= 0 {
		to++
	}
	return r.at(to)
}

// at gives the place of an offset, which is not before the last one.
func (r *jsonReader) at(to int) place {
	if r.place.line == 0 {
		r.place = place{1, 1}
	}
	for ; r.offset < to && r.offset < len(r.src); r.offset++ {
		switch c := r.src[r.offset]; {
		case c == '\n':
			r.place = place{r.place.line + 1, 1}
		case c&0xC0 != 0x80:
			r.place.column++
		}
	}
	return r.place
}

func (r *jsonReader) token() (json.Token, place, error) {
	at := r.next()
	t, err := r.decoder.Token()
	if err != nil {
		var syntax *json.SyntaxError
		message := "unexpected end"
		if errors.As(err, &syntax) {
			message = syntax.Error()
		}
		return nil, at, malformed(at, "not JSON: %s", message)
	}
	return t, at, nil
}

func (r *jsonReader) value(depth int) (*node, error) {
	t, at, err := r.token()
	if err != nil {
		return nil, err
	}
	if r.count++; r.count > maxNodes {
		return nil, malformed(at, "the schema has more than %d values", maxNodes)
	}
	n := &node{at: at}
	switch t := t.(type) {
	case nil:
	case bool:
		n.kind, n.truth = boolean, t
	case json.Number:
		n.kind, n.text = number, t.String()
	case string:
		n.kind, n.text = text, t
	case json.Delim:
		if depth++; depth > maxDepth {
			return nil, malformed(at, "the schema is nested deeper than %d", maxDepth)
		}
		if t == '[' {
			n.kind, err = sequence, r.list(n, depth)
		} else {
			n.kind, err = mapping, r.table(n, depth)
		}
	}
	return n, err
}

func (r *jsonReader) list(n *node, depth int) error {
	for r.decoder.More() {
		item, err := r.value(depth)
		if err != nil {
			return err
		}
		n.items = append(n.items, item)
	}
	_, _, err := r.token()
	return err
}

func (r *jsonReader) table(n *node, depth int) error {
	seen := make(map[string]bool)
	for r.decoder.More() {
		t, at, err := r.token()
		if err != nil {
			return err
		}
		name := t.(string) // the decoder takes nothing else for a key
		if seen[name] {
			return malformed(at, "%q is there twice", name)
		}
		seen[name] = true
		value, err := r.value(depth)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{name, at, value})
	}
	_, _, err := r.token()
	return err
}
