package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/internal/jsonobject"
)

// A message is one line that the client has sent: a request, a notification (no id), or a response (no method).
type message struct {
	id     string // canonical JSON of the id; "" if there is none
	method string
	params json.RawMessage // an object; nil if absent
	result json.RawMessage // of a response; nil if it is an error
	err    json.RawMessage
}

func (m *message) isResponse() bool { return m.method == "" }

// parseMessage reads one line. The error is a *Error with the standard code for what is wrong; the message's id is set if it could be read.
func parseMessage(line []byte) (message, *Error) {
	var m message
	if !utf8.Valid(line) || !json.Valid(line) {
		return m, errorf(codeParse, "the line is not JSON in UTF-8")
	}
	if line = bytes.TrimSpace(line); line[0] == '[' {
		return m, errorf(codeInvalidRequest, "batches are not supported: one message a line")
	}
	parts, err := jsonobject.Members(line)
	if err != nil {
		return m, errorf(codeInvalidRequest, "%v", err)
	}
	if raw, ok := parts["id"]; ok {
		if m.id, err = canonicalID(raw); err != nil {
			return m, errorf(codeInvalidRequest, "%v", err)
		}
	}
	if version := parts["jsonrpc"]; string(version) != `"2.0"` {
		return m, errorf(codeInvalidRequest, `"jsonrpc" is not "2.0"`)
	}
	for name := range parts {
		switch name {
		case "jsonrpc", "id", "method", "params", "result", "error":
		default:
			return m, errorf(codeInvalidRequest, "unknown member %.50q", name)
		}
	}
	m.params, m.result, m.err = parts["params"], parts["result"], parts["error"]
	method, called := parts["method"]
	switch {
	case called && (m.result != nil || m.err != nil):
		return m, errorf(codeInvalidRequest, "a message is a call or a response, not both")
	case called:
		if err := json.Unmarshal(method, &m.method); err != nil || m.method == "" || method[0] != '"' {
			return m, errorf(codeInvalidRequest, `"method" is not a name`)
		}
		if m.params != nil && m.params[0] != '{' {
			return m, errorf(codeInvalidParams, "parameters are given by name, in an object")
		}
	case m.params != nil || (m.result == nil) == (m.err == nil):
		return m, errorf(codeInvalidRequest, `a response has "result" or "error"; anything else has "method"`)
	case m.id == "":
		return m, errorf(codeInvalidRequest, `a response needs the "id" of what it answers`)
	}
	return m, nil
}

// maxID is the longest id, in bytes of JSON.
const maxID = 256

// canonicalID reads an id, a string or a whole number, in the one spelling that equal ids have.
func canonicalID(raw json.RawMessage) (string, error) {
	wrong := errors.New(`"id" is not a string or a whole number, of at most 256 bytes`)
	if len(raw) > maxID {
		return "", wrong
	}
	if raw[0] == '"' {
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			return "", wrong
		}
		canonical, err := json.Marshal(text)
		return string(canonical), err
	}
	number, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return "", wrong
	}
	return strconv.FormatInt(number, 10), nil
}

// readParams reads parameters into fields, by name: each a pointer for package json, or a reader of its own. Those not named in optional must be there.
func readParams(params json.RawMessage, fields map[string]any, optional ...string) *Error {
	if params == nil {
		params = json.RawMessage("{}")
	}
	given, err := jsonobject.Members(params)
	if err != nil {
		return errorf(codeInvalidParams, "parameters: %v", err)
	}
	for name, raw := range given {
		target, known := fields[name]
		if !known {
			return errorf(codeInvalidParams, "there is no parameter %.50q", name)
		}
		if err := readInto(raw, target); err != nil {
			return errorf(codeInvalidParams, "parameter %q: %v", name, err)
		}
	}
	for name := range fields {
		if _, ok := given[name]; !ok && !slices.Contains(optional, name) {
			return errorf(codeInvalidParams, "parameter %q is missing", name)
		}
	}
	return nil
}

// A reader of a parameter that is more than package json can tell.
type reader func(raw json.RawMessage) error

func readInto(raw json.RawMessage, target any) error {
	if read, ok := target.(reader); ok {
		return read(raw)
	}
	if string(raw) == "null" { // which package json would take for anything
		return errors.New("null is no value for it")
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	err := decoder.Decode(target)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return fmt.Errorf("a JSON %s is not what it takes", wrong.Value)
	}
	return err
}
