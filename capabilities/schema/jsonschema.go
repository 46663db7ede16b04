package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/internal/fold"
)

// FromJSONSchema makes a function of a tool that describes itself in JSON Schema, as MCP servers do: name and doc are the tool's own, input is the schema of its
// arguments, output that of its answer, which may be nil for any. Both cross as JSON.
//
// The members of an input that is an object are the parameters: first the required ones, in the order of "required", then the others, by name
// only and in order of their names. If the schema says that there can be others, or says so in ways that are not understood, **others takes them.
//
// Of JSON Schema it knows type, nullable, enum, const, properties, required, additionalProperties, items, minimum and maximum with their exclusive kin, the lengths
// of strings and arrays, contentEncoding base64, $ref within the document, default, description; anyOf and oneOf, which mean here that one
// alternative must fit, and allOf with one schema. All else permits everything.
//
// What reads JSON often does not tell a name from another: in capitals and small letters, for example. An argument is therefore refused if an object in it has a member that is not among the properties
// of its schema but alike one of them, or alike another such member; see package internal/fold. Objects without properties in their schema have what names they like.
//
// An error is for a schema that is no JSON object or exceeds a limit.
func FromJSONSchema(name, doc string, input, output []byte) (*Function, error) {
	f := &Function{Name: functionName(name), Original: name, rest: -1}
	in, err := lenient(input)
	if err != nil {
		return nil, fmt.Errorf("the schema of the arguments: %w", err)
	}
	f.output = &payload{shape: anything()}
	if output != nil {
		out, err := lenient(output)
		if err != nil {
			return nil, fmt.Errorf("the schema of the answer: %w", err)
		}
		f.output.shape = out.shape(out.root)
	}
	f.input = &payload{shape: in.shape(in.root)}
	top, _ := f.input.shape.only()
	switch {
	case top.union == nil && top.kinds&^kNull == kObject:
		if err := f.arguments(top); err != nil {
			return nil, err
		}
		if !top.closed && (top.additional != nil || saysMore(in.top())) {
			f.more = anything()
			if top.additional != nil {
				f.more = top.additional
			}
		}
		if len(f.fields) == 0 && f.more == nil {
			f.fields = []field{} // none, but still an object
		}
	case top.union != nil || top.isAnything():
		f.more = anything() // MCP's arguments are always an object
	}
	return f, f.describe(doc)
}

func lenient(src []byte) (*compiler, error) {
	n, err := readJSON(src)
	if err != nil {
		return nil, err
	}
	if n.kind != mapping {
		return nil, errors.New("it is not an object")
	}
	return &compiler{root: n, done: make(map[*node]*shape)}, nil
}

// arguments makes parameters of an object's members.
func (f *Function) arguments(s *shape) error {
	taken := map[string]bool{}
	add := func(original string, of *shape, required bool) {
		f.fields = append(f.fields, field{original: original, shape: of, required: required, keyword: !required})
	}
	for _, original := range s.required {
		if i, ok := s.index[original]; ok {
			add(original, s.properties[i].shape, true)
		} else {
			of := s.additional
			if of == nil {
				of = anything()
			}
			add(original, of, true)
		}
	}
	others := slices.DeleteFunc(slices.Clone(s.properties), func(p property) bool { return p.required })
	slices.SortFunc(others, func(a, b property) int { return strings.Compare(a.name, b.name) })
	for _, p := range others {
		add(p.name, p.shape, false)
	}
	if err := f.checkCount(); err != nil {
		return err // thousands of names that are one in Python would take hours to be told apart
	}
	f.nameFields(taken)
	f.folded = make(map[string]string)
	for _, one := range f.fields {
		f.folded[fold.Key(one.original)] = one.original
	}
	return nil
}

// nameFields gives the parameters their names: first those that are as they were.
func (f *Function) nameFields(taken map[string]bool) {
	for i := range f.fields {
		if one := &f.fields[i]; parameterName(one.original) == one.original && !taken[one.original] {
			one.name, taken[one.original] = one.original, true
		}
	}
	for i := range f.fields {
		if one := &f.fields[i]; one.name == "" {
			one.name = free(parameterName(one.original), taken)
		}
	}
}

// top is the root of a document, or what it refers to.
func (c *compiler) top() *node {
	n := c.root
	for range maxHops {
		ref := n.get("$ref")
		if ref == nil {
			break
		}
		to := c.find(ref.text)
		if to == nil {
			break
		}
		n = to
	}
	return n
}

// saysMore reports whether a schema says of members what is not understood.
func saysMore(n *node) bool {
	if more := n.get("additionalProperties"); more != nil && more.kind == boolean && more.truth {
		return true
	}
	if n.get("patternProperties") != nil {
		return true
	}
	if n.get("properties") != nil {
		return false
	}
	return slices.ContainsFunc([]string{"anyOf", "oneOf", "allOf", "if", "dependentSchemas"}, func(name string) bool { return n.get(name) != nil })
}
