package schema

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// readDocument reads a document in YAML, of which JSON is a part. JSON is tried first where a document looks like it, since its escapes
// are not all YAML's.
func readDocument(src []byte) (*node, error) {
	src = bytes.TrimPrefix(src, []byte("\ufeff"))
	if !bytes.HasPrefix(bytes.TrimSpace(src), []byte("{")) {
		return readYAML(src)
	}
	n, err := readJSON(src)
	if err == nil {
		return n, nil
	}
	if n, other := readYAML(src); other == nil {
		return n, nil
	}
	return nil, err
}

func readYAML(src []byte) (*node, error) {
	if err := checkText(src); err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(src))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, malformed(place{1, 1}, "the schema is empty")
		}
		return nil, yamlError(err)
	}
	var r yamlReader
	n, err := r.value(&document, 0)
	if err != nil {
		return nil, err
	}
	var more yaml.Node
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, malformed(place{max(more.Line, 1), max(more.Column, 1)}, "there is a second document")
	case !errors.Is(err, io.EOF):
		return nil, yamlError(err)
	}
	return n, nil
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// yamlError gives an error of the YAML parser the place that its text has.
func yamlError(err error) error {
	at := place{1, 1}
	found := yamlLine.FindStringSubmatch(err.Error())
	message := err.Error()
	if found != nil {
		message = strings.TrimPrefix(message, found[0])
		if line, err := strconv.Atoi(found[1]); err == nil && line > 0 {
			at.line = line
		}
	}
	return malformed(at, "not YAML: %s", message)
}

type yamlReader struct{ count int }

func (r *yamlReader) value(y *yaml.Node, depth int) (*node, error) {
	n := &node{at: place{max(y.Line, 1), max(y.Column, 1)}}
	if r.count++; r.count > maxNodes {
		return nil, malformed(n.at, "the schema has more than %d values", maxNodes)
	}
	if depth++; depth > maxDepth {
		return nil, malformed(n.at, "the schema is nested deeper than %d", maxDepth)
	}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) != 1 {
			return nil, malformed(n.at, "the schema is empty")
		}
		return r.value(y.Content[0], depth-1)
	case yaml.AliasNode:
		return nil, malformed(n.at, "aliases (*name) are not for schemas: write a $ref")
	case yaml.ScalarNode:
		return n, scalar(n, y)
	case yaml.SequenceNode:
		n.kind = sequence
		for _, item := range y.Content {
			v, err := r.value(item, depth)
			if err != nil {
				return nil, err
			}
			n.items = append(n.items, v)
		}
		return n, nil
	case yaml.MappingNode:
		n.kind = mapping
		return n, r.table(n, y, depth)
	}
	return nil, malformed(n.at, "the schema is empty")
}

func (r *yamlReader) table(n *node, y *yaml.Node, depth int) error {
	seen := make(map[string]bool)
	for i := 0; i+1 < len(y.Content); i += 2 {
		key := y.Content[i]
		at := place{max(key.Line, 1), max(key.Column, 1)}
		switch {
		case key.Kind != yaml.ScalarNode:
			return malformed(at, "a key must be a word")
		case seen[key.Value]:
			return malformed(at, "%q is there twice", key.Value)
		}
		seen[key.Value] = true
		value, err := r.value(y.Content[i+1], depth)
		if err != nil {
			return err
		}
		n.members = append(n.members, member{key.Value, at, value})
	}
	return nil
}

func scalar(n *node, y *yaml.Node) error {
	switch y.ShortTag() {
	case "!!null":
		n.kind = null
	case "!!bool":
		n.kind, n.truth = boolean, strings.EqualFold(y.Value, "true")
	case "!!str", "!!timestamp":
		n.kind, n.text = text, y.Value
	case "!!int", "!!float":
		n.kind, n.text = number, y.Value
		if !jsonNumber.MatchString(y.Value) {
			return malformed(n.at, "%q is not a number as JSON writes it", y.Value)
		}
	default:
		return malformed(n.at, "the tag %s is not for schemas", y.Tag)
	}
	return nil
}

// jsonNumber also bounds a number's length.
var jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,99})(\.[0-9]{1,99})?([eE][+-]?[0-9]{1,4})?$`)
