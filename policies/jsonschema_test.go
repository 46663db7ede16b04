package policies_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/postern-sandbox/postern/policies"
)

// The schema accepts every policy of the corpus that Parse accepts, and marks what an editor should mark.
func TestJSONSchema(t *testing.T) {
	text, err := policies.JSONSchema(vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("policy.schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("policy.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	check := func(src []byte) error {
		var v map[string]any
		if err := toml.Unmarshal(src, &v); err != nil {
			t.Fatal(err)
		}
		// Dates become strings, as in the editors.
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		instance, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		return schema.Validate(instance)
	}

	policiesOf(t, "valid.txtar", func(name string, src []byte) {
		if err := check(src); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	})

	const head = "policy = 1\nname = \"n\"\n"
	for _, wrong := range []string{
		"name = \"n\"", head + "nmae = 1", head + "limits.fuel = \"1\"", head + "limits.fuel = 1", head + "limits.memory = \"1 GiB\"", head + "limits.wall_time = \"10\"",
		head + "grant.mth.functions = [\"sqrt\"]", head + "grant.math.functions = [\"sqr\"]", head + "grant.math.functions = []",
		head + "grant.math = {functions = [\"sqrt\"], approve = \"no\"}", head + "grant.math = {functions = [\"sqrt\"], urls = []}",
		head + "grant.http = {functions = [\"get\"], urls = []}", head + "grant.store = {functions = [\"put\"], mode = \"x\"}",
		head + "grant.store = {functions = [\"put\"], copies = 10}", head + "grant.store = {functions = [\"put\"], labels = {a = 1}}",
		head + "mcp.s.command = \"x\"", head + "mcp.s.functions = [1]", head + "mcp.s.env = { A = 1 }", head + "mcp.s.argv = [\"x\"]", head + "mcp.s.max_response = true",
		head + "tool.t.plugin = 1", head + "tool.t.limits.fule = 1", head + "tool.t.grant.math.functions = [1]",
	} {
		if check([]byte(wrong)) == nil {
			t.Errorf("accepted: %s", wrong)
		}
	}
}
