package serve

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/internal/jsonobject"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// ToolsFamily is the family of the functions that the client provides.
const ToolsFamily = "tools"

// Bounds of what a client registers.
const (
	maxTools      = 500
	maxParameters = 100
	maxDoc        = 4 << 10 // bytes; a longer doc is cut
)

// A Tool is a function that the client provides. Python code calls it under its name; the call goes through the gate, and from there to the client.
type Tool struct {
	Name       string      `json:"name"`
	Doc        string      `json:"doc"`
	Parameters []Parameter `json:"parameters"`
	Returns    string      `json:"returns"` // type, for people
}

// A Parameter is one of a tool's parameters.
type Parameter struct {
	Name     string `json:"name"`
	Type     string `json:"type"`     // for people
	Kind     string `json:"kind"`     // as inspect.Parameter calls it, in lower case; empty is positional_or_keyword
	Optional bool   `json:"optional"` // may be left out: the client knows its default
}

// signature is the tool's parameter list in Python's syntax. Defaults are the client's affair: arguments that code leaves out are not sent.
func (t *Tool) signature() (string, error) {
	var parts []string
	onlyPlaced, onlyNamed := false, false
	slash := func() {
		if onlyPlaced {
			parts, onlyPlaced = append(parts, "/"), false
		}
	}
	for _, p := range t.Parameters {
		part := p.Name
		if p.Optional {
			part += "=..."
		}
		switch p.Kind {
		case "positional_only":
			onlyPlaced = true
		case "", "positional_or_keyword":
			slash()
		case "var_positional":
			slash()
			part, onlyNamed = "*"+p.Name, true
		case "keyword_only":
			slash()
			if !onlyNamed {
				parts, onlyNamed = append(parts, "*"), true
			}
		case "var_keyword":
			slash()
			part = "**" + p.Name
		default:
			return "", fmt.Errorf("parameter %.50q has no kind %.50q", p.Name, p.Kind)
		}
		parts = append(parts, part)
	}
	slash()
	return "(" + strings.Join(parts, ", ") + ")", nil
}

// oneLine is the tool's documentation as the guest shows it: one line, with the types that its parameters have.
func (t *Tool) oneLine() string {
	doc := strings.Join(strings.Fields(t.Doc), " ")
	var types []string
	for _, p := range t.Parameters {
		if p.Type != "" {
			types = append(types, p.Name+": "+p.Type)
		}
	}
	if t.Returns != "" {
		types = append(types, "returns "+t.Returns)
	}
	if len(types) > 0 {
		doc = strings.TrimSpace(doc + " [" + strings.Join(strings.Fields(strings.Join(types, "; ")), " ") + "]")
	}
	if len(doc) > maxDoc {
		doc = doc[:maxDoc]
		for !utf8.ValidString(doc) {
			doc = doc[:len(doc)-1]
		}
	}
	return doc
}

// toolFamily makes capabilities of the client's tools.
func (c *connection) toolFamily(tools []Tool) (capabilities.Family, error) {
	family := capabilities.Family{Name: ToolsFamily, Doc: "Functions of the program that uses this sandbox."}
	if len(tools) > maxTools {
		return family, errorf(codeInvalidParams, "tools: more than %d", maxTools)
	}
	for _, t := range tools {
		if len(t.Parameters) > maxParameters {
			return family, errorf(codeInvalidParams, "tool %.50q: more than %d parameters", t.Name, maxParameters)
		}
		text, err := t.signature()
		if err != nil {
			return family, errorf(codeInvalidParams, "tool %.50q: %v", t.Name, err)
		}
		signature, err := capabilities.ParseSignature(text)
		if err != nil {
			return family, errorf(codeInvalidParams, "tool %.50q: %v", t.Name, err)
		}
		family.Capabilities = append(family.Capabilities, &clientTool{
			connection: c,
			signature:  signature,
			spec: capabilities.Spec{
				Family: ToolsFamily, Function: t.Name, Signature: text, Doc: t.oneLine(), Effects: capabilities.Reads | capabilities.Writes,
			},
		})
	}
	return family, nil
}

// grantOf is the part of a policy that grants all tools.
func grantOf(tools []Tool) []byte {
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = `"` + t.Name + `"` // the registry has checked it
	}
	return []byte("\n[grant." + ToolsFamily + "]\nfunctions = [" + strings.Join(names, ", ") + "]\n")
}

// prelude binds the tools' names in a new session, granted or not: one that is not granted says so when it is called.
func prelude(policy *policies.Policy, tools []Tool) string {
	i := slices.IndexFunc(policy.Grants, func(g policies.Grant) bool { return g.Family == ToolsFamily })
	if len(tools) == 0 || i < 0 {
		return ""
	}
	names := make([]string, len(tools))
	for i, t := range tools {
		names[i] = t.Name
	}
	slices.Sort(names)
	return "from " + cmp.Or(policy.Grants[i].As, ToolsFamily) + " import " + strings.Join(names, ", ")
}

// A clientTool is a capability whose work the client does.
type clientTool struct {
	connection *connection
	signature  *capabilities.Signature
	spec       capabilities.Spec
}

func (t *clientTool) Spec() capabilities.Spec { return t.spec }

// originKey is the key under which contexts have the origin of calls.
type originKey struct{}

// An origin is whose code runs.
type origin struct {
	session  string
	request  string    // the id of the request that runs it
	printing *printing // nil: what it prints is not sent while it runs
}

// toolParams are the parameters of tool.call.
type toolParams struct {
	Session string          `json:"session"`
	Request json.RawMessage `json:"request"`
	Tool    string          `json:"tool"`
	Args    json.RawMessage `json:"args"`
	Kwargs  json.RawMessage `json:"kwargs"`
}

// Call asks the client, and waits for its answer.
func (t *clientTool) Call(ctx context.Context, call *capabilities.Call) (any, error) {
	if _, err := t.signature.Bind(ToolsFamily, t.spec.Function, call); err != nil {
		return nil, err
	}
	from, ok := ctx.Value(originKey{}).(origin)
	if !ok {
		return nil, errors.New("serve: a tool was called by no session")
	}
	params := toolParams{Session: from.session, Request: json.RawMessage(from.request), Tool: t.spec.Function}
	var err error
	if params.Args, params.Kwargs, err = encodeArguments(call); err != nil {
		return nil, err
	}
	if from.printing != nil {
		from.printing.flush(ctx) // the client sees things in the order in which they happen
	}
	m, err := t.connection.ask(ctx, "tool.call", params)
	if err != nil {
		return nil, err
	}
	return readToolAnswer(m)
}

// maxArguments bounds the arguments of one call: what the gate lets through is not longer.
const maxArguments = 32 << 20

func encodeArguments(call *capabilities.Call) (args, kwargs json.RawMessage, err error) {
	list := call.Args
	if list == nil {
		list = []any{}
	}
	if args, err = values.Append(nil, list, maxArguments); err != nil {
		return nil, nil, err
	}
	named := []byte("{")
	for i, k := range call.Kwargs {
		if i > 0 {
			named = append(named, ',')
		}
		if named, err = values.Append(named, k.Name, maxArguments); err != nil {
			return nil, nil, err
		}
		if named, err = values.Append(append(named, ':'), k.Value, maxArguments); err != nil {
			return nil, nil, err
		}
	}
	return args, append(named, '}'), nil
}

// readToolAnswer makes a value or an exception of the client's answer. The client's errors are for the code to see.
func readToolAnswer(m message) (any, error) {
	if m.err != nil {
		return nil, readToolError(m.err)
	}
	parts, err := jsonobject.Members(m.result)
	value, ok := parts["value"]
	if err != nil || !ok || len(parts) != 1 {
		return nil, capabilities.Raise("RuntimeError", `the client's answer is not {"value": …}`)
	}
	v, err := values.Decode(value)
	if err != nil {
		return nil, capabilities.Raise("RuntimeError", "the client's answer is not a value: %v", err)
	}
	return v, nil
}

func readToolError(raw json.RawMessage) error {
	var e struct {
		Message string `json:"message"`
		Data    struct {
			Type string `json:"type"`
		} `json:"data"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	if err := decoder.Decode(&e); err != nil {
		return capabilities.Raise("RuntimeError", "the client's error is not understood")
	}
	if e.Data.Type == "" || strings.Contains(e.Data.Type, ".") {
		e.Data.Type = "RuntimeError"
	}
	return &capabilities.PythonError{Type: e.Data.Type, Message: e.Message}
}

// ask sends a request to the client and waits for the answer.
func (c *connection) ask(ctx context.Context, method string, params any) (message, error) {
	answered := make(chan message, 1)
	c.mu.Lock()
	c.called++
	id := c.called
	c.calls[id] = answered
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.calls, id)
		c.mu.Unlock()
	}()
	c.send(call{Version: "2.0", ID: id, Method: method, Params: params})
	select {
	case m := <-answered:
		return m, nil
	case <-ctx.Done():
		c.notify("$/cancel", cancelParams{id})
		return message{}, ctx.Err()
	case <-c.gone:
		return message{}, capabilities.Raise("RuntimeError", "the client is gone")
	}
}

type cancelParams struct {
	ID int64 `json:"id"`
}

// answer gives a response to whoever waits for it. One that nobody waits for comes late, or is made up.
func (c *connection) answer(m message) {
	var id int64
	if json.Unmarshal([]byte(m.id), &id) != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if answered, ok := c.calls[id]; ok {
		delete(c.calls, id)
		answered <- m
	}
}
