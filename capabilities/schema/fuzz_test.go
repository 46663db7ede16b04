package schema_test

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// registered checks that a function can be what it is made for: a capability.
func registered(t *testing.T, functions ...*schema.Function) {
	family := capabilities.Family{Name: "tool", Doc: "A tool."}
	for _, f := range functions {
		if len(f.Doc) > 4<<10 || !utf8.ValidString(f.Doc) {
			t.Fatalf("the doc of %q is %q", f.Original, f.Doc)
		}
		spec := capabilities.Spec{Family: "tool", Function: f.Name, Signature: f.Signature, Doc: f.Doc, Effects: capabilities.Pure}
		family.Capabilities = append(family.Capabilities, capabilities.New(spec, func(context.Context, capabilities.Arguments) (any, error) { return nil, nil }))
	}
	if _, err := capabilities.NewRegistry(family); err != nil {
		t.Fatal(err)
	}
}

// used calls a function with arguments that Python could give, and reads an answer.
func used(t *testing.T, f *schema.Function, request, answer []byte) {
	signature, err := capabilities.ParseSignature(f.Signature)
	if err != nil {
		t.Fatal(err)
	}
	args, kwargs, err := values.DecodeCall(request)
	if err == nil {
		if bound, err := signature.Bind("tool", f.Name, &capabilities.Call{Args: args, Kwargs: kwargs}); err == nil {
			data, err := f.Input(t.Context(), bound, 1000)
			var raised *capabilities.PythonError
			switch {
			case err != nil && !errors.As(err, &raised):
				t.Fatalf("%v is no exception", err)
			case err != nil:
				if raised.Type != "TypeError" && raised.Type != "ValueError" || !utf8.ValidString(raised.Message) {
					t.Fatal(raised)
				}
			case len(data) > 1000:
				t.Fatalf("%d bytes", len(data))
			}
		}
	}
	if v, err := f.Output(t.Context(), answer); err == nil {
		if _, err := values.Append(nil, v, math.MaxInt); err != nil {
			t.Fatal(err)
		}
	} else if !strings.HasPrefix(err.Error(), "answered ") {
		t.Fatal(err)
	}
}

func FuzzParseXTP(f *testing.F) {
	f.Add([]byte(kitchen), []byte(`{"args":["plum",1,"x"],"kwargs":{"when":{"$date":"2025-01-31"}}}`), []byte(`{"name":"x"}`))
	f.Add([]byte(`{"version":"v1-draft","exports":{"a":{"input":{"type":"string","contentType":"text/plain"}}}}`), []byte(`{"args":["x"]}`), []byte("x"))
	f.Add([]byte("a: &a [*a, !!int x]\n? [b]\n: {<<: *a}\n"), []byte("{}"), []byte(""))
	f.Fuzz(func(t *testing.T, document, request, answer []byte) {
		d, err := schema.ParseXTP("s.yaml", document)
		if err != nil {
			var mistakes policies.Errors
			if !errors.As(err, &mistakes) || len(mistakes) == 0 {
				t.Fatal(err)
			}
			for _, m := range mistakes {
				if m.Line < 1 || m.Column < 1 || strings.Contains(m.Error(), "\n") {
					t.Fatalf("%q", m.Error())
				}
				m.Excerpt()
			}
			return
		}
		registered(t, d.Functions...)
		for _, one := range d.Functions {
			used(t, one, request, answer)
		}
	})
}

func FuzzJSONSchema(f *testing.F) {
	f.Add("get-weather", []byte(`{"type":"object","properties":{"city":{"type":"string"},"from":{"anyOf":[{"$ref":"#/$defs/a"},{"type":"null"}],"default":null}},"required":["city"],"$defs":{"a":{"type":"array","items":{"type":["integer","null"]},"minItems":1}}}`),
		[]byte(`{"args":["x"],"kwargs":{"from_":[1,null]}}`), []byte(`{"from":[1.0]}`))
	f.Add("", []byte(`{"additionalProperties":{"contentEncoding":"base64","type":"string"},"oneOf":[{"$ref":"#"}]}`), []byte(`{"kwargs":{"a b":{"$bytes":"AQ=="}}}`), []byte(`"AQ=="`))
	f.Add("x", []byte(`{"enum":[1,1.5,"a",null,true,1e400],"const":{},"minimum":1e999,"exclusiveMaximum":3}`), []byte(`{"args":[{"$int":"99999999999999999999"}]}`), []byte(`1e308`))
	f.Fuzz(func(t *testing.T, name string, document, request, answer []byte) {
		one, err := schema.FromJSONSchema(name, name, document, document)
		if err != nil {
			return
		}
		if !json.Valid(document) {
			t.Fatalf("%q was taken", document)
		}
		registered(t, one)
		used(t, one, request, answer)
	})
}

// FuzzInput: what JSON has goes through a schema that says nothing, and is the same when it comes back.
func FuzzInput(f *testing.F) {
	f.Add([]byte(`{"a":[1,2.5,"x",null,true,{"$set":[1]}],"b":{"$bytes":"AQ=="}}`))
	f.Add([]byte(`[{"$float":"nan"},{"$decimal":"1.5"},{"$int":"123456789012345678901234567890"},"\ud800",1e308,-0.0]`))
	open, err := schema.FromJSONSchema("open", "", []byte(`{"type":"object","properties":{"v":{}},"required":["v"]}`), nil)
	if err != nil {
		f.Fatal(err)
	}
	signature, err := capabilities.ParseSignature(open.Signature)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, encoded []byte) {
		v, err := values.Decode(encoded)
		if err != nil {
			return
		}
		bound, err := signature.Bind("tool", "open", &capabilities.Call{Args: []any{v}})
		if err != nil {
			t.Fatal(err)
		}
		data, err := open.Input(t.Context(), bound, 1<<20)
		if err != nil {
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%s became %s", values.Format(v), data)
		}
		back, err := open.Output(t.Context(), data)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := back.(*values.Dict).Get("v")
		if values.Format(got) != values.Format(lists(v)) {
			t.Fatalf("%s came back as %s", values.Format(v), values.Format(got))
		}
	})
}

// lists makes lists of tuples, as JSON does.
func lists(v any) any {
	switch v := v.(type) {
	case values.Tuple:
		return lists(values.List(v))
	case values.List:
		made := make(values.List, len(v))
		for i, item := range v {
			made[i] = lists(item)
		}
		return made
	case *values.Dict:
		made := new(values.Dict)
		for k, item := range v.All() {
			made.SetString(k.(string), lists(item))
		}
		return made
	}
	return v
}

// FuzzOutput: whatever a plugin answers is an error in words or a value that its schema permits.
func FuzzOutput(f *testing.F) {
	functions := parse(f, kitchen)
	for _, answer := range []string{`{"name":"x","courses":[{"name":"y","picture":"AQ=="}]}`, "", "\xff", `{"$dict":[]}`, `[1e999]`, `{"left":{"left":null}}`} {
		f.Add([]byte(answer))
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		for _, one := range functions {
			used(t, one, nil, answer)
		}
	})
}
