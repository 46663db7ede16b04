package policies

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// An object is a JSON object.
type object = map[string]any

// JSONSchema returns a JSON Schema (draft 7) of policies for editors, with what
// the vocabulary's families contribute. It is less strict than Parse: what an
// editor passes can still have a mistake, what it marks is one.
func JSONSchema(vocab Vocabulary) ([]byte, error) {
	root := keysObject(rootKeys.keys())
	properties := root["properties"].(object)
	properties["limits"] = keysObject(limitKeys.keys())
	properties["python"] = keysObject(pythonKeys.keys())
	properties["audit"] = keysObject(auditKeys.keys())
	properties["grant"] = grantsObject(vocab)
	tool := keysObject(toolKeys.keys())
	tool["properties"].(object)["limits"] = keysObject(toolLimitKeys.keys())
	tool["properties"].(object)["python"] = keysObject(toolPythonKeys.keys())
	tool["properties"].(object)["grant"] = grantsObject(vocab)
	properties["tool"] = object{"type": "object", "additionalProperties": tool}
	properties["mcp"] = object{"type": "object", "additionalProperties": keysObject(serverKeys.keys())}
	properties["policy"].(object)["enum"] = []int{version}
	root["required"] = []string{"policy", "name"}
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "Postern policy"

	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(root); err != nil {
		return nil, fmt.Errorf("policies: schema: %w", err)
	}
	return out.Bytes(), nil
}

// keys returns the section's keys, without those that are sections themselves.
func (s section[T]) keys() []Key { return s.describe("") }

// keysObject is the schema of a table.
func keysObject(keys []Key) object {
	properties := object{}
	for _, k := range keys {
		properties[k.Path] = k.jsonSchema()
	}
	return object{"type": "object", "additionalProperties": false, "properties": properties}
}

func grantsObject(vocab Vocabulary) object {
	families := object{}
	for _, name := range vocab.familyNames() {
		family := vocab.Families[name]
		keys := grantKeys.keys()
		for i := range family.Scopes {
			keys = append(keys, family.Scopes[i].describe())
		}
		grant := keysObject(keys)
		grant["description"] = family.Doc
		functions := grant["properties"].(object)["functions"].(object)
		functions["items"] = object{"type": "string", "enum": family.names()}
		if family.Open {
			functions["items"] = object{"type": "string", "pattern": "^[a-z][a-z0-9_]*$"}
		}
		functions["minItems"] = 1
		families[name] = grant
	}
	return object{"type": "object", "additionalProperties": false, "properties": families}
}

// jsonSchema is the schema of a value.
func (k Key) jsonSchema() object {
	s := object{"description": k.Doc}
	if k.Default != "" {
		s["description"] = k.Doc + " Default: " + k.Default + "."
	}
	switch {
	case k.scope != nil:
		k.scope.jsonSchema(s)
	case len(k.Choices) > 0:
		s["type"], s["enum"] = "string", k.Choices
	case k.Type == countType:
		s["type"] = "integer"
		k.bounds(s)
	case k.Type == boolType:
		s["type"] = "boolean"
	case k.Type == sizeType:
		s["type"], s["pattern"] = []string{"string", "integer"}, sizePattern
	case k.Type == durationType:
		s["type"], s["pattern"] = "string", durationGrammar.String()
	case k.Type == rateType:
		s["type"], s["pattern"] = "string", "^[1-9][0-9]*/"
	case strings.HasPrefix(k.Type, "an array"):
		s["type"], s["items"] = "array", object{"type": "string"}
	case k.Type == expiresType:
		// Editors differ in what a date of TOML is in JSON.
	default:
		s["type"] = "string"
	}
	return s
}

const sizePattern = "^[0-9]+(B|KB|MB|GB|KiB|MiB|GiB)?$"

func (k Key) bounds(s object) {
	for name, text := range map[string]string{"minimum": k.Min, "maximum": k.Max} {
		if n, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64); err == nil {
			s[name] = n
		}
	}
}

func (k *ScopeKey) jsonSchema(s object) {
	switch k.Type {
	case ScopeString:
		s["type"] = "string"
	case ScopeStrings, ScopePaths, ScopeURLs:
		item := object{"type": "string"}
		if len(k.Choices) > 0 {
			item["enum"] = k.Choices
		}
		s["type"], s["items"] = "array", item
		if k.Min > 0 {
			s["minItems"] = k.Min
		}
	case ScopeSize:
		s["type"], s["pattern"] = []string{"string", "integer"}, sizePattern
	case ScopeDuration:
		s["type"], s["pattern"] = "string", durationGrammar.String()
	case ScopeInt:
		s["type"], s["minimum"] = "integer", k.Min
		if k.Max > 0 {
			s["maximum"] = k.Max
		}
	case ScopeBool:
		s["type"] = "boolean"
	case ScopeMap:
		s["type"], s["additionalProperties"] = "object", object{"type": "string"}
	case ScopeEnum:
		s["type"], s["enum"] = "string", k.Choices
	}
}
