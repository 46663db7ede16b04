package mcpclient

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/internal/jsonobject"
	"github.com/postern-sandbox/postern/policies"
)

// What a server may say of its tools.
const (
	maxList   = 4 << 20 // bytes of all that it sends until its tools are known, and of each message of it
	maxPages  = 100
	maxTools  = 500
	maxName   = 128 // bytes of a tool's name, as MCP has it
	maxCursor = 4 << 10
)

// An Offer is what a server says of its tools, and what of it the policy grants.
type Offer struct {
	// Tools are all tools of the server, sorted by their names in Python. They must not be changed.
	Tools []*Tool

	granted []*Tool // with what they are called by
}

// A Tool is one tool of a server.
type Tool struct {
	// Original is the server's name for it.
	Original string

	// Name, Signature and Doc are Python's.
	Name, Signature, Doc string

	// Granted says whether the policy grants it.
	Granted bool

	// Unusable says why it cannot be called, whatever the policy says; nil if it can.
	Unusable error

	function   *schema.Function
	structured bool // the server has said what its structured answers are
	described  json.RawMessage
}

// described is what a tool says of itself, as digests and records have it: the members of its objects in the order of their names.
type described struct {
	Name         string          `json:"name"`
	Description  string          `json:"description"`
	InputSchema  json.RawMessage `json:"inputSchema"`
	OutputSchema json.RawMessage `json:"outputSchema,omitempty"`
}

// list asks a server for its tools, page after page.
func list(ctx context.Context, server *policies.Server, hidden *secrets, page func(cursor string) ([]byte, error)) (*Offer, error) {
	var tools []described
	cursor, total, seen := "", 0, map[string]bool{}
	for range maxPages {
		raw, err := page(cursor)
		if err != nil {
			return nil, err
		}
		if total += len(raw); total > maxList {
			return nil, fmt.Errorf("the server has described its tools in more than %d bytes", int64(maxList))
		}
		more, next, err := readPage(raw)
		if err != nil {
			return nil, fmt.Errorf("the server's list of tools is malformed: %w", err)
		}
		for i := range more {
			if more[i], err = hidden.tool(more[i]); err != nil {
				return nil, fmt.Errorf("the server's list of tools is malformed: %w", err)
			}
		}
		if tools = append(tools, more...); len(tools) > maxTools {
			return nil, fmt.Errorf("the server has more than %d tools", maxTools)
		}
		if next == "" {
			return newOffer(ctx, tools, server.Name, server.Names)
		}
		if seen[next] {
			return nil, errors.New("the server's list of tools has no end: a page leads back to one before it")
		}
		seen[next], cursor = true, next
	}
	return nil, fmt.Errorf("the server's list of tools has more than %d pages", maxPages)
}

// readPage reads one answer to tools/list.
func readPage(raw []byte) (tools []described, next string, err error) {
	if !utf8.Valid(raw) {
		return nil, "", errors.New("it is not UTF-8")
	}
	page, err := members(raw)
	if err != nil {
		return nil, "", err
	}
	if text, ok := page["nextCursor"]; ok && string(text) != "null" {
		if err := json.Unmarshal(text, &next); err != nil || len(next) > maxCursor {
			return nil, "", errors.New("nextCursor is not a text, or too long")
		}
	}
	var entries []json.RawMessage
	if err := json.Unmarshal(page["tools"], &entries); err != nil {
		return nil, "", errors.New("tools is not an array")
	}
	if len(entries) > maxTools {
		return nil, "", fmt.Errorf("there are more than %d tools", maxTools)
	}
	for _, entry := range entries {
		t, err := readTool(entry)
		if err != nil {
			return nil, "", err
		}
		tools = append(tools, t)
	}
	return tools, next, nil
}

func readTool(raw []byte) (t described, err error) {
	entry, err := members(raw)
	if err != nil {
		return t, fmt.Errorf("a tool is not an object: %w", err)
	}
	for name, into := range map[string]*string{"name": &t.Name, "description": &t.Description} {
		if text, ok := entry[name]; ok && string(text) != "null" && json.Unmarshal(text, into) != nil {
			return t, fmt.Errorf("the %s of a tool is not a text", name)
		}
	}
	if t.Name == "" || len(t.Name) > maxName || printable(t.Name) != t.Name {
		return t, fmt.Errorf("a tool's name has to be 1 to %d printable characters, and one is %s", maxName, shown(t.Name))
	}
	t.InputSchema = json.RawMessage("{}")
	for name, into := range map[string]*json.RawMessage{"inputSchema": &t.InputSchema, "outputSchema": &t.OutputSchema} {
		if text, ok := entry[name]; ok && string(text) != "null" {
			*into = text
		}
	}
	return t, nil
}

// shown is a hostile text for a message.
func shown(text string) string {
	const most = 60
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return fmt.Sprintf("%q", text)
}

// newOffer makes functions of what tools say of themselves, which takes time, as long as ctx lasts. granted says which of them are.
func newOffer(ctx context.Context, list []described, server string, granted func(function string) bool) (*Offer, error) {
	o := new(Offer)
	byName := map[string]*Tool{}
	for _, d := range list {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		t := newTool(d)
		t.Granted = granted(t.Name)
		other, taken := byName[t.Name]
		switch {
		case taken && t.Granted && other.Original == t.Original:
			return nil, fmt.Errorf("the server has two tools %s", shown(t.Original))
		case taken && t.Granted:
			return nil, &hinted{fmt.Errorf("the server's tools %s and %s would both be %s.%s in Python", shown(other.Original), shown(t.Original), server, t.Name), "neither can be granted"}
		case taken:
			t.Unusable = fmt.Errorf("%s has the same name in Python", shown(other.Original))
		}
		byName[t.Name] = t
		o.Tools = append(o.Tools, t)
		if t.Granted {
			if t.Unusable != nil {
				return nil, fmt.Errorf("the server's tool %s cannot be used: %w", shown(t.Original), t.Unusable)
			}
			o.granted = append(o.granted, t)
		}
	}
	for _, tools := range [][]*Tool{o.Tools, o.granted} {
		slices.SortFunc(tools, func(a, b *Tool) int {
			return strings.Compare(a.Name+"\x00"+a.Original, b.Name+"\x00"+b.Original)
		})
	}
	return o, nil
}

// newTool makes a function of a tool. One that cannot be made into one is unusable, and has its name nevertheless.
func newTool(d described) *Tool {
	t := &Tool{Original: d.Name, structured: d.OutputSchema != nil}
	fail := func(err error) *Tool {
		t.Unusable = err
		if named, err := schema.FromJSONSchema(d.Name, "", []byte("{}"), nil); err == nil {
			t.Name = named.Name
		}
		return t
	}
	for _, text := range []*json.RawMessage{&d.InputSchema, &d.OutputSchema} {
		if *text == nil {
			continue
		}
		var err error
		if *text, err = canonical(*text); err != nil {
			return fail(err)
		}
	}
	function, err := schema.FromJSONSchema(d.Name, d.Description, d.InputSchema, d.OutputSchema)
	if err != nil {
		return fail(err)
	}
	if _, err := capabilities.ParseSignature(function.Signature); err != nil {
		return fail(err)
	}
	if t.described, err = encode(d); err != nil {
		return fail(err)
	}
	t.function, t.Name, t.Signature, t.Doc = function, function.Name, function.Signature, function.Doc
	return t
}

// canonical writes JSON in one form: without blanks, the members of objects in the order of their names. Numbers stay as they are written.
func canonical(text []byte) (json.RawMessage, error) {
	v, err := readSchema(text)
	if err != nil {
		return nil, err
	}
	return encode(v)
}

// readSchema reads the JSON of a schema that is not too long.
func readSchema(text []byte) (any, error) {
	if len(text) > schema.MaxText {
		return nil, fmt.Errorf("its schema has more than %d bytes", schema.MaxText)
	}
	if !utf8.Valid(text) {
		return nil, errors.New("its schema is not UTF-8")
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil {
		return nil, fmt.Errorf("its schema is not JSON: %w", err)
	}
	return v, nil
}

// encode is json.Marshal without the escapes for HTML.
func encode(v any) (json.RawMessage, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// A description is what is kept of an offer.
type description struct {
	Tools    []json.RawMessage `json:"tools"`
	Withheld []string          `json:"withheld"` // names in Python of those that are not granted
}

// Description is what the granted tools say of themselves, their names, descriptions and schemas, and what the others are called: as JSON in one form, of which
// [Recorded] makes the functions again.
func (o *Offer) Description() []byte {
	d := description{Tools: []json.RawMessage{}, Withheld: o.withheld()}
	for _, t := range o.granted {
		d.Tools = append(d.Tools, t.described)
	}
	text, err := encode(d)
	if err != nil {
		panic(err) // it was made of JSON
	}
	return append(text, '\n')
}

// withheld are the names in Python of the tools that are not granted, sorted, each once.
func (o *Offer) withheld() []string {
	names := []string{}
	for _, t := range o.Tools {
		if !t.Granted && (len(names) == 0 || names[len(names)-1] != t.Name) {
			names = append(names, t.Name)
		}
	}
	return names
}

// SHA256 is the digest of what the granted tools say of themselves, as tools_sha256 has it: 64 hexadecimal digits.
func (o *Offer) SHA256() string {
	sum := sha256.New()
	for _, t := range o.granted {
		sum.Write(append(slices.Clone(t.described), '\n'))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// isStill reports whether the tools that another offer grants are what they were. Others that have come are nobody's concern.
func (o *Offer) isStill(other *Offer) bool {
	for _, was := range other.granted {
		i := slices.IndexFunc(o.Tools, func(t *Tool) bool { return t.Original == was.Original })
		if i < 0 || !bytes.Equal(o.Tools[i].described, was.described) {
			return false
		}
	}
	return true
}

// check compares what the policy says of a server's tools with what there is.
func (o *Offer) check(policy *policies.Policy, server *policies.Server) error {
	var mistakes policies.Errors
	names := make([]string, len(o.Tools))
	for i, t := range o.Tools {
		names[i] = t.Name
	}
	for i, name := range server.Functions {
		if !slices.ContainsFunc(names, func(tool string) bool { return policies.FitsName(name, tool) }) {
			mistakes = append(mistakes, policy.Mistake(server.Positions[i], fmt.Sprintf("mcp.%s.functions: the server has no tool %s", server.Name, shown(name)), choices(names)))
		}
	}
	for _, condition := range server.Conditions {
		for _, parameter := range condition.Parameters() {
			if len(o.granted) > 0 && !slices.ContainsFunc(o.granted, func(t *Tool) bool { return t.hasParameter(parameter) }) {
				mistakes = append(mistakes, policy.Mistake(condition.Position, fmt.Sprintf("mcp.%s.when: no granted tool has a parameter %s", server.Name, shown(parameter)),
					"`postern policy explain --connect` lists the tools with their parameters"))
			}
		}
	}
	if mistakes != nil {
		return mistakes
	}
	if server.ToolsSHA256 != "" && server.ToolsSHA256 != o.SHA256() {
		return &hinted{
			fmt.Errorf("its tools are not those of tools_sha256: their digest is %s, and the policy has %s", o.SHA256(), server.ToolsSHA256),
			"read what they say of themselves now, with `postern policy explain --connect`, before you pin them again",
		}
	}
	return nil
}

func (t *Tool) hasParameter(name string) bool {
	signature, err := capabilities.ParseSignature(t.Signature)
	return err == nil && slices.ContainsFunc(signature.Parameters(), func(p capabilities.Parameter) bool { return p.Name == name })
}

// choices lists the names of tools for a hint.
func choices(names []string) string {
	const most = 12
	if len(names) == 0 {
		return "it has none"
	}
	names = slices.Compact(slices.Clone(names))
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return "it has " + strings.Join(names, ", ")
}

// members reads a JSON object into its members as they are written. A name in an error is whole, so that secrets can be taken out of it.
func members(data []byte) (map[string]json.RawMessage, error) {
	const most = 50
	found, err := jsonobject.Members(data)
	var twice *jsonobject.TwiceError
	switch {
	case errors.Is(err, jsonobject.ErrNotObject):
		err = errors.New("it is not an object")
	case errors.As(err, &twice) && len(twice.Name) > most:
		err = errors.New("a member with a long name is there twice")
	}
	return found, err
}
