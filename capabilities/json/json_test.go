package json_test

import (
	"context"
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/values"
)

func call(t testing.TB, name string, arg any, kwargs ...values.Keyword) (any, error) {
	t.Helper()
	registry, err := capabilities.NewRegistry(json.Family())
	if err != nil {
		t.Fatal(err)
	}
	c, ok := registry.Lookup("json." + name)
	if !ok {
		t.Fatalf("no function %q", name)
	}
	return c.Call(context.Background(), &capabilities.Call{Args: []any{arg}, Kwargs: kwargs})
}

// raises gives "Type: message" of an exception.
func raises(err error) string {
	var raised *capabilities.PythonError
	if errors.As(err, &raised) {
		return raised.Error()
	}
	return ""
}

func TestFunctionsCannotCross(t *testing.T) {
	function := values.Repr{Type: "function", Text: "<function f at 0x1>"}
	for name, options := range map[string][]string{
		"loads": {"cls", "object_hook", "parse_float", "parse_int", "parse_constant", "object_pairs_hook"},
		"dumps": {"cls", "default"},
	} {
		for _, option := range options {
			_, err := call(t, name, "1", values.Keyword{Name: option, Value: function})
			want := "TypeError: " + name + "() option '" + option + "' is not available here: a Python function or class cannot cross to the host; convert the values first, for example with str()"
			if raises(err) != want {
				t.Errorf("%s %s: %v", name, option, err)
			}
			if _, err := call(t, name, "1", values.Keyword{Name: option}); err != nil {
				t.Errorf("%s %s=None: %v", name, option, err)
			}
		}
	}
}

func TestParseFloat(t *testing.T) {
	decimal := values.Keyword{Name: "parse_float", Value: values.Repr{Type: "type", Text: "<class 'decimal.Decimal'>"}}
	for document, want := range map[string]any{
		"1.10":        values.Decimal("1.10"),
		"-0.0":        values.Decimal("-0.0"),
		"1e5":         values.Decimal("1E+5"),
		"1.5E-10":     values.Decimal("1.5E-10"),
		"0.000001":    values.Decimal("0.000001"),
		"0.0000001":   values.Decimal("1E-7"),
		"123.45e1":    values.Decimal("1234.5"),
		"123.45e3":    values.Decimal("1.2345E+5"),
		"00":          nil,
		"7":           int64(7),
		"0e3":         values.Decimal("0E+3"),
		"1.0e9999999": values.Decimal("1.0E+9999999"),
	} {
		got, err := call(t, "loads", document, decimal)
		if want == nil {
			if err == nil {
				t.Errorf("%s gives %v", document, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s gives %v, %v, want %v", document, got, err, want)
		}
	}
}

func TestDepth(t *testing.T) {
	nest := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	if _, err := call(t, "loads", nest(values.MaxDepth)); err != nil {
		t.Error(err)
	}
	for _, n := range []int{values.MaxDepth + 1, 1_000_000} {
		if _, err := call(t, "loads", nest(n)); !strings.HasPrefix(raises(err), "RecursionError: ") {
			t.Errorf("depth %d: %v", n, err)
		}
	}
}

func TestErrorCarriesBoundedDocument(t *testing.T) {
	_, err := call(t, "loads", strings.Repeat("é", 1<<20))
	var raised *capabilities.PythonError
	if !errors.As(err, &raised) {
		t.Fatal(err)
	}
	if doc := raised.Attributes["doc"].(string); len(doc) > 64<<10 || !strings.HasPrefix(doc, "éé") {
		t.Errorf("the error carries %d bytes of the document", len(doc))
	}
	if _, err := values.AppendError(nil, raised.Type, raised.Message, raised.Attributes, 1<<20); err != nil {
		t.Error(err)
	}
}

func TestOutputIsBounded(t *testing.T) {
	deep := any(values.List{})
	for range 150 {
		deep = values.List{deep, deep}[:1]
	}
	big9 := new(big.Int).Lsh(big.NewInt(1), 100)
	many := make(values.List, 100_000)
	for name, c := range map[string]struct {
		value any
		key   string
		with  any
	}{
		"wide indent":    {values.List{int64(1)}, "indent", int64(1 << 40)},
		"huge indent":    {values.List{int64(1)}, "indent", big9},
		"deep indent":    {deep, "indent", int64(1 << 20)},
		"long separator": {many, "separators", values.Tuple{strings.Repeat(",", 1000), ":"}},
		"escapes":        {strings.Repeat("\x00", 8<<20), "sort_keys", true},
	} {
		if _, err := call(t, "dumps", c.value, values.Keyword{Name: c.key, Value: c.with}); !strings.HasPrefix(raises(err), "MemoryError: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCancelled(t *testing.T) {
	registry, err := capabilities.NewRegistry(json.Family())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for name, arg := range map[string]any{"json.loads": "[" + strings.Repeat("1,", 10_000) + "1]", "json.dumps": make(values.List, 10_000)} {
		c, _ := registry.Lookup(name)
		if _, err := c.Call(ctx, &capabilities.Call{Args: []any{arg}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzLoads sees that whatever is read is written and read again as the same, and that errors are at places in the document.
func FuzzLoads(f *testing.F) {
	for _, seed := range []string{`{"a": [1, 2.5e3, "x\u00e9\ud83d\ude00"], "b": null}`, `[NaN, -Infinity]`, "[1,]", `"\ud800"`, "\xff\xfe[\x00]\x00", `{"a":1,"a":2}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, document []byte) {
		v, err := call(t, "loads", values.Bytes(document))
		var raised *capabilities.PythonError
		switch {
		case errors.As(err, &raised):
			if pos, ok := raised.Attributes["pos"].(int); ok && (pos < 0 || pos > len(document)) {
				t.Fatalf("%q: error at %d", document, pos)
			}
			if _, err := values.AppendError(nil, raised.Type, raised.Message, raised.Attributes, math.MaxInt); err != nil {
				t.Fatalf("%q: %v", document, err)
			}
			return
		case err != nil:
			t.Fatalf("%q: %v", document, err)
		}
		text, err := call(t, "dumps", v)
		if err != nil {
			t.Fatalf("%q: %v", document, err)
		}
		again, err := call(t, "loads", text)
		if err != nil || !values.Equal(v, again) {
			t.Fatalf("%q became %q and then %v, %v", document, text, again, err)
		}
	})
}

const record = `{"id": 12345, "name": "Grüße an alle", "score": 0.8214, "tags": ["a", "b"], "point": [1.5, -2.5], "ok": true}`

func BenchmarkLoads(b *testing.B) {
	document := "[" + strings.Repeat(record+", ", 9_000) + record + "]"
	b.SetBytes(int64(len(document)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := call(b, "loads", document); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDumps(b *testing.B) {
	v, err := call(b, "loads", "["+strings.Repeat(record+", ", 9_000)+record+"]")
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(9_001 * len(record)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := call(b, "dumps", v); err != nil {
			b.Fatal(err)
		}
	}
}
