package schema

import (
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/values"
)

// A compiler makes shapes of a document's schemas.
type compiler struct {
	root *node
	done map[*node]*shape

	// mistake, when it is not nil, is told what is wrong: the document is its author's, in XTP. When it is nil, what is not understood permits
	// everything.
	mistake func(at place, message, hint string)
}

func (c *compiler) strict() bool { return c.mistake != nil }

func (c *compiler) complain(at place, hint, format string, args ...any) {
	if c.strict() {
		c.mistake(at, fmt.Sprintf(format, args...), hint)
	}
}

// shape gives the shape of a schema; one that is nil, or that is not understood, is anything.
func (c *compiler) shape(n *node) *shape {
	if n == nil {
		return anything()
	}
	if s, ok := c.done[n]; ok {
		return s
	}
	s := anything()
	c.done[n] = s
	if n.kind != mapping {
		c.complain(n.at, "write for example {type: string}", "a schema must be a table, not %s", n.kind)
		return s
	}
	c.common(n, s)
	if ref := n.get("$ref"); ref != nil {
		c.refer(ref, s)
		return s
	}
	if !c.strict() && c.alternatives(n, s) {
		return s
	}
	c.types(n, s)
	c.format(n, s)
	c.enum(n, s)
	s.least, s.most = c.bounds(n, s)
	s.minLength, s.maxLength = c.length(n, s, "min"), c.length(n, s, "max")
	if items := n.get("items"); items != nil && (items.kind == mapping || c.strict()) {
		s.items = c.shape(items)
	} else if c.strict() && s.kinds&^kNull == kList {
		c.complain(n.at, "write for example items: {type: string}", "a list needs items, which says what is in it")
	}
	c.object(n, s)
	return s
}

// common reads what any schema can have.
func (c *compiler) common(n *node, s *shape) {
	s.description = c.str(n, "description")
	if v := n.get("nullable"); v != nil {
		if v.kind != boolean {
			c.complain(v.at, "", "nullable must be true or false")
		}
		s.nullable = v.truth
	}
	s.fallback = n.get("default")
}

// str reads a member that must be a string, if it is there.
func (c *compiler) str(n *node, name string) string {
	v := n.get(name)
	switch {
	case v == nil:
		return ""
	case v.kind != text:
		c.complain(v.at, "", "%s must be a string, not %s", name, v.kind)
		return ""
	}
	return v.text
}

// refer makes a shape a reference.
func (c *compiler) refer(ref *node, s *shape) {
	if ref.kind != text {
		c.complain(ref.at, "", "$ref must be a string, not %s", ref.kind)
		return
	}
	to := c.find(ref.text)
	if to == nil {
		c.complain(ref.at, c.schemaHint(), "there is no schema %s", quoted(ref.text))
		return
	}
	target := c.shape(to)
	for t, hops := target, 0; t != nil; t, hops = t.target, hops+1 {
		if t == s || hops == maxHops {
			c.complain(ref.at, "", "%s leads through references alone back to itself", quoted(ref.text))
			return
		}
	}
	s.target = target
	if s.description == "" {
		s.description = target.description
	}
}

const componentPrefix = "#/components/schemas/"

// schemaHint names the schemas that there are.
func (c *compiler) schemaHint() string {
	var names []string
	if schemas := c.root.get("components").get("schemas"); schemas != nil {
		for _, m := range schemas.members {
			names = append(names, m.name)
		}
	}
	if names == nil {
		return "write it under components, schemas"
	}
	if len(names) > 12 {
		names = append(names[:12], "…")
	}
	return "there are " + strings.Join(names, ", ") + "; a reference is written " + componentPrefix + "NAME"
}

// find follows a JSON pointer within the document.
func (c *compiler) find(ref string) *node {
	if c.strict() && !strings.HasPrefix(ref, componentPrefix) {
		return nil
	}
	pointer, ok := strings.CutPrefix(ref, "#")
	if pointer == "" {
		if ok {
			return c.root
		}
		return nil
	}
	rest, ok := strings.CutPrefix(pointer, "/")
	if !ok {
		return nil
	}
	n := c.root
	for _, step := range strings.Split(rest, "/") {
		if plain, err := url.PathUnescape(step); err == nil {
			step = plain
		}
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch i, err := strconv.Atoi(step); {
		case n == nil:
			return nil
		case n.kind == sequence && err == nil && i >= 0 && i < len(n.items):
			n = n.items[i]
		default:
			n = n.get(step)
		}
	}
	return n
}

// alternatives reads anyOf, oneOf and allOf, where the schema says nothing else of a value.
func (c *compiler) alternatives(n *node, s *shape) bool {
	for _, name := range []string{"type", "properties", "items", "enum", "const", "additionalProperties"} {
		if n.get(name) != nil {
			return false
		}
	}
	const most = 50
	for _, name := range []string{"anyOf", "oneOf", "allOf"} {
		list := n.get(name)
		if list == nil || list.kind != sequence || len(list.items) == 0 || len(list.items) > most {
			continue
		}
		if name == "allOf" {
			if len(list.items) > 1 {
				continue
			}
			if target := c.shape(list.items[0]); !leadsTo(target, s) {
				s.target = target
			}
			return true
		}
		for _, item := range list.items {
			s.union = append(s.union, c.shape(item))
		}
		return true
	}
	return false
}

func leadsTo(from, to *shape) bool {
	for hops := 0; from != nil; from, hops = from.target, hops+1 {
		if from == to || hops == maxHops {
			return true
		}
	}
	return false
}

// types reads type; XTP leaves it out where another member says it.
func (c *compiler) types(n *node, s *shape) {
	t := n.get("type")
	switch {
	case t == nil:
		switch {
		case n.get("properties") != nil || n.get("additionalProperties") != nil && n.get("items") == nil:
			s.kinds = kObject
		case n.get("items") != nil:
			s.kinds = kList
		case c.strict() && n.get("enum") != nil:
			s.kinds = kString
		default:
			c.complain(n.at, typeHint, "a schema needs a type, or a $ref")
		}
	case t.kind == text:
		s.kinds = c.typeNamed(t, s)
	case t.kind == sequence && !c.strict():
		s.kinds = 0
		for _, item := range t.items {
			s.kinds |= c.typeNamed(item, s)
		}
		if len(t.items) == 0 {
			s.kinds = kAnyKind
		}
	default:
		c.complain(t.at, typeHint, "type must be a string, not %s", t.kind)
	}
	if s.nullable {
		s.kinds |= kNull
	}
}

const typeHint = "there are string, integer, number, boolean, array, object, buffer"

func (c *compiler) typeNamed(t *node, s *shape) kinds {
	if t.kind == text {
		if t.text == "buffer" && c.strict() {
			s.buffer = true
			return kString
		}
		if k, ok := kindNames[t.text]; ok && (t.text != "null" || !c.strict()) {
			return k
		}
	}
	c.complain(t.at, typeHint, "there is no type %s", quoted(t.text))
	return kAnyKind
}

// formats are those of XTP, by the types that can have them.
var formats = map[kinds][]string{
	kInt:    {"int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"},
	kNumber: {"float", "double"},
	kString: {"date-time", "byte"},
}

// format reads format, and contentEncoding. JSON Schema's other formats are hints to people.
func (c *compiler) format(n *node, s *shape) {
	if encoding := n.get("contentEncoding"); !c.strict() && encoding != nil && encoding.text == "base64" && s.kinds&^kNull == kString {
		s.buffer, s.bufferStr = true, true
	}
	f := n.get("format")
	if f == nil {
		return
	}
	if f.kind != text {
		c.complain(f.at, "", "format must be a string, not %s", f.kind)
		return
	}
	known := formats[s.kinds&^kNull]
	if !slices.Contains(known, f.text) {
		hint := "there are no formats of this type"
		if known != nil {
			hint = "there are " + strings.Join(known, ", ")
		}
		c.complain(f.at, hint, "there is no format %s of this type", quoted(f.text))
		return
	}
	switch {
	case f.text == "byte" && c.strict():
		s.buffer = true
	case s.kinds&^kNull == kInt:
		signed := f.text[0] == 'i'
		bits, _ := strconv.Atoi(strings.TrimPrefix(strings.TrimPrefix(f.text, "u"), "int"))
		least, most := new(big.Int), new(big.Int).Lsh(big.NewInt(1), uint(bits))
		if signed {
			most.Rsh(most, 1)
			least.Neg(most)
		}
		s.least, s.most = integerBound(least), integerBound(most.Sub(most, big.NewInt(1)))
	}
}

func integerBound(n *big.Int) *bound {
	b := newBound(new(big.Rat).SetInt(n), n.String())
	b.ofFormat = true
	return b
}

func newBound(v *big.Rat, text string) *bound {
	b := &bound{value: v, text: text}
	if v.IsInt() {
		b.small, b.fits = v.Num().Int64(), v.Num().IsInt64()
	}
	b.float, _ = v.Float64()
	if near := new(big.Rat).SetFloat64(b.float); near != nil {
		b.order = near.Cmp(v)
	}
	return b
}

// bounds reads minimum and maximum. Those of a format stay where nothing narrower is said.
func (c *compiler) bounds(n *node, s *shape) (least, most *bound) {
	least, most = s.least, s.most
	for _, m := range n.members {
		switch m.name {
		case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		default:
			continue
		}
		if s.kinds&kNumber == 0 {
			c.complain(m.at, "", "%s is for numbers", m.name)
			continue
		}
		v, ok := numberOf(m.node)
		if !ok {
			c.complain(m.node.at, "", "%s must be a number", m.name)
			continue
		}
		b := newBound(v, m.node.text)
		b.past = strings.HasPrefix(m.name, "exclusive")
		if strings.HasSuffix(strings.ToLower(m.name), "minimum") {
			if least == nil || b.value.Cmp(least.value) >= 0 {
				least = b
			}
		} else if most == nil || b.value.Cmp(most.value) <= 0 {
			most = b
		}
	}
	return least, most
}

// numberOf reads a number, unless it is monstrous.
func numberOf(n *node) (*big.Rat, bool) {
	if n.kind != number || !jsonNumber.MatchString(n.text) {
		return nil, false
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(n.text), "e"); ok && len(strings.TrimLeft(exponent, "+-0")) > 3 {
		return nil, false
	}
	return new(big.Rat).SetString(n.text)
}

// length reads minLength and minItems, or the maxima; -1 is none.
func (c *compiler) length(n *node, s *shape, prefix string) int {
	found := -1
	for _, m := range n.members {
		kind := kString
		switch m.name {
		case prefix + "Length":
		case prefix + "Items":
			kind = kList
		default:
			continue
		}
		v, err := strconv.Atoi(m.node.text)
		switch {
		case m.node.kind != number || err != nil || v < 0:
			c.complain(m.node.at, "", "%s must be a whole number", m.name)
		case s.kinds&^kNull == kind && !s.buffer:
			found = v
		case kind == kString:
			c.complain(m.at, "", "%s is for strings", m.name)
		default:
			c.complain(m.at, "", "%s is for lists", m.name)
		}
	}
	return found
}

// enum reads enum and const.
func (c *compiler) enum(n *node, s *shape) {
	const most = 1000
	list := n.get("enum")
	if one := n.get("const"); one != nil && !c.strict() {
		list = &node{kind: sequence, items: []*node{one}}
	}
	switch {
	case list == nil:
		return
	case list.kind != sequence || len(list.items) == 0:
		c.complain(list.at, "", "enum must be a list of strings")
		return
	case len(list.items) > most:
		c.complain(list.at, "", "enum has more than %d values", most)
		return
	case c.strict() && s.kinds&^kNull != kString:
		c.complain(list.at, "", "enum is for strings")
		return
	}
	var enum []any
	among := make(map[any]bool)
	for _, item := range list.items {
		v, ok := literal(item)
		if !ok || c.strict() && item.kind != text {
			c.complain(item.at, "", "a value of enum must be a string, not %s", item.kind)
			return // a list or table: it is not compared
		}
		enum = append(enum, v)
		among[enumKey(v)] = true
	}
	s.enum, s.among = enum, among
	if n.get("type") == nil {
		s.kinds = kindsOf(enum)
	}
}

// kindsOf gives the types of values that literal gives.
func kindsOf(list []any) (all kinds) {
	for _, v := range list {
		switch v.(type) {
		case nil:
			all |= kNull
		case bool:
			all |= kBool
		case string:
			all |= kString
		case float64:
			all |= kNumber
		default:
			all |= kInt
		}
	}
	if all&kInt != 0 {
		all |= kFloat // 1 is 1.0
	}
	return all
}

// literal gives a value that is no list and no table.
func literal(n *node) (any, bool) {
	switch n.kind {
	case null:
		return nil, true
	case boolean:
		return n.truth, true
	case text:
		return n.text, true
	case number:
		if !jsonNumber.MatchString(n.text) {
			return nil, false
		}
		v, err := values.DecodeJSON([]byte(n.text))
		return v, err == nil
	}
	return nil, false
}

// object reads properties, required and additionalProperties.
func (c *compiler) object(n *node, s *shape) {
	if s.kinds&kObject == 0 {
		return
	}
	properties := n.get("properties")
	if properties != nil && properties.kind != mapping {
		c.complain(properties.at, "", "properties must be a table, not %s", properties.kind)
		properties = nil
	}
	s.index = make(map[string]int)
	if properties != nil {
		for _, m := range properties.members {
			s.index[m.name] = len(s.properties)
			s.properties = append(s.properties, property{name: m.name, shape: c.shape(m.node)})
		}
		s.closed = c.strict()
	}
	c.required(n, s)
	if !c.strict() {
		s.fold()
	}
	switch more := n.get("additionalProperties"); {
	case more == nil:
	case more.kind == boolean:
		s.closed = !more.truth
	case more.kind == mapping || c.strict():
		s.additional, s.closed = c.shape(more), false
	}
}

func (c *compiler) required(n *node, s *shape) {
	list := n.get("required")
	if list == nil || list.kind != sequence {
		if list != nil {
			c.complain(list.at, "write for example required: [name]", "required must be a list, not %s", list.kind)
		}
		return
	}
	seen := make(map[string]bool)
	for _, item := range list.items {
		if item.kind != text || seen[item.text] {
			c.complain(item.at, "", "required must have names, each once")
			continue
		}
		seen[item.text] = true
		s.required = append(s.required, item.text)
		if i, ok := s.index[item.text]; ok {
			s.properties[i].required = true
			continue
		}
		c.complain(item.at, "", "%s is required and is not among properties", quoted(item.text))
	}
}

// quoted is a name for a message.
func quoted(name string) string { return strconv.Quote(cut(name, 80)) }
