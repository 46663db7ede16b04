package schema

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/values"
)

// A shape is what a schema says of one value. Shapes can refer to each other in circles. They do not change once they are made.
type shape struct {
	// target has all that is said, but for nullable, when the schema is a reference.
	target *shape
	// union is the alternatives, when the schema is nothing else.
	union []*shape

	kinds     kinds
	nullable  bool // null besides, whatever else is said
	buffer    bool // a string with base64 in JSON, bytes in Python
	bufferStr bool // of a buffer: a str is taken too, for base64 that the caller has made
	enum      []any
	among     map[any]bool // the enumKeys of enum
	least     *bound       // of a number
	most      *bound
	minLength int // of a string, in characters, or of a list; -1 when there is none
	maxLength int

	items      *shape // of a list; nil is anything
	properties []property
	index      map[string]int    // into properties
	folded     map[string]string // the properties' names by their keys of package fold; nil where what is alike makes no difference
	required   []string          // in the order in which the schema has them
	additional *shape            // other members of an object; nil is anything
	closed     bool              // there are no other members

	description string
	fallback    *node // the default
}

type property struct {
	name     string
	shape    *shape
	required bool
}

// kinds is a set of JSON's types. An integer is a number too.
type kinds uint8

const (
	kNull kinds = 1 << iota
	kBool
	kInt
	kFloat
	kString
	kList
	kObject

	kNumber  = kInt | kFloat
	kAnyKind = kNull | kBool | kNumber | kString | kList | kObject
)

var kindNames = map[string]kinds{
	"null": kNull, "boolean": kBool, "integer": kInt, "number": kNumber, "string": kString, "array": kList, "object": kObject,
}

// A bound is the least or the most that a number may be.
type bound struct {
	value *big.Rat
	small int64
	fits  bool // value is small
	past  bool // the bound itself is beyond it

	float float64 // the nearest to value
	order int     // of float and value
	text  string

	ofFormat bool // every integer of a format has it
}

// anything is what says nothing.
func anything() *shape { return &shape{kinds: kAnyKind, minLength: -1, maxLength: -1} }

// isAnything reports whether a shape says nothing of a value's type.
func (s *shape) isAnything() bool { return s.target == nil && s.union == nil && s.kinds == kAnyKind }

// resolved follows references; nullable is whether one of them permits null.
func (s *shape) resolved() (to *shape, nullable bool) {
	for hops := 0; ; hops++ {
		nullable = nullable || s.nullable
		switch {
		case s.target == nil:
			return s, nullable
		case hops == maxHops:
			return anything(), true
		}
		s = s.target
	}
}

// only gives the one alternative that is not null, if a shape is a union with one of them, or the shape itself.
func (s *shape) only() (to *shape, nullable bool) {
	s, nullable = s.resolved()
	for range maxHops {
		var rest []*shape
		for _, u := range s.union {
			if r, null := u.resolved(); r.union == nil && r.kinds == kNull {
				nullable = true
			} else {
				nullable = nullable || null
				rest = append(rest, u)
			}
		}
		if len(rest) != 1 {
			return s, nullable
		}
		var null bool
		s, null = rest[0].resolved()
		nullable = nullable || null
	}
	return s, nullable
}

// annotation is the type in a signature: what capabilities.ParseSignature knows, or "" for all else.
func (s *shape) annotation() string {
	s, nullable := s.only()
	name := s.typeName()
	if name == "" {
		return ""
	}
	if nullable || s.kinds&kNull != 0 {
		return name + " | None"
	}
	return name
}

func (s *shape) typeName() string {
	if s.union != nil {
		return ""
	}
	switch s.kinds &^ kNull {
	case kBool:
		return "bool"
	case kInt:
		return "int"
	case kNumber:
		return "float"
	case kString:
		switch {
		case s.buffer && s.bufferStr:
			return "" // bytes or str
		case s.buffer:
			return "bytes"
		}
		return "str"
	case kList:
		if of := s.items.elementName(); of != "" {
			return "list[" + of + "]"
		}
		return "list"
	case kObject:
		if of := s.additional.elementName(); of != "" && len(s.properties) == 0 {
			return "dict[str, " + of + "]"
		}
		return "dict"
	}
	return ""
}

// elementName is a type that can stand in the brackets of another.
func (s *shape) elementName() string {
	if s == nil {
		return ""
	}
	s, nullable := s.resolved()
	if nullable || s.kinds&kNull != 0 {
		return ""
	}
	switch name := s.typeName(); name {
	case "str", "int", "float", "bool", "bytes":
		return name
	}
	return ""
}

// words is the type for people, in Python's words. It goes depth deep into what is nested.
func (s *shape) words(depth int) string {
	if s == nil {
		return "any"
	}
	s, nullable := s.only()
	text := s.plainWords(depth)
	if says := s.kinds&kNull != 0 && s.kinds != kNull && s.kinds != kAnyKind && s.enum == nil; (nullable || says) && text != "any" {
		text += " | None"
	}
	return text
}

func (s *shape) plainWords(depth int) string {
	const most = 8 // alternatives, members
	switch {
	case len(s.enum) > 0 && len(s.enum) <= most:
		parts := make([]string, len(s.enum))
		for i, v := range s.enum {
			parts[i] = show(v)
		}
		return strings.Join(parts, " | ")
	case s.union != nil && (depth <= 0 || len(s.union) > most):
		return "any"
	case s.union != nil:
		var parts []string
		for _, u := range s.union {
			if text := u.words(depth - 1); !slices.Contains(parts, text) {
				parts = append(parts, text)
			}
		}
		if slices.Contains(parts, "any") {
			return "any"
		}
		return strings.Join(parts, " | ")
	}
	switch kinds := s.kinds &^ kNull; {
	case s.kinds == kAnyKind:
		return "any"
	case s.kinds == kNull:
		return "None"
	case kinds == kList && s.items != nil && depth > 0:
		return "list[" + s.items.words(depth-1) + "]"
	case kinds == kObject && len(s.properties) > 0 && depth > 0:
		var parts []string
		for i, p := range s.properties {
			if i == most {
				parts = append(parts, "…")
				break
			}
			name := cut(p.name, maxName)
			if !p.required {
				name += "?"
			}
			parts = append(parts, name+": "+p.shape.words(depth-1))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case kinds == kObject && s.additional != nil && depth > 0:
		return "dict[str, " + s.additional.words(depth-1) + "]"
	}
	var parts []string
	for _, k := range []struct {
		kinds kinds
		name  string
	}{{kBool, "bool"}, {kFloat, "float"}, {kInt, "int"}, {kString, "str"}, {kList, "list"}, {kObject, "dict"}} {
		if s.kinds&k.kinds == 0 || k.kinds == kInt && s.kinds&kFloat != 0 {
			continue
		}
		if k.kinds == kString && s.buffer {
			k.name = "bytes"
		}
		parts = append(parts, k.name)
	}
	return strings.Join(parts, " | ") + s.boundWords()
}

// boundWords says the bounds of a number that an author has given; those of a format are known by the type.
func (s *shape) boundWords() string {
	if s.kinds&kNumber == 0 {
		return ""
	}
	var parts []string
	if s.least != nil && !s.least.ofFormat {
		parts = append(parts, s.least.words("at least", "more than"))
	}
	if s.most != nil && !s.most.ofFormat {
		parts = append(parts, s.most.words("at most", "less than"))
	}
	if parts == nil {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

func (b *bound) words(with, without string) string {
	if b.past {
		return without + " " + b.text
	}
	return with + " " + b.text
}

// show is a value for a message, cut when it is long. Of what holds others it is the type.
func show(v any) string {
	const most = 60
	switch v.(type) {
	case nil, bool, int64, *big.Int, float64, string:
	default:
		return values.TypeName(v)
	}
	if s, ok := v.(string); ok && len(s) > 4*most {
		v = strings.ToValidUTF8(s[:4*most], "")
	}
	if n, ok := v.(*big.Int); ok && n.BitLen() > 400 {
		return "a number of more than " + strconv.Itoa(n.BitLen()*3/10-1) + " digits"
	}
	text := values.Format(v)
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return text
}
