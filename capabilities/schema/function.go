package schema

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/postern-sandbox/postern/values"
)

// A Function is a tool as Python sees it. It does not change once it is made.
type Function struct {
	// Name is Python's: it matches [a-z][a-z0-9_]* and is no keyword.
	Name string
	// Original is the name that the tool has for it: of a plugin's export, of an MCP server's tool.
	Original string
	// Doc is one line, with the types of the parameters, of at most 4 KiB.
	Doc string
	// Signature is what capabilities.ParseSignature takes.
	Signature string

	input  *payload // nil is none
	output *payload
	fields []field           // the members of an object: the parameters, in order
	rest   int               // the place of **kwargs among the parameters, or -1
	more   *shape            // of what is in it
	folded map[string]string // the names of fields by their keys of package fold; nil where what is alike makes no difference
}

// A field is a member of the input that is a parameter.
type field struct {
	name, original string
	shape          *shape
	required       bool
	keyword        bool
}

// A payload is what goes in or comes out.
type payload struct {
	format format
	shape  *shape
}

type format uint8

const (
	asJSON format = iota
	asText
	asBytes
)

// valueParameter is the name of the parameter of an input that is one value.
func valueParameter(p *payload) string {
	switch p.format {
	case asText:
		return "text"
	case asBytes:
		return "data"
	}
	return "value"
}

// describe sets the signature and the documentation of a function whose input and output are known.
func (f *Function) describe(doc string) error {
	var parts, types []string
	keyword := false
	length := 0 // of types: what is beyond that of the documentation is not worth the words
	for _, one := range f.fields {
		if one.keyword && !keyword {
			parts, keyword = append(parts, "*"), true
		}
		parts = append(parts, one.parameter())
		if length <= maxDoc {
			types = append(types, one.name+": "+about(one.shape))
			length += len(types[len(types)-1])
		}
	}
	f.rest = -1
	switch {
	case f.more != nil:
		taken := make(map[string]bool)
		for _, one := range f.fields {
			taken[one.name] = true
		}
		f.rest = len(f.fields)
		name := free("others", taken)
		parts = append(parts, "**"+name)
		types = append(types, "**"+name+": "+about(f.more))
	case f.input != nil && f.fields == nil:
		name := valueParameter(f.input)
		parts = append(parts, annotated(name, f.input.annotation()), "/")
		types = append(types, name+": "+f.input.about())
	}
	if err := f.checkCount(); err != nil {
		return err
	}
	if f.output != nil {
		types = append(types, "returns "+f.output.about())
	}
	f.Signature = "(" + strings.Join(parts, ", ") + ")"
	if len(types) > 0 {
		doc += " [" + strings.Join(types, "; ") + "]"
	}
	f.Doc = line(doc, maxDoc)
	return nil
}

func (f *Function) checkCount() error {
	if len(f.fields) > MaxParameters {
		return fmt.Errorf("there are more than %d parameters", MaxParameters)
	}
	return nil
}

// parameter is the field in a signature.
func (p *field) parameter() string {
	text := annotated(p.name, p.shape.annotation())
	if p.required {
		return text
	}
	return text + " = " + defaultOf(p.shape)
}

func annotated(name, annotation string) string {
	if annotation == "" {
		return name
	}
	return name + ": " + annotation
}

// defaultOf is the default of a schema as a signature writes it, or "...".
func defaultOf(s *shape) string {
	n := s.fallback
	for hops := 0; n == nil && s.target != nil && hops < maxHops; hops++ {
		s = s.target
		n = s.fallback
	}
	if n == nil {
		return "..."
	}
	v, ok := literal(n)
	if !ok {
		return "..."
	}
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		const most = 100
		if len(v) > most || strings.ContainsAny(v, `\`) || line(v, most+1) != v {
			return "..."
		}
		for _, quote := range []string{"'", `"`} {
			if !strings.Contains(v, quote) {
				return quote + v + quote
			}
		}
		return "..."
	}
	return values.Format(v)
}

func (p *payload) annotation() string {
	switch p.format {
	case asText:
		return "str"
	case asBytes:
		return "bytes"
	}
	return p.shape.annotation()
}

func (p *payload) about() string {
	switch p.format {
	case asText:
		if to, _ := p.shape.only(); len(to.enum) > 0 {
			break
		}
		return withWords("str", p.shape.description)
	case asBytes:
		return withWords("bytes", p.shape.description)
	}
	return about(p.shape)
}

// about says what a value is.
func about(s *shape) string { return withWords(s.words(3), s.description) }

func withWords(kind, description string) string {
	const most = 300
	if description = strings.TrimRight(line(description, most), "."); description == "" {
		return kind
	}
	return kind + ", " + description
}

// decimalNumber is a Decimal's text that is a number in JSON.
var decimalNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?(E[+-]?[0-9]+)?$`)
