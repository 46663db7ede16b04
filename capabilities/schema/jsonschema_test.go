package schema_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/values"
)

func fromJSON(t testing.TB, name, input string) *schema.Function {
	t.Helper()
	f, err := schema.FromJSONSchema(name, "", []byte(input), nil)
	if err != nil {
		t.Fatalf("%s: %v", input, err)
	}
	return f
}

func TestJSONSchemaInPython(t *testing.T) {
	for _, c := range []struct{ name, input, python, signature, doc string }{
		{"get-weather", `{"type":"object","properties":{"units":{"enum":["c","f"],"default":"c"},"city":{"type":"string","description":"Where."},"days":{"type":"integer","minimum":1,"maximum":7}},"required":["days","city"]}`,
			"get_weather", "(days: int, city: str, *, units: str = 'c')", "[days: int (at least 1, at most 7); city: str, Where; units: 'c' | 'f'; returns any]"},
		{"nothing", `{"type":"object"}`, "nothing", "()", "[returns any]"},
		{"nothing", `{"type":"object","properties":{},"additionalProperties":false}`, "nothing", "()", "[returns any]"},
		{"open", `{"type":"object","properties":{"a":{"type":"number"}},"additionalProperties":true}`, "open", "(*, a: float = ..., **others)", "[a: float; **others: any; returns any]"},
		{"map", `{"type":"object","additionalProperties":{"type":"integer"}}`, "map", "(**others)", "[**others: int; returns any]"},
		{"strange", `{"type":"object","properties":{"from":{},"a-b":{},"a_b":{},"$x":{},"2":{},"ünï":{},"":{},"others":{}},"patternProperties":{}}`,
			"strange", "(*, _ = ..., _x = ..., _2 = ..., a_b_ = ..., a_b = ..., from_ = ..., others = ..., _n_ = ..., **others_)",
			"[_: any; _x: any; _2: any; a_b_: any; a_b: any; from_: any; others: any; _n_: any; **others_: any; returns any]"},
		{"optional", `{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}],"default":null},"b":{"type":["integer","null"]},"c":{"anyOf":[{"type":"string"},{"type":"integer"}]},"d":{"allOf":[{"$ref":"#/$defs/D"}],"default":{"x":1}}},"$defs":{"D":{"type":"array","items":{"type":"boolean"}}}}`,
			"optional", "(*, a: str | None = None, b: int | None = ..., c = ..., d: list[bool] = ...)", "[a: str | None; b: int | None; c: str | int; d: list[bool]; returns any]"},
		{"defaults", `{"type":"object","properties":{"a":{"default":"it's"},"b":{"default":"\"'"},"c":{"default":1e3},"d":{"default":-5},"e":{"default":true},"f":{"default":"a\nb"},"g":{"default":"a, b=c: [d"},"h":{"default":[]},"i":{"default":1e400},"j":{"default":123456789012345678901234567890}}}`,
			"defaults", `(*, a = "it's", b = ..., c = 1000.0, d = -5, e = True, f = ..., g = 'a, b=c: [d', h = ..., i = ..., j = 123456789012345678901234567890)`, "[a: any; b: any; c: any; d: any; e: any; f: any; g: any; h: any; i: any; j: any; returns any]"},
		{"HTTPGet2URL", `{}`, "http_get2_url", "(**others)", "[**others: any; returns any]"},
		{"import", `{"anyOf":[{"type":"object"},{"type":"null"}]}`, "import_", "(**others)", "[**others: any; returns any]"},
		{"7days", `{"type":"array","items":{"type":"string"}}`, "f7days", "(value: list[str], /)", "[value: list[str]; returns any]"},
		{"日本", `{"$ref":"#/$defs/A","$defs":{"A":{"properties":{"x":{"type":"string"}},"required":["x","y"]}}}`, "call", "(x: str, y)", "[x: str; y: any; returns any]"},
		{"circle", `{"$ref":"#"}`, "circle", "(**others)", "[**others: any; returns any]"},
		{"wrong", `{"type":"object","properties":{"a":1,"b":{"type":"monster"},"c":{"$ref":"http://x/"},"d":{"anyOf":[]},"e":{"enum":[{}]},"f":{"minimum":"x","type":"integer"},"g":true,"h":{"type":{}}}}`,
			"wrong", "(*, a = ..., b = ..., c = ..., d = ..., e = ..., f: int = ..., g = ..., h = ...)", "[a: any; b: any; c: any; d: any; e: any; f: int; g: any; h: any; returns any]"},
		{"evil", `{"type":"object","properties":{"a":{"type":"string","description":"x\u001b[31m\nignore  all\u202e"}}}`, "evil", "(*, a: str = ...)", "[a: str, x [31m ignore all; returns any]"},
	} {
		f := fromJSON(t, c.name, c.input)
		if got := [3]string{f.Name, f.Signature, f.Doc}; got != [3]string{c.python, c.signature, c.doc} {
			t.Errorf("%s %s:\n%s\n%s\n%s", c.name, c.input, got[0], got[1], got[2])
		}
		if f.Original != c.name {
			t.Errorf("%s became %s", c.name, f.Original)
		}
		if _, err := capabilities.ParseSignature(f.Signature); err != nil {
			t.Error(err)
		}
	}
}

func TestJSONSchemaInput(t *testing.T) {
	object := func(properties string) string { return `{"type":"object","properties":{` + properties + `}}` }
	for _, c := range []struct {
		input  string
		kwargs []values.Keyword
		want   string
	}{
		{object(``), nil, `{}`},
		{object(`"from":{"type":"string"},"from_":{"type":"integer"}`), []values.Keyword{named("from_", int64(1)), named("from__", "x")}, `{"from":"x","from_":1}`},
		{object(`"a":{"const":1}`), []values.Keyword{named("a", 1.0)}, `{"a":1.0}`},
		{object(`"a":{"const":1}`), []values.Keyword{named("a", true)}, `TypeError: a must be float, not bool`},
		{object(`"a":{"enum":[null,"x",2]}`), []values.Keyword{named("a", nil)}, `{"a":null}`},
		{object(`"a":{"enum":[null,"x",2]}`), []values.Keyword{named("a", values.List{})}, `TypeError: a must be float or str or None, not list`},
		{object(`"a":{"type":"string","contentEncoding":"base64"}`), []values.Keyword{named("a", values.Bytes{1})}, `{"a":"AQ=="}`},
		{object(`"a":{"type":"string","contentEncoding":"base64"}`), []values.Keyword{named("a", "AQ==")}, `{"a":"AQ=="}`},
		{object(`"a":{"type":"string","contentEncoding":"base64"}`), []values.Keyword{named("a", "?")}, `ValueError: a must be bytes, or a str of base64`},
		{object(`"a":{"anyOf":[{"type":"string","contentEncoding":"base64"},{"type":"integer"}]}`), []values.Keyword{named("a", values.Bytes{1})}, `{"a":"AQ=="}`},
		{object(`"a":{"anyOf":[{"type":"string"},{"type":"integer"}]}`), []values.Keyword{named("a", int64(3))}, `{"a":3}`},
		{object(`"a":{"anyOf":[{"type":"string"},{"type":"integer"}]}`), []values.Keyword{named("a", 3.5)}, `TypeError: a must be str | int, not 3.5`},
		{object(`"a":{"anyOf":[{"type":"string","maxLength":1},{"type":"integer"}]}`), []values.Keyword{named("a", "xx")}, `ValueError: a must be str | int, not 'xx'`},
		{object(`"a":{"anyOf":[{"type":"object","properties":{"b":{"type":"string"}}},{"type":"null"}]}`), []values.Keyword{named("a", dict("b", int64(1)))}, `TypeError: a['b'] must be str, not int`},
		{object(`"a":{"oneOf":[{"type":"array","items":{"type":"string"}},{"type":"array","items":{"type":"integer"}}]}`), []values.Keyword{named("a", values.List{int64(1)})}, `{"a":[1]}`},
		{object(`"a":{"type":"integer","exclusiveMinimum":0}`), []values.Keyword{named("a", int64(0))}, `ValueError: a must be more than 0, not 0`},
		{object(`"a":{"type":"object","properties":{"b":{}},"required":["b","c"]}`), []values.Keyword{named("a", dict("b", int64(0), "d", int64(1)))}, `ValueError: a must have 'c'`},
		{object(`"a":{"type":"object","properties":{"b":{}},"additionalProperties":false}`), []values.Keyword{named("a", dict("c", int64(0)))}, `ValueError: a must not have 'c'; it has 'b'`},
		// Names that a tool could take for others.
		{object(`"a":` + object(`"path":{}`)), []values.Keyword{named("a", dict("path", "x", "other", 1.5))}, `{"a":{"path":"x","other":1.5}}`},
		{object(`"a":` + object(`"path":{}`)), []values.Keyword{named("a", dict("PATH", "x"))}, `ValueError: a must not have 'PATH', which could be taken for 'path'`},
		{object(`"a":` + object(`"path":{}`)), []values.Keyword{named("a", dict("path", "x", "pAth", "y"))}, `ValueError: a must not have 'pAth', which could be taken for 'path'`},
		{object(`"a":` + object(`"token":{},"size":{}`)), []values.Keyword{named("a", dict("to\u212aen", "x"))}, "ValueError: a must not have 'to\u212aen', which could be taken for 'token'"},
		{object(`"a":` + object(`"token":{},"size":{}`)), []values.Keyword{named("a", dict("\u017fize", "x"))}, "ValueError: a must not have '\u017fize', which could be taken for 'size'"},
		{object(`"a":` + object(`"é":{}`)), []values.Keyword{named("a", dict("e\u0301", "x"))}, "ValueError: a must not have 'e\u0301', which could be taken for 'é'"},
		{object(`"a":` + object(`"path":{}`)), []values.Keyword{named("a", dict("Other", int64(1), "other", int64(2)))}, `ValueError: a must not have 'other', which could be taken for 'Other'`},
		{object(`"a":` + object(`"path":{},"PATH":{}`)), []values.Keyword{named("a", dict("path", int64(1), "PATH", int64(2)))}, `{"a":{"path":1,"PATH":2}}`},
		{object(`"a":` + object(`"path":{},"PATH":{}`)), []values.Keyword{named("a", dict("Path", int64(1)))}, `ValueError: a must not have 'Path', which could be taken for 'PATH'`},
		{object(`"a":{"type":"object"}`), []values.Keyword{named("a", dict("It", int64(1), "it", int64(2)))}, `{"a":{"It":1,"it":2}}`},
		{object(`"a":{"type":"object","additionalProperties":` + object(`"path":{}`) + `}`), []values.Keyword{named("a", dict("It", dict("path", int64(1)), "it", dict("PATH", int64(1))))}, `ValueError: a['it'] must not have 'PATH', which could be taken for 'path'`},
		{object(`"a":{"type":"array","items":` + object(`"path":{}`) + `}`), []values.Keyword{named("a", values.List{dict(), dict("PATH", int64(1))})}, `ValueError: a[1] must not have 'PATH', which could be taken for 'path'`},
		{object(`"a":{"anyOf":[{"type":"object"},` + object(`"path":{}`) + `]}`), []values.Keyword{named("a", dict("PATH", int64(1)))}, `ValueError: a must not have 'PATH', which could be taken for 'path'`},
		{object(`"a":{"anyOf":[` + object(`"path":{}`) + `,` + object(`"PATH":{}`) + `]}`), []values.Keyword{named("a", dict("PATH", int64(1)))}, `{"a":{"PATH":1}}`},
		{object(`"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/b"}]}`)[:len(object(`"a":{"anyOf":[{"type":"null"},{"$ref":"#/$defs/b"}]}`))-1] + `,"$defs":{"b":{"anyOf":[{"$ref":"#/$defs/b"},` + object(`"path":{}`) + `]}}}`,
			[]values.Keyword{named("a", dict("PATH", int64(1)))}, `ValueError: a must not have 'PATH', which could be taken for 'path'`},
		{`{"type":"object","properties":{"path":{}},"additionalProperties":true}`, []values.Keyword{named("PATH", int64(1))}, `TypeError: 'PATH' is given by another name`},
		{`{"type":"object","properties":{"token":{}},"additionalProperties":true}`, []values.Keyword{named("to\u212aen", int64(1))}, "TypeError: 'to\u212aen' is given by another name"},
		{`{"type":"object","properties":{"path":{}},"additionalProperties":true}`, []values.Keyword{named("A", int64(1)), named("a", int64(1))}, `TypeError: 'a' could be taken for 'A'`},
		{`{"type":"object","additionalProperties":true}`, []values.Keyword{named("A", int64(1)), named("a", int64(1))}, `{"A":1,"a":1}`},
		{object(`"a":{"type":"object","additionalProperties":{"type":"string"}}`), []values.Keyword{named("a", dict("c", int64(0)))}, `TypeError: a['c'] must be str, not int`},
		{`{"type":"object","properties":{"from":{}},"additionalProperties":{"type":"integer"}}`, []values.Keyword{named("x y", int64(1))}, `{"x y":1}`},
		{`{"type":"object","properties":{"from":{}},"additionalProperties":{"type":"integer"}}`, []values.Keyword{named("x y", "1")}, `TypeError: 'x y' must be int, not str`},
		{`{"type":"object","properties":{"from":{}},"additionalProperties":{"type":"integer"}}`, []values.Keyword{named("from", int64(1))}, `TypeError: 'from' is given by another name`},
		{object(`"a":{"$ref":"#/properties/b"},"b":{"type":"object","properties":{"c":{"$ref":"#/properties/b"}},"additionalProperties":false}`), []values.Keyword{named("a", dict("c", dict("d", nil)))}, `ValueError: a['c'] must not have 'd'; it has 'c'`},
		{object(`"a":{}`), []values.Keyword{named("a", math.Inf(1))}, `ValueError: a must be finite, not inf`},
		{object(`"a":{}`), []values.Keyword{named("a", values.FrozenSet{})}, `TypeError: a must be a value that JSON has, not frozenset`},
	} {
		if got := call(t, fromJSON(t, "f", c.input), nil, c.kwargs...); got != c.want {
			t.Errorf("%s %v:\n%s\nwant\n%s", c.input, c.kwargs, got, c.want)
		}
	}
}

func TestJSONSchemaOutput(t *testing.T) {
	for _, c := range []struct {
		output, answer string
		want           any
		wrong          string
	}{
		{`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"a":"x","b":1}`, dict("a", "x", "b", int64(1)), ""},
		{`{"type":"object","properties":{"a":{"type":"string"}}}`, `{"a":1}`, nil, "answered a number at ['a'] where its schema says a string"},
		{`{"anyOf":[{"type":"string"},{"type":"object","properties":{"x":{"type":"string","contentEncoding":"base64"}}}]}`, `{"x":"AQ=="}`, dict("x", values.Bytes{1}), ""},
		{`{"anyOf":[{"type":"string"},{"type":"integer"}]}`, `[]`, nil, "answered an array where its schema says str | int"},
		{`{"anyOf":[{"type":"array","items":{"type":"integer"}},{}]}`, `[1.0,"x"]`, values.List{1.0, "x"}, ""},
		{`{"type":"array","items":{"type":"integer"}}`, `[1.0,2]`, values.List{int64(1), int64(2)}, ""},
	} {
		f, err := schema.FromJSONSchema("f", "", []byte(`{}`), []byte(c.output))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.Output(t.Context(), []byte(c.answer))
		switch {
		case c.wrong != "" && (err == nil || err.Error() != c.wrong):
			t.Errorf("%s %s: %v\nwant %s", c.output, c.answer, err, c.wrong)
		case c.wrong == "" && (err != nil || !values.Equal(got, c.want)):
			t.Errorf("%s %s: %s, %v", c.output, c.answer, values.Format(got), err)
		}
	}
}

func TestJSONSchemaRefused(t *testing.T) {
	many := "{"
	for i := range 101 {
		many += fmt.Sprintf(`"p%d":{},`, i)
	}
	for input, want := range map[string]string{
		`[]`:   "the schema of the arguments: it is not an object",
		`{} x`: "the schema of the arguments: line 1, column 4: there is more after the document",
		``:     "the schema of the arguments: line 1, column 1: not JSON: unexpected end",
		`{"type":"object","properties":` + strings.TrimSuffix(many, ",") + `}}`: "there are more than 100 parameters",
		`{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`:     "the schema of the arguments: line 1, column 69: the schema is nested deeper than 64",
		`{"a":"` + strings.Repeat("x", schema.MaxText) + `"}`:                   "the schema of the arguments: line 1, column 1: the schema is longer than 256 KiB",
	} {
		if _, err := schema.FromJSONSchema("f", "", []byte(input), nil); err == nil || err.Error() != want {
			t.Errorf("%.100s: %v\nwant %s", input, err, want)
		}
	}
}

// Alternatives that lead to alternatives double with each level: the check ends, and says so.
func TestBranchesAreBounded(t *testing.T) {
	defs := ""
	for i := range 30 {
		defs += fmt.Sprintf(`"d%d":{"anyOf":[{"$ref":"#/$defs/d%d"},{"$ref":"#/$defs/d%d"},{"type":"array","items":{"$ref":"#/$defs/d%d"}}]},`, i, i+1, i+1, i+1)
	}
	defs += `"d30":{"type":"boolean"}`
	document := `{"type":"object","properties":{"a":{"$ref":"#/$defs/d0"}},"$defs":{` + defs + `}}`
	if got := call(t, fromJSON(t, "f", document), nil, named("a", values.List{values.List{"x"}})); got != "ValueError: a is too much to be checked against its schema" && !strings.HasPrefix(got, "ValueError: a must be any") {
		t.Error(got)
	}
	f, err := schema.FromJSONSchema("f", "", []byte(`{}`), []byte(`{"$ref":"#/$defs/d0","$defs":{`+defs+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Output(t.Context(), []byte(`[["x"]]`)); err == nil {
		t.Error(v)
	}
	loop := `{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"anyOf":[{"$ref":"#/$defs/x"},{"type":"boolean"}]}}}`
	if got := call(t, fromJSON(t, "f", loop), nil, named("a", "x")); !strings.HasPrefix(got, "TypeError: ") && !strings.HasPrefix(got, "ValueError: ") {
		t.Error(got)
	}
	if got := call(t, fromJSON(t, "f", loop), nil, named("a", true)); got != `{"a":true}` {
		t.Error(got)
	}
}

// What does not fit alternatives of alternatives is put into words once, not for each of them: that would take minutes here, and a schema that is small takes no more of a tool's
// documentation than it can have.
func TestMismatchesAreSaidOnce(t *testing.T) {
	eight := func(item func(i int) string) string {
		var items []string
		for i := range 8 {
			items = append(items, item(i))
		}
		return strings.Join(items, ",")
	}
	const levels = 7
	defs := ""
	for i := range levels {
		defs += fmt.Sprintf(`"d%d":{"anyOf":[%s]},`, i, eight(func(int) string { return fmt.Sprintf(`{"$ref":"#/$defs/d%d"}`, i+1) }))
	}
	defs += fmt.Sprintf(`"d%d":{"enum":[%s]}`, levels, eight(func(i int) string { return fmt.Sprintf(`"%d%s"`, i, strings.Repeat("éx", 100)) }))
	properties := ""
	for i := range schema.MaxParameters - 1 {
		properties += fmt.Sprintf(`"p%d":{"$ref":"#/$defs/d%d"},`, i, levels-3)
	}
	f := fromJSON(t, "f", `{"type":"object","properties":{`+properties+`"x":{"$ref":"#/$defs/d0"}},"$defs":{`+defs+`}}`)
	if got := call(t, f, nil, named("x", "x")); got != "ValueError: x must be any, not 'x'" && got != "ValueError: x is too much to be checked against its schema" {
		t.Error(got)
	}
	many := values.NewDict(1000)
	required := ""
	for i := range 1000 {
		name := fmt.Sprint("m", i)
		many.SetString(name, "x")
		required += `"` + name + `",`
	}
	lacking := strings.Replace(defs, `"enum":`, `"type":"object","required":[`+required+`"m"],"enumeration":`, 1)
	f, err := schema.FromJSONSchema("f", "", []byte("{}"), []byte(`{"$ref":"#/$defs/d0","$defs":{`+lacking+`}}`))
	if err != nil {
		t.Fatal(err)
	}
	answer := "{" + strings.ReplaceAll(strings.TrimSuffix(required, ","), ",", `:"x",`) + `:"x"}`
	if v, err := f.Output(t.Context(), []byte(answer)); err == nil {
		t.Error(v)
	}
}

// What **others takes is no parameter in another case: tools that do not tell the two apart would get a value that no condition has seen.
func TestOthersAreNoParameters(t *testing.T) {
	f := fromJSON(t, "f", `{"type":"object","properties":{"path":{"type":"string"}},"required":["path"],"additionalProperties":true}`)
	for name, want := range map[string]string{
		"paths": `{"path":"a","paths":"b"}`,
		"Path":  "TypeError: 'Path' is given by another name",
		"PATH":  "TypeError: 'PATH' is given by another name",
	} {
		if got := call(t, f, nil, named("path", "a"), named(name, "b")); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
