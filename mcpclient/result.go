package mcpclient

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/values"
)

// maxBlocks is how many blocks of content an answer may have.
const maxBlocks = 10_000

// result makes a value of what a tool has answered, or an exception.
//
// Structured content is the value, checked against the schema that the tool has for it. Otherwise the content is: the text if there is nothing but text, in several blocks joined by line
// breaks; one block of another kind, or a list of all; None if there is none. When ctx ends, no more is made of it.
func (c *client) result(ctx context.Context, t *Tool, raw []byte) (any, error) {
	if int64(len(raw)) > c.server.MaxResponse {
		return nil, c.fail(t, tooLarge(c.server.MaxResponse))
	}
	answer, err := members(raw)
	if err != nil {
		return nil, c.fail(t, fmt.Errorf("the server's answer is malformed: %w", err))
	}
	var failed bool
	if text, ok := answer["isError"]; ok && json.Unmarshal(text, &failed) != nil {
		return nil, c.fail(t, errors.New("the server's answer is malformed: isError is neither true nor false"))
	}
	structured, there := answer["structuredContent"]
	if there = there && string(structured) != "null"; there && !failed {
		v, err := c.structured(ctx, t, structured)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, c.fail(t, fmt.Errorf("the tool %w", err))
		}
		return v, nil
	}
	content, err := readContent(answer["content"])
	switch {
	case err != nil:
		return nil, c.fail(t, fmt.Errorf("the server's answer is malformed: %w", err))
	case failed:
		return nil, c.failed(t, content)
	case t.structured:
		return nil, c.fail(t, errors.New("the tool has not answered with the structured content that its schema promises"))
	}
	v, err := c.config.secrets.value(content.value())
	if err != nil {
		return nil, c.fail(t, fmt.Errorf("the server's answer is malformed: %w", err))
	}
	return v, nil
}

// structured makes a value of structured content, without secrets. What does not fit its schema is said of what is left when they are taken out: messages show parts of values.
func (c *client) structured(ctx context.Context, t *Tool, raw []byte) (any, error) {
	answer, err := schema.ReadAnswer(raw)
	if err != nil {
		return nil, err
	}
	v, wrong := t.function.Answer(ctx, answer)
	if wrong != nil {
		v = answer
	}
	if v, err = c.config.secrets.value(v); err != nil {
		return nil, fmt.Errorf("answered what is malformed: %w", err)
	}
	if wrong == nil {
		return v, nil
	}
	if _, err = t.function.Answer(ctx, v); err == nil {
		err = errors.New("answered what its schema does not permit")
	}
	return nil, err
}

// failed is the exception for what a tool itself calls an error: its text.
func (c *client) failed(t *Tool, content content) error {
	text := c.config.secrets.text(strings.Join(content.texts, "\n"))
	if strings.TrimSpace(text) == "" {
		text = c.server.Name + "." + t.Name + " failed, and does not say why"
	}
	return &capabilities.PythonError{Type: c.server.Name + "." + errorClass, Message: text, Attributes: map[string]any{"code": nil}}
}

// content is the blocks of an answer.
type content struct {
	blocks []any    // a str, or a dict
	texts  []string // those that are text
}

func (c content) value() any {
	switch {
	case len(c.blocks) == 0:
		return nil
	case len(c.texts) == len(c.blocks):
		return strings.Join(c.texts, "\n")
	case len(c.blocks) == 1:
		return c.blocks[0]
	}
	return values.List(c.blocks)
}

func readContent(raw json.RawMessage) (c content, err error) {
	if raw == nil || string(raw) == "null" {
		return c, nil
	}
	var blocks []json.RawMessage
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return c, errors.New("content is not an array")
	}
	if len(blocks) > maxBlocks {
		return c, fmt.Errorf("there are more than %d blocks of content", maxBlocks)
	}
	for _, raw := range blocks {
		block, err := readBlock(raw)
		if err != nil {
			return c, err
		}
		if text, ok := block.(string); ok {
			c.texts = append(c.texts, text)
		}
		c.blocks = append(c.blocks, block)
	}
	return c, nil
}

// readBlock makes a value of a block: a str of text; of all others a dict with its type and what it says, in which base64 is bytes.
func readBlock(raw []byte) (any, error) {
	v, err := values.DecodeJSON(raw)
	if err != nil {
		return nil, fmt.Errorf("a block of content is not JSON: %w", err)
	}
	block, ok := v.(*values.Dict)
	if !ok {
		return nil, errors.New("a block of content is not an object")
	}
	kind, _ := block.Get("type")
	switch kind {
	case "text":
		text, ok := lookup[string](block, "text")
		if !ok {
			return nil, errors.New("a block of text has no text")
		}
		return text, nil
	case "image", "audio":
		return pick(block, kind, "mimeType", "data")
	case "resource":
		resource, ok := lookup[*values.Dict](block, "resource")
		if !ok {
			return nil, errors.New("a block with a resource has none")
		}
		return pick(resource, kind, "uri", "mimeType", "text", "blob")
	case "resource_link":
		return pick(block, kind, "uri", "name", "title", "description", "mimeType", "size")
	}
	return block, nil
}

func lookup[T any](d *values.Dict, key string) (v T, ok bool) {
	found, _ := d.Get(key)
	v, ok = found.(T)
	return v, ok
}

// pick makes the dict of a block, with Python's names for its members.
func pick(from *values.Dict, kind any, names ...string) (any, error) {
	d := new(values.Dict)
	d.SetString("type", kind)
	for _, name := range names {
		v, ok := from.Get(name)
		if !ok {
			continue
		}
		switch name {
		case "data", "blob":
			text, _ := v.(string)
			data, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, fmt.Errorf("the data of a block of type %v is not base64", kind)
			}
			name, v = "data", values.Bytes(data)
		case "mimeType":
			name = "mime_type"
		}
		d.SetString(name, v)
	}
	return d, nil
}
