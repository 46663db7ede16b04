package schema

import (
	"cmp"
	"errors"
	"fmt"
	"mime"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/policies"
)

// A Document is what an XTP document describes.
type Document struct {
	// Doc is one line about the whole.
	Doc string
	// Functions are the exports, in order. No two have one name.
	Functions []*Function
}

// ParseXTP reads an XTP document (version v1-draft) in YAML or JSON. file names it in mistakes. All mistakes are told at once, as
// policies.Errors.
//
// Beyond XTP's own grammar a schema may have default, minimum, maximum, minLength, maxLength, minItems and maxItems, an input or a member may be an object
// with properties of its own, and the document a description. A member of an object that is not required may be left out.
func ParseXTP(file string, src []byte) (*Document, error) {
	x := &xtp{file: file, src: src}
	root, err := readDocument(src)
	if err != nil {
		var malformed *documentError
		if !errors.As(err, &malformed) {
			return nil, err
		}
		x.mistake(malformed.at, malformed.message, "")
		return nil, x.mistakes
	}
	document := x.document(root)
	if len(x.mistakes) > 0 {
		slices.SortStableFunc(x.mistakes, func(a, b *policies.Error) int {
			return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
		})
		return nil, x.mistakes
	}
	return document, nil
}

type xtp struct {
	file     string
	src      []byte
	mistakes policies.Errors
	compiler compiler
}

// maxMistakes is how many are told: what follows them is seldom of use.
const maxMistakes = 100

func (x *xtp) mistake(at place, message, hint string) {
	if len(x.mistakes) >= maxMistakes {
		return
	}
	e := &policies.Error{Position: policies.Position{File: x.file, Line: at.line, Column: at.column}, Message: message, Hint: hint}
	e.Source, e.Caret = x.excerpt(at)
	x.mistakes = append(x.mistakes, e)
}

// excerpt gives the line around a place, and how many characters of it are before the place.
func (x *xtp) excerpt(at place) (source string, caret int) {
	const most = 160
	rest := string(x.src)
	if len(rest) > MaxText || !utf8.ValidString(rest) {
		return "", 0
	}
	for range at.line - 1 {
		_, after, ok := strings.Cut(rest, "\n")
		if !ok {
			return "", 0
		}
		rest = after
	}
	rest, _, _ = strings.Cut(rest, "\n")
	runes := []rune(strings.TrimSuffix(strings.ReplaceAll(rest, "\t", " "), "\r"))
	caret = min(at.column-1, len(runes))
	if from := caret - most/2; from > 0 {
		runes, caret = runes[from:], most/2
	}
	return string(runes[:min(len(runes), most)]), caret
}

func (x *xtp) document(root *node) *Document {
	if root.kind != mapping {
		x.mistake(root.at, "the schema must be a table, not "+root.kind.String(), "begin with version: v1-draft")
		return nil
	}
	x.compiler = compiler{root: root, done: make(map[*node]*shape), mistake: x.mistake}
	x.known(root, "the document", "version", "description", "exports", "imports", "components")
	switch version := root.get("version"); {
	case version == nil:
		x.mistake(root.at, "version is missing", "write version: v1-draft")
	case version.kind != text || version.text != "v1-draft":
		x.mistake(version.at, fmt.Sprintf("version must be v1-draft, not %s", quoted(version.text)), "")
	}
	x.components(root)
	d := &Document{Doc: line(x.compiler.str(root, "description"), maxDoc)}
	exports := root.get("exports")
	switch {
	case exports == nil:
		x.mistake(root.at, "exports is missing", "name the functions that the module exports")
		return nil
	case exports.kind != mapping:
		x.mistake(exports.at, "exports must be a table, not "+exports.kind.String(), "")
		return nil
	case len(exports.members) == 0:
		x.mistake(exports.at, "there are no exports", "name the functions that the module exports")
	case len(exports.members) > MaxFunctions:
		x.mistake(exports.at, fmt.Sprintf("there are more than %d exports", MaxFunctions), "")
		return nil
	}
	names := make(map[string]string)
	for _, m := range exports.members {
		f := x.export(m)
		if f == nil {
			continue
		}
		if other, ok := names[f.Name]; ok {
			x.mistake(m.at, fmt.Sprintf("%s and %s are both %s in Python", quoted(other), quoted(m.name), f.Name), "rename one of them")
			continue
		}
		names[f.Name] = m.name
		d.Functions = append(d.Functions, f)
	}
	return d
}

// known tells of members that there are not.
func (x *xtp) known(n *node, what string, names ...string) {
	for _, m := range n.members {
		if !slices.Contains(names, m.name) {
			x.mistake(m.at, fmt.Sprintf("%s has no %s", what, quoted(m.name)), "it has "+strings.Join(names, ", "))
		}
	}
}

// schemaKeys are the members of a schema: XTP's, and ours.
var schemaKeys = []string{
	"type", "format", "nullable", "description", "enum", "items", "properties", "required", "additionalProperties", "$ref",
	"default", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems",
}

// components checks all schemas, those that nothing refers to as well.
func (x *xtp) components(root *node) {
	components := root.get("components")
	if components == nil {
		return
	}
	if components.kind != mapping {
		x.mistake(components.at, "components must be a table, not "+components.kind.String(), "")
		return
	}
	x.known(components, "components", "schemas")
	schemas := components.get("schemas")
	if schemas == nil || schemas.kind != mapping {
		x.mistake(components.at, "components needs schemas, a table", "")
		return
	}
	for _, m := range schemas.members {
		x.checkKeys(m.node, schemaKeys)
		x.compiler.shape(m.node)
	}
}

// checkKeys tells of unknown members of a schema and of those within it.
func (x *xtp) checkKeys(n *node, keys []string) {
	if n == nil || n.kind != mapping {
		return // the compiler tells
	}
	x.known(n, "a schema", keys...)
	if properties := n.get("properties"); properties != nil && properties.kind == mapping {
		for _, m := range properties.members {
			x.checkKeys(m.node, schemaKeys)
		}
	}
	x.checkKeys(n.get("items"), schemaKeys)
	x.checkKeys(n.get("additionalProperties"), schemaKeys)
}

func (x *xtp) export(m member) *Function {
	n := m.node
	if !isExport(m.name) {
		x.mistake(m.at, quoted(m.name)+" is not a name of an export", "it is written in letters, digits, _ and $")
		return nil
	}
	f := &Function{Name: functionName(m.name), Original: m.name, rest: -1}
	switch n.kind {
	case null: // an export of which nothing is said
		n = &node{kind: mapping, at: n.at}
	case mapping:
	default:
		x.mistake(n.at, "an export must be a table, not "+n.kind.String(), "")
		return nil
	}
	x.known(n, "an export", "description", "input", "output", "codeSamples")
	f.input, f.output = x.payload(n, "input"), x.payload(n, "output")
	if f.input != nil && f.input.format == asJSON {
		if top, _ := f.input.shape.only(); top.union == nil && top.kinds&^kNull == kObject && top.additional == nil && (top.closed || len(top.properties) > 0) {
			x.arguments(f, top)
		}
	}
	if err := f.describe(x.compiler.str(n, "description")); err != nil {
		x.mistake(m.at, err.Error(), "")
		return nil
	}
	return f
}

func isExport(name string) bool {
	for i := range len(name) {
		if c := name[i]; !isLower(c) && !isUpper(c) && c != '_' && c != '$' && (i == 0 || !isDigit(c)) {
			return false
		}
	}
	return name != "" && len(name) <= 200
}

// arguments makes parameters of an object's members, as they are written, but those that are required first: so Python wants it.
func (x *xtp) arguments(f *Function, s *shape) {
	f.fields = []field{}
	for _, required := range []bool{true, false} {
		for _, p := range s.properties {
			if p.required == required {
				f.fields = append(f.fields, field{original: p.name, shape: p.shape, required: required})
			}
		}
	}
	if f.checkCount() == nil { // or it is told, and their names are nobody's concern
		f.nameFields(make(map[string]bool))
	}
}

// payload reads input or output.
func (x *xtp) payload(export *node, name string) *payload {
	n := export.get(name)
	if n == nil || n.kind == null {
		return nil
	}
	if n.kind != mapping {
		x.mistake(n.at, name+" must be a table, not "+n.kind.String(), "write for example {type: string, contentType: application/json}")
		return nil
	}
	x.checkKeys(n, append([]string{"contentType"}, schemaKeys...))
	p := &payload{}
	content := n.get("contentType")
	const hint = "there are application/json, text/plain; charset=utf-8, application/x-binary"
	var ok bool
	switch {
	case content == nil:
		x.mistake(n.at, name+" needs a contentType", hint)
	case content.kind != text:
		x.mistake(content.at, "contentType must be a string, not "+content.kind.String(), hint)
	default:
		if p.format, ok = contentFormat(content.text); !ok {
			x.mistake(content.at, "there is no contentType "+quoted(content.text), hint)
		}
	}
	if p.format != asJSON && n.get("type") == nil && n.get("$ref") == nil {
		p.shape = &shape{kinds: kString, minLength: -1, maxLength: -1, description: x.compiler.str(n, "description")}
		return p
	}
	p.shape = x.compiler.shape(n)
	if to, _ := p.shape.only(); p.format != asJSON && to.kinds&^kNull != kString {
		x.mistake(n.at, fmt.Sprintf("%s is %s, and so its type must be string or buffer", name, quoted(content.text)), "")
	}
	return p
}

// contentFormat says how a content type crosses.
func contentFormat(content string) (format, bool) {
	kind, params, err := mime.ParseMediaType(content)
	if err != nil {
		return asJSON, false
	}
	charset := strings.ToLower(params["charset"])
	switch {
	case charset != "" && charset != "utf-8" && charset != "utf8":
		return asJSON, false
	case kind == "application/json" || strings.HasSuffix(kind, "+json"):
		return asJSON, true
	case strings.HasPrefix(kind, "text/"):
		return asText, true
	case kind == "application/x-binary" || kind == "application/octet-stream":
		return asBytes, true
	}
	return asJSON, false
}
