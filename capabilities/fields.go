package capabilities

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postern-sandbox/postern/policies"
)

// source says where the value of a field comes from.
type source uint8

const (
	fromArgument source = iota
	fromScope
	fromCanonical
	fromSession
)

// A field is one field of a struct that a call is put into: what its tags say.
type field struct {
	index    int
	name     string // of the parameter, dict key or scope key
	source   source
	keyword  bool
	optional bool // a pointer
	doc      string
	shape    shape
	literal  string // the default in Python's syntax; empty if there is none
	fallback any    // its value
}

// isField reports whether a struct's field takes part: it is exported, and its json tag does not take it out.
func isField(f reflect.StructField) bool {
	_, named := f.Tag.Lookup("postern")
	return f.IsExported() && (named || f.Tag.Get("json") != "-")
}

// parametersOf reads the struct of a function.
func parametersOf(t reflect.Type) ([]field, []error) {
	if t.Kind() != reflect.Struct {
		return nil, []error{fmt.Errorf("a %s cannot hold arguments: it is not a struct", t)}
	}
	var fields []field
	var mistakes []error
	keyword := false
	for i := range t.NumField() {
		if !isField(t.Field(i)) {
			continue
		}
		p, err := readField(t.Field(i), i, []reflect.Type{t})
		if err != nil {
			mistakes = append(mistakes, fmt.Errorf("field %s: %w", t.Field(i).Name, err))
			continue
		}
		if p.source == fromArgument && keyword && !p.keyword {
			mistakes = append(mistakes, fmt.Errorf("field %s: it comes behind one that is given by keyword, and is not", t.Field(i).Name))
		}
		keyword = keyword || p.keyword
		fields = append(fields, p)
	}
	return fields, mistakes
}

// membersOf reads a struct that is a dict in Python.
func membersOf(t reflect.Type, within []reflect.Type) ([]field, error) {
	if slices.Contains(within, t) {
		return nil, fmt.Errorf("a %s is part of itself", t)
	}
	var fields []field
	for i := range t.NumField() {
		if !isField(t.Field(i)) {
			continue
		}
		p, err := readField(t.Field(i), i, append(slices.Clip(within), t))
		if err == nil && (p.source != fromArgument || p.keyword) {
			err = errors.New("only fields of the function's own struct can be that")
		}
		if err == nil && slices.ContainsFunc(fields, func(other field) bool { return other.name == p.name }) {
			err = fmt.Errorf("the name %q is there twice", p.name)
		}
		if err != nil {
			return nil, fmt.Errorf("field %s of %s: %w", t.Field(i).Name, t, err)
		}
		fields = append(fields, p)
	}
	if fields == nil {
		return nil, fmt.Errorf("a %s has no exported fields", t)
	}
	return fields, nil
}

func readField(f reflect.StructField, index int, within []reflect.Type) (field, error) {
	p := field{index: index, doc: f.Tag.Get("doc")}
	if f.Type == reflect.TypeFor[Session]() {
		p.source = fromSession
		return p, nil
	}
	tag, ok := f.Tag.Lookup("postern")
	name, option, _ := strings.Cut(tag, ",")
	if !ok {
		name, _, _ = strings.Cut(f.Tag.Get("json"), ",")
	}
	p.name = name
	switch option {
	case "":
	case "keyword":
		p.keyword = true
	case "scope":
		p.source = fromScope
	case "canonical":
		p.source = fromCanonical
		return p, nil
	default:
		return p, fmt.Errorf("%q is no option of the tag postern: keyword, scope and canonical are", option)
	}
	if !identifier.MatchString(name) || slices.Contains(keywords, name) {
		return p, fmt.Errorf(`a tag such as postern:"name" must give it a name in Python, and %q is none`, name)
	}
	if p.source == fromScope {
		return p, nil
	}
	if strings.ContainsAny(p.doc, "\r\n") {
		return p, errors.New("its doc is longer than one line")
	}
	var err error
	if p.shape, err = shapeOf(f.Type, f.Tag, within); err != nil {
		return p, err
	}
	p.optional = f.Type.Kind() == reflect.Pointer && !isValue(f.Type)
	if p.optional {
		p.literal = "None"
	}
	if text, ok := f.Tag.Lookup("default"); ok {
		err = p.setDefault(text, f.Type)
	}
	return p, err
}

// setDefault reads a default, which has to be a value that a caller could give.
func (p *field) setDefault(text string, t reflect.Type) error {
	literal := text
	switch t.Kind() {
	case reflect.String:
		literal = "'" + text + "'"
		if strings.Contains(text, "'") {
			literal = `"` + text + `"`
		}
	case reflect.Bool:
		on, err := strconv.ParseBool(text)
		if err != nil {
			return fmt.Errorf("default %q is not true or false", text)
		}
		literal = map[bool]string{true: "True", false: "False"}[on]
	case reflect.Float32, reflect.Float64:
		if _, err := strconv.ParseInt(text, 10, 64); err == nil {
			literal += ".0"
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
	default:
		return fmt.Errorf("a %s cannot have a default: strings, booleans, integers and floats can, and a pointer is None", t)
	}
	v, known, err := parseDefault(literal)
	if err != nil || !known {
		return fmt.Errorf("default %q is not a literal of Python", text)
	}
	if wrong := p.shape.set(v, reflect.New(t).Elem()); wrong != nil {
		return fmt.Errorf("default %q %s", text, wrong.text)
	}
	p.literal, p.fallback = literal, v
	return nil
}

// scopeTypes are the Go types that a field for a scope key can have.
var scopeTypes = map[policies.ScopeType][]reflect.Type{
	policies.ScopeString:   {reflect.TypeFor[string]()},
	policies.ScopeEnum:     {reflect.TypeFor[string]()},
	policies.ScopeStrings:  {reflect.TypeFor[[]string]()},
	policies.ScopePaths:    {reflect.TypeFor[[]policies.Pattern](), reflect.TypeFor[[]string]()},
	policies.ScopeURLs:     {reflect.TypeFor[[]policies.Pattern](), reflect.TypeFor[[]string]()},
	policies.ScopeSize:     {reflect.TypeFor[int64]()},
	policies.ScopeInt:      {reflect.TypeFor[int64]()},
	policies.ScopeDuration: {reflect.TypeFor[time.Duration]()},
	policies.ScopeBool:     {reflect.TypeFor[bool]()},
	policies.ScopeMap:      {reflect.TypeFor[map[string]string]()},
}

func checkScopeField(p field, keys []policies.ScopeKey, t reflect.Type) error {
	i := slices.IndexFunc(keys, func(k policies.ScopeKey) bool { return k.Name == p.name })
	if i < 0 {
		return fmt.Errorf("the family has no scope key %q", p.name)
	}
	if allowed := scopeTypes[keys[i].Type]; !slices.Contains(allowed, t) {
		return fmt.Errorf("scope key %q is %s: its field must be a %s, not a %s", p.name, keys[i].Type, allowed[0], t)
	}
	return nil
}

// setScope sets a field that checkScopeField has seen.
func setScope(to reflect.Value, scope policies.Scope, key string) {
	v, ok := scope.Value(key)
	if !ok {
		return // a call without a grant, as in a test: the zero value permits least
	}
	switch to.Interface().(type) {
	case string:
		to.SetString(v.Text)
	case []string:
		to.Set(reflect.ValueOf(v.List))
	case []policies.Pattern:
		to.Set(reflect.ValueOf(v.Patterns))
	case int64, time.Duration:
		to.SetInt(v.Number)
	case bool:
		to.SetBool(v.Bool)
	case map[string]string:
		to.Set(reflect.ValueOf(v.Map))
	}
}
