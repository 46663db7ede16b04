package schema_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/schema"
	"github.com/postern-sandbox/postern/values"
)

// times repeats a text, with commas between.
func times(n int, text string) string { return strings.TrimSuffix(strings.Repeat(text+",", n), ",") }

// numbered is a list of texts with numbers in them.
func numbered(n int, format string) string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf(format, i)
	}
	return strings.Join(list, ",")
}

// alternatives is a schema of which a value is compared with "a" in definitions many times over.
func alternatives(a string) string {
	return `{"$ref":"#/$defs/c","$defs":{"c":{"anyOf":[` + times(50, `{"$ref":"#/$defs/b"}`) + `]},"b":{"anyOf":[` + times(50, `{"$ref":"#/$defs/a"}`) + `]},"a":` + a + `}}`
}

// What a schema makes expensive is given up, and said so: an answer has a bounded number of comparisons, and what is made of it a bounded size.
func TestAnswersThatAreTooMuch(t *testing.T) {
	const tooMuch = "answered more than can be checked against its schema"
	members := numbered(9000, `"k%d":1`)
	for name, test := range map[string]struct{ schema, answer, want string }{
		"the last item of many":      {alternatives(`{"type":"array","items":{"type":"integer"}}`), "[" + times(100_000, "1") + `,"x"]`, tooMuch},
		"the second item of many":    {alternatives(`{"type":"array","items":{"type":"integer"}}`), `[1,"x",` + times(500_000, "1") + `]`, "answered an array where its schema says any"},
		"the same, of other items":   {alternatives(`{"type":"array","items":{"type":"integer"}}`), `[1.0,"x",` + times(500_000, "1") + `]`, "answered an array where its schema says any"},
		"the last member of many":    {alternatives(`{"type":"object","additionalProperties":{"type":"integer"}}`), `{"f":1.0,` + members + `,"x":"x"}`, tooMuch},
		"the second of many":         {alternatives(`{"type":"object","additionalProperties":{"type":"integer"}}`), `{"f":1.0,"x":"x",` + members + `}`, "answered an object where its schema says any"},
		"what is required":           {alternatives(`{"type":"object","required":[` + numbered(9000, `"k%d"`) + `,"x"]}`), "{" + members + "}", tooMuch},
		"numbers that are fractions": {`{"type":"array","items":{"anyOf":[` + times(49, `{"enum":[0.1]}`) + `,{}]}}`, "[" + times(50_000, "1e-300") + "]", tooMuch},
		"numbers that are large":     {`{"type":"array","items":{"anyOf":[` + times(49, `{"type":"number","minimum":1e900}`) + `,{}]}}`, "[" + times(50_000, strings.Repeat("9", 300)) + "]", tooMuch},
		"long texts":                 {`{"type":"array","items":{"anyOf":[` + times(49, `{"type":"string","maxLength":1}`) + `,{}]}}`, "[" + times(40, `"`+strings.Repeat("é", 100_000)+`"`) + "]", tooMuch},
		"many numbers with bounds":   {`{"type":"array","items":{"type":"number","minimum":-0.9,"maximum":1}}`, "[" + times(1_000_000, "-0.25") + "]", ""},
	} {
		f, err := schema.FromJSONSchema("f", "", []byte("{}"), []byte(test.schema))
		if err != nil {
			t.Fatal(err)
		}
		v, err := schema.ReadAnswer([]byte(test.answer))
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = f.Answer(t.Context(), v)
		runtime.ReadMemStats(&after)
		if text := fmt.Sprint(err); text != test.want && (err != nil || test.want != "") {
			t.Errorf("%s: %s", name, text)
		}
		if made := after.TotalAlloc - before.TotalAlloc; made > 2<<30 {
			t.Errorf("%s: it has made %d MiB", name, made>>20)
		}
	}
}

// The same of arguments.
func TestArgumentsThatAreTooMuch(t *testing.T) {
	many := values.List{}
	for range 100_000 {
		many = append(many, int64(1))
	}
	unions := `{"anyOf":[` + times(50, `{"$ref":"#/$defs/u"}`) + `]}`
	for name, test := range map[string]struct {
		schema string
		x      any
	}{
		"the last item of many": {alternatives(`{"type":"array","items":{"type":"integer"}}`), append(many, "x")},
		"names of many objects": {`{"type":"array","items":` + unions + `,"$defs":{"u":{"anyOf":[` + times(50, `{"type":"object","properties":{"y":{}}}`) + `]}}}`, func() (l values.List) {
			for i := range 100_000 {
				l = append(l, dict(fmt.Sprint("x", i), int64(1)))
			}
			return l
		}()},
		"long names": {alternatives(`{"type":"array","items":{"type":"object","properties":{"y":{"type":"string"}}}}`), values.List{dict(strings.Repeat("é", 20_000), int64(1)), dict("y", int64(1))}},
	} {
		body, defs, ok := strings.Cut(test.schema, `,"$defs":`)
		input := `{"type":"object","properties":{"x":` + body + `}}`
		if ok {
			input = `{"type":"object","properties":{"x":` + body + `}},"$defs":` + defs
		}
		f := fromJSON(t, "f", input)
		if got := call(t, f, nil, named("x", test.x)); !strings.HasPrefix(got, "ValueError: x") || !strings.HasSuffix(got, "is too much to be checked against its schema") {
			t.Errorf("%s: %.200s", name, got)
		}
	}
}

// A brief context ends when it has been looked at a few times.
type brief struct {
	context.Context
	looks int
}

func (b *brief) Err() error {
	if b.looks--; b.looks < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Who has no more time is not kept until all is compared.
func TestNoMoreTime(t *testing.T) {
	const list = `{"type":"object","properties":{"x":{"type":"array","items":{"type":"integer"}}}}`
	f, err := schema.FromJSONSchema("f", "", []byte(list), []byte(list))
	if err != nil {
		t.Fatal(err)
	}
	many := make(values.List, 1_000_000)
	for i := range many {
		many[i] = int64(1)
	}
	ctx := &brief{t.Context(), 3}
	if _, err := f.Answer(ctx, dict("x", many)); !errors.Is(err, context.DeadlineExceeded) || ctx.looks < -3 {
		t.Errorf("%v after %d looks", err, ctx.looks)
	}
	signature, err := capabilities.ParseSignature(f.Signature)
	if err != nil {
		t.Fatal(err)
	}
	bound, err := signature.Bind("tool", "f", &capabilities.Call{Kwargs: []values.Keyword{named("x", many)}})
	if err != nil {
		t.Fatal(err)
	}
	ctx = &brief{t.Context(), 3}
	if _, err := f.Input(ctx, bound, 8<<20); !errors.Is(err, context.DeadlineExceeded) || ctx.looks < -3 {
		t.Errorf("%v after %d looks", err, ctx.looks)
	}
}

// Thousands of parameters are refused before their names are made different.
func TestManyNamesThatAreOneInPython(t *testing.T) {
	var list []string
	for i := range 9000 {
		list = append(list, fmt.Sprintf(`"%c":{}`, 0x4e00+i))
	}
	if _, err := schema.FromJSONSchema("f", "", []byte(`{"properties":{`+strings.Join(list, ",")+`}}`), nil); err == nil || err.Error() != "there are more than 100 parameters" {
		t.Error(err)
	}
}

// Floats are compared with bounds as the numbers that they are, not as the floats that the bounds would be.
func TestFloatsAndBounds(t *testing.T) {
	for _, c := range []struct {
		bound string
		v     float64
		fits  bool
	}{
		{`"minimum":0.1`, 0.1, true}, // the float is a little more
		{`"maximum":0.1`, 0.1, false},
		{`"minimum":0.3`, 0.3, false}, // and this one a little less
		{`"maximum":0.3`, 0.3, true},
		{`"exclusiveMinimum":0.5`, 0.5, false},
		{`"minimum":0.5`, 0.5, true},
		{`"minimum":0.1`, 0.09999999999999999, false},
		{`"maximum":0.1`, 0.10000000000000002, false},
		{`"minimum":9007199254740993`, 9007199254740992, false},
		{`"maximum":9007199254740993`, 9007199254740992, true},
		{`"maximum":1e400`, 1e308, true},
		{`"minimum":1e400`, 1e308, false},
		{`"minimum":-1e-400`, 0, true},
		{`"minimum":1e-400`, 0, false},
		{`"exclusiveMinimum":0`, 5e-324, true},
	} {
		f, err := schema.FromJSONSchema("f", "", []byte("{}"), []byte(`{"type":"number",`+c.bound+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Answer(t.Context(), c.v); (err == nil) != c.fits {
			t.Errorf("%s and %v: %v", c.bound, c.v, err)
		}
	}
}
