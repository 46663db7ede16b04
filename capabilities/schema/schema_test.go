package schema_test

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

const limit = 1 << 20

// kitchen has everything that XTP has.
const kitchen = `
version: v1-draft
description: A kitchen's tools.
exports:
  voidFunc:
    description: Neither takes nor gives.
  CountVowels:
    description: |
      Counts the vowels
      of a text.
    input: {type: string, description: The text., contentType: text/plain; charset=utf-8}
    output: {type: integer, format: uint8, contentType: application/json}
    codeSamples: [{lang: go, source: x, label: y}]
  cook:
    input: {$ref: "#/components/schemas/Order", contentType: application/json}
    output: {$ref: "#/components/schemas/Meal", contentType: application/json}
  pick:
    input: {$ref: "#/components/schemas/Fruit", contentType: text/plain; charset=utf-8}
    output: {type: array, items: {$ref: "#/components/schemas/Fruit"}, contentType: application/json}
  from:
    input: {contentType: application/x-binary, type: buffer}
    output: {contentType: application/x-binary, type: buffer}
  weigh:
    input: {type: object, additionalProperties: {type: number}, contentType: application/json}
    output: {type: number, nullable: true, contentType: application/json}
  grow:
    input: {$ref: "#/components/schemas/Tree", contentType: application/json}
    output: {$ref: "#/components/schemas/Tree", contentType: application/json}
imports:
  eat: {description: A host function., input: {type: string, contentType: application/json}}
components:
  schemas:
    Fruit:
      description: What there is.
      enum: [apple, plum]
    Order:
      required: [fruit, number, class]
      properties:
        fruit: {$ref: "#/components/schemas/Fruit"}
        note: {type: string, description: For the cook., default: none, maxLength: 10}
        number: {type: integer, format: int8}
        class: {type: string}
        picture: {type: buffer}
        heat: {type: number, minimum: 0, maximum: 99.5, default: 20}
        when: {type: string, format: date-time, nullable: true}
        options: {type: object}
        tags: {type: array, items: {type: string}, maxItems: 2}
        sizes: {type: object, additionalProperties: {type: integer}}
        quick: {type: boolean, default: false}
    Meal:
      type: object
      required: [name]
      properties:
        name: {type: string}
        picture: {type: buffer}
        courses: {type: array, items: {$ref: "#/components/schemas/Meal"}}
    Tree:
      properties:
        left: {$ref: "#/components/schemas/Tree", nullable: true}
        right: {$ref: "#/components/schemas/Tree", nullable: true}
        size: {type: integer}
`

func parse(t testing.TB, document string) map[string]*schema.Function {
	t.Helper()
	d, err := schema.ParseXTP("schema.yaml", []byte(document))
	if err != nil {
		t.Fatal(err)
	}
	functions := make(map[string]*schema.Function)
	for _, f := range d.Functions {
		functions[f.Name] = f
	}
	return functions
}

// call binds arguments as a capability does, and gives what the tool gets, or the exception.
func call(t testing.TB, f *schema.Function, args []any, kwargs ...values.Keyword) string {
	t.Helper()
	signature, err := capabilities.ParseSignature(f.Signature)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := signature.Bind("tool", f.Name, &capabilities.Call{Args: args, Kwargs: kwargs})
	if err != nil {
		return err.Error()
	}
	data, err := f.Input(t.Context(), bound, limit)
	var raised *capabilities.PythonError
	if err != nil && !errors.As(err, &raised) {
		t.Fatalf("%s: %v is no exception", f.Name, err)
	}
	if err != nil {
		return err.Error()
	}
	return string(data)
}

func dict(pairs ...any) *values.Dict {
	d := new(values.Dict)
	for i := 0; i < len(pairs); i += 2 {
		if err := d.Set(pairs[i], pairs[i+1]); err != nil {
			panic(err)
		}
	}
	return d
}

func named(name string, v any) values.Keyword { return values.Keyword{Name: name, Value: v} }

func TestXTPInPython(t *testing.T) {
	functions := parse(t, kitchen)
	for name, want := range map[string][3]string{ // original, signature, doc
		"void_func":    {"voidFunc", "()", "Neither takes nor gives."},
		"count_vowels": {"CountVowels", "(text: str, /)", "Counts the vowels of a text. [text: str, The text; returns int]"},
		"cook": {"cook", "(fruit: str, number: int, class_: str, note: str = 'none', picture: bytes = ..., heat: float = 20, when: str | None = ..., options: dict = ..., tags: list[str] = ..., sizes: dict[str, int] = ..., quick: bool = False)",
			"[fruit: 'apple' | 'plum', What there is; number: int; class_: str; note: str, For the cook; picture: bytes; heat: float (at least 0, at most 99.5); when: str | None; options: dict; tags: list[str]; sizes: dict[str, int]; quick: bool; returns {name: str, picture?: bytes, courses?: list[{name: str, picture?: bytes, courses?: list}]}]"},
		"pick":  {"pick", "(text: str, /)", "[text: 'apple' | 'plum', What there is; returns list['apple' | 'plum']]"},
		"from_": {"from", "(data: bytes, /)", "[data: bytes; returns bytes]"},
		"weigh": {"weigh", "(value: dict[str, float], /)", "[value: dict[str, float]; returns float | None]"},
		"grow": {"grow", "(left: dict | None = ..., right: dict | None = ..., size: int = ...)",
			"[left: {left?: {left?: {left?: dict | None, right?: dict | None, size?: int} | None, right?: {left?: dict | None, right?: dict | None, size?: int} | None, size?: int} | None, right?: {left?: {left?: dict | None, right?: dict | None, size?: int} | None, right?: {left?: dict | None, right?: dict | None, size?: int} | None, size?: int} | None, size?: int} | None; " +
				"right: {left?: {left?: {left?: dict | None, right?: dict | None, size?: int} | None, right?: {left?: dict | None, right?: dict | None, size?: int} | None, size?: int} | None, right?: {left?: {left?: dict | None, right?: dict | None, size?: int} | None, right?: {left?: dict | None, right?: dict | None, size?: int} | None, size?: int} | None, size?: int} | None; size: int; " +
				"returns {left?: {left?: {left?: dict | None, right?: dict | None, size?: int} | None, right?: {left?: dict | None, right?: dict | None, size?: int} | None, size?: int} | None, right?: {left?: {left?: dict | None, right?: dict | None, size?: int} | None, right?: {left?: dict | None, right?: dict | None, size?: int} | None, size?: int} | None, size?: int}]"},
	} {
		f := functions[name]
		if f == nil {
			t.Errorf("there is no %s", name)
			continue
		}
		if got := [3]string{f.Original, f.Signature, f.Doc}; got != want {
			t.Errorf("%s:\n%q\nwant\n%q", name, got, want)
		}
	}
	if len(functions) != 7 {
		t.Errorf("%d functions", len(functions))
	}
	d, err := schema.ParseXTP("", []byte(kitchen))
	if err != nil || d.Doc != "A kitchen's tools." {
		t.Errorf("%v, %v", d, err)
	}
}

func TestInput(t *testing.T) {
	functions := parse(t, kitchen)
	order := func(extra ...values.Keyword) []values.Keyword { return extra }
	huge, _ := new(big.Int).SetString("1"+strings.Repeat("0", 500), 10)
	for _, c := range []struct {
		function string
		args     []any
		kwargs   []values.Keyword
		want     string
	}{
		{"void_func", nil, nil, ""},
		{"void_func", []any{int64(1)}, nil, "TypeError: tool.void_func() takes no arguments (1 given)"},
		{"count_vowels", []any{"héllo\n"}, nil, "héllo\n"},
		{"count_vowels", []any{int64(1)}, nil, "TypeError: text must be str, not int"},
		{"count_vowels", []any{"\xed\xa0\x80"}, nil, "ValueError: text must be Unicode text, without lone surrogates"},
		{"count_vowels", []any{strings.Repeat("a", limit+1)}, nil, "ValueError: text makes the arguments larger than 1048576 bytes"},
		{"pick", []any{"apple"}, nil, "apple"},
		{"pick", []any{"pear"}, nil, "ValueError: text must be one of 'apple', 'plum', not 'pear'"},
		{"from_", []any{values.Bytes("\x00\xff")}, nil, "\x00\xff"},
		{"from_", []any{values.ByteArray("ab")}, nil, "ab"},
		{"from_", []any{"ab"}, nil, "TypeError: data must be bytes, not str"},
		{"weigh", []any{dict("a", 1.5, "b", int64(2))}, nil, `{"a":1.5,"b":2}`},
		{"weigh", []any{dict("a", values.Decimal("1.10"))}, nil, `{"a":1.10}`},
		{"weigh", []any{dict("a", values.Decimal("1E+3"))}, nil, `{"a":1E+3}`},
		{"weigh", []any{dict("a", values.Decimal("NaN"))}, nil, "ValueError: value['a'] must be finite, not 'NaN'"},
		{"weigh", []any{dict("a", values.Decimal("Infinity"))}, nil, "ValueError: value['a'] must be finite, not 'Infinity'"},
		{"weigh", []any{dict("a", math.NaN())}, nil, "ValueError: value['a'] must be finite, not nan"},
		{"weigh", []any{dict("a", true)}, nil, "TypeError: value['a'] must be float, not bool"},
		{"weigh", []any{dict(int64(1), 1.5)}, nil, "TypeError: value must have keys that are str, not int"},
		{"weigh", []any{dict("a", 1i)}, nil, "TypeError: value['a'] must be float, not complex"},
		{"weigh", []any{dict("a", huge)}, nil, "ValueError: value['a'] must have at most 400 digits"},
		{"weigh", []any{dict("$bytes", int64(1)<<60)}, nil, `{"$bytes":1152921504606846976}`},
		{"weigh", nil, nil, "TypeError: tool.weigh() takes exactly one argument (0 given)"},
		{"cook", []any{"plum", int64(3), "first"}, nil, `{"fruit":"plum","number":3,"class":"first"}`},
		{"cook", []any{"plum", int64(3), "first", "hot"}, order(named("heat", int64(99))), `{"fruit":"plum","number":3,"class":"first","note":"hot","heat":99}`},
		{"cook", []any{"plum", int64(3), "first"}, order(
			named("picture", values.Bytes{1, 2}), named("when", values.DateTime{ISO: "2025-01-31T12:00:00+01:00"}),
			named("options", dict("a", values.Tuple{int64(1), nil, false, "x", dict("b", values.List{})})),
			named("tags", values.Tuple{"a"}), named("sizes", dict()), named("quick", true)),
			`{"fruit":"plum","number":3,"class":"first","picture":"AQI=","when":"2025-01-31T12:00:00+01:00","options":{"a":[1,null,false,"x",{"b":[]}]},"tags":["a"],"sizes":{},"quick":true}`},
		{"cook", []any{"plum", int64(3), "first"}, order(named("when", nil)), `{"fruit":"plum","number":3,"class":"first","when":null}`},
		{"cook", []any{"plum", int64(3), "first"}, order(named("when", values.Date("2025-01-31"))), `{"fruit":"plum","number":3,"class":"first","when":"2025-01-31"}`},
		{"cook", []any{"plum"}, nil, "TypeError: cook() missing 2 required positional arguments: 'number' and 'class_'"},
		{"cook", []any{"plum", int64(3), "first"}, order(named("klass", 1)), "TypeError: cook() got an unexpected keyword argument 'klass'"},
		{"cook", []any{"pear", int64(3), "x"}, nil, "ValueError: fruit must be one of 'apple', 'plum', not 'pear'"},
		{"cook", []any{"plum", int64(128), "x"}, nil, "ValueError: number must be at most 127, not 128"},
		{"cook", []any{"plum", int64(-129), "x"}, nil, "ValueError: number must be at least -128, not -129"},
		{"cook", []any{"plum", huge, "x"}, nil, "ValueError: number must be at most 127, not a number of more than 497 digits"},
		{"cook", []any{"plum", 3.0, "x"}, nil, "TypeError: number must be int, not float"},
		{"cook", []any{"plum", true, "x"}, nil, "TypeError: number must be int, not bool"},
		{"cook", []any{"plum", int64(1), nil}, nil, "TypeError: class_ must be str, not NoneType"},
		{"cook", []any{"plum", int64(1), values.Bytes("x")}, nil, "TypeError: class_ must be str, not bytes"},
		{"cook", []any{"plum", int64(1), "x", "12345678901"}, nil, "ValueError: note must have at most 10 characters, not 11"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("heat", 99.6)), "ValueError: heat must be at most 99.5, not 99.6"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("heat", values.Decimal("-1"))), "ValueError: heat must be at least 0, not -1.0"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("picture", "AQI=")), "TypeError: picture must be bytes, not str"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("tags", values.List{"a", int64(1)})), "TypeError: tags[1] must be str, not int"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("tags", values.List{"a", "b", "c"})), "ValueError: tags must have at most 2 items, not 3"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("tags", values.Set{"a"})), "TypeError: tags must be list, not set"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("options", dict("a", values.Bytes("x")))), "TypeError: options['a'] must be a value that JSON has, not bytes"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("options", dict("a", values.DateTime{ISO: "2025-01-31T12:00:00"}))), "TypeError: options['a'] must be a value that JSON has, not datetime"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("options", dict("a", values.Repr{Type: "C", Text: "<C>"}))), "TypeError: options['a'] must be a value that JSON has, not C"},
		{"cook", []any{"plum", int64(1), "x"}, order(named("options", dict("\xed\xa0\x80", "x"))), `ValueError: options['\ud800'] must be Unicode text, without lone surrogates`},
		{"grow", nil, nil, `{}`},
		{"grow", nil, order(named("left", dict("right", dict("size", int64(1), "left", nil)))), `{"left":{"right":{"size":1,"left":null}}}`},
		{"grow", nil, order(named("left", dict("right", dict("size", "x")))), `TypeError: left['right']['size'] must be int, not str`},
		{"grow", nil, order(named("left", dict("top", int64(1)))), `ValueError: left must not have 'top'; it has 'left', 'right', 'size'`},
	} {
		if got := call(t, functions[c.function], c.args, c.kwargs...); got != c.want {
			t.Errorf("%s%s %v:\n%s\nwant\n%s", c.function, values.Format(values.Tuple(c.args)), c.kwargs, got, c.want)
		}
	}
}

func TestOutput(t *testing.T) {
	functions := parse(t, kitchen)
	for _, c := range []struct {
		function, answer string
		want             any
		wrong            string
	}{
		{"void_func", "", nil, ""},
		{"void_func", "x", nil, "answered 1 bytes where its schema says nothing"},
		{"count_vowels", "7", int64(7), ""},
		{"count_vowels", " 7.0\n", int64(7), ""},
		{"count_vowels", "7.5", nil, "answered a number where its schema says an integer"},
		{"count_vowels", "256", nil, "answered 256 where its schema says at most 255"},
		{"count_vowels", `"7"`, nil, "answered a string where its schema says an integer"},
		{"count_vowels", "", nil, "answered nothing where its schema says JSON"},
		{"count_vowels", "7 7", nil, "answered what is not JSON: unexpected text after the value at byte 2"},
		{"count_vowels", "{\"a\":1,\"a\":2}", nil, "answered what is not JSON: duplicate key at byte 7"},
		{"from_", "\x00\xff", values.Bytes{0, 255}, ""},
		{"pick", `["plum","plum"]`, values.List{"plum", "plum"}, ""},
		{"pick", `["plum","pear"]`, nil, "answered 'pear' at [1] where its schema says one of 'apple', 'plum'"},
		{"pick", `{"0":"plum"}`, nil, "answered an object where its schema says an array"},
		{"weigh", "null", nil, ""},
		{"weigh", "1e2", 100.0, ""},
		{"weigh", "NaN", nil, "answered what is not JSON: expected a value at byte 0"},
		{"weigh", "true", nil, "answered a boolean where its schema says a number or null"},
		{"cook", `{"name":"soup","picture":"AQI="}`, dict("name", "soup", "picture", values.Bytes{1, 2}), ""},
		{"cook", `{"name":"soup","picture":"?"}`, nil, "answered a string that is not base64 at ['picture'] where its schema says bytes"},
		{"cook", `{"name":"x","courses":[{"name":"y"},{"name":1}]}`, nil, "answered a number at ['courses'][1]['name'] where its schema says a string"},
		{"cook", `{"name":"x","courses":[{}]}`, nil, "answered without 'name', which its schema requires at ['courses'][0]"},
		{"cook", `{"name":"x","cost":1}`, nil, "answered an unknown member 'cost'"},
		{"cook", `{"$bytes":"AA=="}`, nil, "answered without 'name', which its schema requires"},
		{"grow", `{"left":null,"right":{}}`, dict("left", nil, "right", dict()), ""},
		{"grow", strings.Repeat(`{"left":`, 250) + "null" + strings.Repeat("}", 250), nil, "answered what is not JSON: value is nested deeper than 200 at byte 1600"},
	} {
		got, err := functions[c.function].Output(t.Context(), []byte(c.answer))
		switch {
		case c.wrong != "" && (err == nil || err.Error() != c.wrong):
			t.Errorf("%s answers %s: %v\nwant %s", c.function, c.answer, err, c.wrong)
		case c.wrong == "" && (err != nil || !values.Equal(got, c.want)):
			t.Errorf("%s answers %s: %s, %v", c.function, c.answer, values.Format(got), err)
		}
	}
	// Text, and what has no tags.
	f := parse(t, "version: v1-draft\nexports:\n  a: {output: {contentType: text/plain}}\n  b: {output: {type: object, contentType: application/json}}\n")
	if v, err := f["a"].Output(t.Context(), []byte("é")); v != "é" || err != nil {
		t.Error(v, err)
	}
	if v, err := f["a"].Output(t.Context(), []byte("\xff")); err == nil {
		t.Error(v)
	}
	if v, err := f["b"].Output(t.Context(), []byte(`{"$bytes":"AA==","x":{"$tuple":[]}}`)); err != nil || !values.Equal(v, dict("$bytes", "AA==", "x", dict("$tuple", values.List{}))) {
		t.Error(values.Format(v), err)
	}
}

// The answer may be overwritten by whoever gave it.
func TestOutputKeepsNothing(t *testing.T) {
	functions := parse(t, kitchen)
	data := []byte("abc")
	v, err := functions["from_"].Output(t.Context(), data)
	data[0] = 'x'
	if err != nil || string(v.(values.Bytes)) != "abc" {
		t.Error(v, err)
	}
}

func TestXTPMistakes(t *testing.T) {
	for name, c := range map[string]struct{ document, want string }{
		"empty":           {"", "s.yaml:1:1: the schema is empty"},
		"no YAML":         {"a: [", "s.yaml:1:1: not YAML: did not find expected node content"},
		"no table":        {"- a\n", "s.yaml:1:1: the schema must be a table, not a list (begin with version: v1-draft)"},
		"no version":      {"exports: {a: }\n", "s.yaml:1:1: version is missing (write version: v1-draft)"},
		"another version": {"version: v0\nexports: {a: }", `s.yaml:1:10: version must be v1-draft, not "v0"`},
		"no exports":      {"version: v1-draft\n", "s.yaml:1:1: exports is missing (name the functions that the module exports)"},
		"unknown keys": {"version: v1-draft\nexport:\n  a: {}\nexports:\n  a: {in: 1}\n", `s.yaml:2:1: the document has no "export" (it has version, description, exports, imports, components)
s.yaml:5:7: an export has no "in" (it has description, input, output, codeSamples)`},
		"one Python name": {"version: v1-draft\nexports: {getUser: , get_user: }", `s.yaml:2:22: "getUser" and "get_user" are both get_user in Python (rename one of them)`},
		"no content type": {"version: v1-draft\nexports: {a: {input: {type: string}}}", `s.yaml:2:22: input needs a contentType (there are application/json, text/plain; charset=utf-8, application/x-binary)`},
		"content type":    {"version: v1-draft\nexports: {a: {input: {type: string, contentType: image/png}}}", `s.yaml:2:50: there is no contentType "image/png" (there are application/json, text/plain; charset=utf-8, application/x-binary)`},
		"charset":         {"version: v1-draft\nexports: {a: {input: {type: string, contentType: text/plain; charset=latin1}}}", `s.yaml:2:50: there is no contentType "text/plain; charset=latin1" (there are application/json, text/plain; charset=utf-8, application/x-binary)`},
		"text of numbers": {"version: v1-draft\nexports: {a: {input: {type: integer, contentType: text/plain}}}", `s.yaml:2:22: input is "text/plain", and so its type must be string or buffer`},
		"type":            {"version: v1-draft\nexports: {a: {input: {type: text, contentType: application/json}}}", `s.yaml:2:29: there is no type "text" (there are string, integer, number, boolean, array, object, buffer)`},
		"reference":       {"version: v1-draft\nexports: {a: {input: {$ref: '#/components/schemas/B', contentType: application/json}}}\ncomponents: {schemas: {A: {type: string}}}", `s.yaml:2:29: there is no schema "#/components/schemas/B" (there are A; a reference is written #/components/schemas/NAME)`},
		"circle":          {"version: v1-draft\nexports: {a: }\ncomponents: {schemas: {A: {$ref: '#/components/schemas/B'}, B: {$ref: '#/components/schemas/A'}}}", `s.yaml:3:34: "#/components/schemas/B" leads through references alone back to itself`},
		"required":        {"version: v1-draft\nexports: {a: }\ncomponents: {schemas: {A: {properties: {a: {type: string}}, required: [b, a, a]}}}", "s.yaml:3:72: \"b\" is required and is not among properties\ns.yaml:3:78: required must have names, each once"},
		"format":          {"version: v1-draft\nexports: {a: }\ncomponents: {schemas: {A: {type: string, format: int8}}}", `s.yaml:3:50: there is no format "int8" of this type (there are date-time, byte)`},
		"items":           {"version: v1-draft\nexports: {a: }\ncomponents: {schemas: {A: {type: array}}}", `s.yaml:3:27: a list needs items, which says what is in it (write for example items: {type: string})`},
		"twice":           {"version: v1-draft\nversion: v1-draft\n", `s.yaml:2:1: "version" is there twice`},
		"alias":           {"version: v1-draft\na: &x {}\nb: *x\n", "s.yaml:3:4: aliases (*name) are not for schemas: write a $ref"},
		"tag":             {"version: !!binary aGk=\n", "s.yaml:1:10: the tag !!binary is not for schemas"},
		"two documents":   {"version: v1-draft\n---\na: 1\n", "s.yaml:2:1: there is a second document"},
		"export name":     {"version: v1-draft\nexports: {a-b: }", `s.yaml:2:11: "a-b" is not a name of an export (it is written in letters, digits, _ and $)`},
		"JSON":            {`{"version": "v1-draft", "exports": {"é": {}, "a": {"input": 1}}}`, "s.yaml:1:37: \"é\" is not a name of an export (it is written in letters, digits, _ and $)\ns.yaml:1:61: input must be a table, not a number (write for example {type: string, contentType: application/json})"},
		"broken JSON":     {"{\n \"version\": [}", "s.yaml:2:14: not JSON: invalid character '}' looking for beginning of value"},
		"too long":        {strings.Repeat("#", schema.MaxText+1), "s.yaml:1:1: the schema is longer than 256 KiB"},
		"not UTF-8":       {"a: \xff", "s.yaml:1:1: the schema is not UTF-8"},
		"too deep":        {"a: " + strings.Repeat("[", 70) + strings.Repeat("]", 70), "s.yaml:1:67: the schema is nested deeper than 64"},
		"too many":        {"a: [" + strings.Repeat("1,", 21000) + "]", "s.yaml:1:39999: the schema has more than 20000 values"},
	} {
		_, err := schema.ParseXTP("s.yaml", []byte(c.document))
		var mistakes policies.Errors
		if !errors.As(err, &mistakes) || err.Error() != c.want {
			t.Errorf("%s: %v\nwant %s", name, err, c.want)
		}
	}
}

func TestXTPExcerpt(t *testing.T) {
	_, err := schema.ParseXTP("s.yaml", []byte("version: v1-draft\nexports:\n  é: \n"))
	var mistakes policies.Errors
	if !errors.As(err, &mistakes) || mistakes[0].Excerpt() != "      é: \n      ^" {
		t.Errorf("%v", err)
	}
}

func TestTooManyParameters(t *testing.T) {
	document := "version: v1-draft\nexports:\n  a:\n    input:\n      contentType: application/json\n      type: object\n      properties:\n"
	for i := range 101 {
		document += "        p" + strings.Repeat("x", i) + ": {type: string}\n"
	}
	_, err := schema.ParseXTP("s.yaml", []byte(document))
	if err == nil || err.Error() != "s.yaml:3:3: there are more than 100 parameters" {
		t.Error(err)
	}
}
