package capabilities

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/values"
)

// Kind says how an argument may be given for a parameter.
type Kind uint8

const (
	PositionalOnly Kind = iota // before "/"
	Positional                 // by place or by name
	Rest                       // "*args"
	KeywordOnly                // after "*" or "*args"
	RestKeywords               // "**kwargs"
)

// Parameter is one parameter of a Signature.
type Parameter struct {
	Name string
	Kind Kind
	// Optional is whether the argument may be left out; always true for Rest and RestKeywords.
	Optional bool
	// Default is the value of an argument that is left out; nil also for "...", see HasDefault.
	Default any
	// Type is the annotation without "| None", empty if there is none or it is any or object.
	Type string
	// Nullable is whether None is a value too: by "| None" in the annotation, or by a default of None.
	Nullable bool
	// HasDefault is false for a required parameter, for one whose default is "...", for Rest and RestKeywords.
	HasDefault bool
}

// Signature is a parsed parameter list. It does not change and may be used by many goroutines.
type Signature struct {
	text       string
	plain      string // without annotations
	parameters []Parameter
	places     int // how many parameters may be given by place; they come first
	required   int // how many of these have no default
	rest       int // the index of *args, or -1
	restNames  int // the index of **kwargs, or -1
	keywords   bool
}

// String gives the text that was parsed.
func (s *Signature) String() string { return s.text }

// Plain gives the text without annotations: Python's inspect reads no others from a text.
func (s *Signature) Plain() string { return s.plain }

// Parameters gives the parameters in order. The slice is a copy.
func (s *Signature) Parameters() []Parameter { return slices.Clone(s.parameters) }

// ParseSignature reads a parameter list in Python's syntax, with its parentheses, such as
// "(url: str, /, depth=1, *rest, indent: int | None = None, **options)". Defaults are None, True, False, numbers, strings
// without escapes, "()" or "...". Annotations are str, int, float, bool, bytes, list, dict, datetime, timedelta, any or
// object, the types list[T] and dict[str, T] of the scalars among them, each perhaps with "| None" behind it. *args and
// **kwargs have none.
func ParseSignature(text string) (*Signature, error) {
	inner, opened := strings.CutPrefix(text, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !opened || !closed {
		return nil, fmt.Errorf("capabilities: signature %q is not in parentheses", text)
	}
	s := &Signature{text: text, rest: -1, restNames: -1}
	kind := Positional
	bare := false // after a bare "*", which must be followed by a parameter
	parts := splitParameters(inner)
	for i, part := range parts {
		part = strings.TrimSpace(part)
		parts[i] = withoutAnnotation(part)
		var err error
		switch {
		case part == "/" && i > 0 && kind == Positional && s.positionalOnly() == 0 && len(s.parameters) > 0:
			for j := range s.parameters {
				s.parameters[j].Kind = PositionalOnly
			}
		case part == "*" && kind == Positional:
			kind, bare = KeywordOnly, true
		case strings.HasPrefix(part, "**") && kind != RestKeywords && !bare:
			s.restNames, kind = len(s.parameters), RestKeywords
			err = s.add(Parameter{Name: strings.TrimSpace(part[2:]), Kind: RestKeywords, Optional: true})
		case strings.HasPrefix(part, "*") && kind == Positional:
			s.rest, kind = len(s.parameters), KeywordOnly
			err = s.add(Parameter{Name: strings.TrimSpace(part[1:]), Kind: Rest, Optional: true})
		case kind == RestKeywords:
			err = fmt.Errorf("nothing may follow **%s", s.parameters[s.restNames].Name)
		default:
			bare = false
			err = s.addNamed(part, kind)
		}
		if err != nil {
			return nil, fmt.Errorf("capabilities: signature %q: %w", text, err)
		}
	}
	if bare {
		return nil, fmt.Errorf("capabilities: signature %q: a parameter must follow the bare *", text)
	}
	s.plain = "(" + strings.Join(parts, ", ") + ")"
	for _, p := range s.parameters {
		switch p.Kind {
		case PositionalOnly, Positional:
			s.places++
			if !p.Optional {
				s.required++
			}
			s.keywords = s.keywords || p.Kind == Positional
		case KeywordOnly, RestKeywords:
			s.keywords = true
		}
	}
	return s, nil
}

func (s *Signature) positionalOnly() (n int) {
	for _, p := range s.parameters {
		if p.Kind == PositionalOnly {
			n++
		}
	}
	return n
}

// addNamed adds a parameter of the form "name" or "name=default".
func (s *Signature) addNamed(part string, kind Kind) error {
	declared, text, optional := strings.Cut(part, "=")
	name, annotation, annotated := strings.Cut(declared, ":")
	p := Parameter{Name: strings.TrimSpace(name), Kind: kind, Optional: optional}
	if annotated {
		var err error
		if p.Type, p.Nullable, err = parseAnnotation(strings.TrimSpace(annotation)); err != nil {
			return err
		}
	}
	if optional {
		var err error
		if p.Default, p.HasDefault, err = parseDefault(strings.TrimSpace(text)); err != nil {
			return err
		}
		p.Nullable = p.Nullable || p.Default == nil
	}
	if n := len(s.parameters); kind == Positional && !optional && n > 0 && s.parameters[n-1].Optional {
		return fmt.Errorf("parameter %q without a default follows one with a default", p.Name)
	}
	return s.add(p)
}

func (s *Signature) add(p Parameter) error {
	if !identifier.MatchString(p.Name) || slices.Contains(keywords, p.Name) {
		return fmt.Errorf("%q is not a parameter name", p.Name)
	}
	if s.index(p.Name) >= 0 {
		return fmt.Errorf("parameter %q is there twice", p.Name)
	}
	s.parameters = append(s.parameters, p)
	return nil
}

func (s *Signature) index(name string) int {
	return slices.IndexFunc(s.parameters, func(p Parameter) bool { return p.Name == name })
}

// withoutAnnotation gives a parameter's text without its annotation.
func withoutAnnotation(part string) string {
	declared, text, optional := strings.Cut(part, "=")
	name, _, annotated := strings.Cut(declared, ":")
	switch {
	case !annotated:
		return part
	case optional:
		return strings.TrimSpace(name) + "=" + strings.TrimSpace(text)
	}
	return strings.TrimSpace(name)
}

// scalars are the annotations that can be elements of others.
var scalars = []string{"str", "int", "float", "bool", "bytes", "datetime", "timedelta"}

// parseAnnotation reads a type. Its own form of dict[str, T] is dict[T], since the keys are always str.
func parseAnnotation(text string) (kind string, nullable bool, err error) {
	kind, rest, nullable := strings.Cut(text, "|")
	if kind = strings.TrimSpace(kind); nullable && strings.TrimSpace(rest) != "None" {
		return "", false, fmt.Errorf("annotation %q is not a type, or one with \"| None\"", text)
	}
	switch {
	case kind == "any" || kind == "object":
		return "", true, nil
	case slices.Contains(scalars, kind) || kind == "list" || kind == "dict":
		return kind, nullable, nil
	}
	container, element, _ := strings.Cut(strings.TrimSuffix(kind, "]"), "[")
	element = strings.TrimSpace(element)
	if container == "dict" {
		var ok bool
		if element, ok = strings.CutPrefix(element, "str,"); !ok {
			return "", false, fmt.Errorf("annotation %q: the keys of a dict are str", text)
		}
		element = strings.TrimSpace(element)
	}
	if (container != "list" && container != "dict") || !slices.Contains(scalars, element) || !strings.HasSuffix(kind, "]") {
		return "", false, fmt.Errorf("annotation %q is not a type", text)
	}
	return container + "[" + element + "]", nullable, nil
}

// splitParameters splits at the commas that are in no string and no brackets.
func splitParameters(text string) (parts []string) {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	start, quote, depth := 0, byte(0), 0
	for i := range len(text) {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == ',' && depth == 0:
			parts = append(parts, text[start:i])
			start = i + 1
		}
	}
	return append(parts, text[start:])
}

// parseDefault reads a literal; known is false for "...".
func parseDefault(text string) (v any, known bool, err error) {
	switch text {
	case "...":
		return nil, false, nil
	case "None":
		return nil, true, nil
	case "True", "False":
		return text == "True", true, nil
	case "()":
		return values.Tuple{}, true, nil
	case "":
		return nil, false, fmt.Errorf("a default is missing after =")
	}
	if n := len(text); n >= 2 && (text[0] == '\'' || text[0] == '"') && text[n-1] == text[0] && !strings.Contains(text, `\`) {
		return text[1 : n-1], true, nil
	}
	if n, ok := new(big.Int).SetString(text, 10); ok {
		if n.IsInt64() {
			return n.Int64(), true, nil
		}
		return n, true, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && !math.IsNaN(f) && !math.IsInf(f, 0) {
		return f, true, nil
	}
	return nil, false, fmt.Errorf("default %q is not a literal", text)
}
