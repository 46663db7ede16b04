// Package jsonobject reads JSON objects that a peer has sent, and that must not say two things.
package jsonobject

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrNotObject is the error of Members for any other JSON, and for what does not begin as an object.
var ErrNotObject = errors.New("not an object")

// A TwiceError is the error of Members for a member that is there twice.
type TwiceError struct{ Name string }

// Error names the member with at most 50 of its characters.
func (e *TwiceError) Error() string { return fmt.Sprintf("member %.50q is there twice", e.Name) }

// Members reads a JSON object into its members as they are written; what follows the object is not looked at. Package json alone lets a member be
// there twice, which would be two ways to say different things: here that is a *TwiceError. The values are parts of copies of data: how long they
// are together is bounded by it.
func Members(data []byte) (map[string]json.RawMessage, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if token, err := decoder.Token(); err != nil || token != json.Delim('{') {
		return nil, ErrNotObject
	}
	found := make(map[string]json.RawMessage)
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name, _ := token.(string)
		if _, twice := found[name]; twice {
			return nil, &TwiceError{name}
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return nil, err
		}
		found[name] = value
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	return found, nil
}
