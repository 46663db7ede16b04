package host_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

func pythonReader(t *testing.T) *host.PythonReader {
	t.Helper()
	r, err := host.NewPythonReader(t.Context(), host.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// What is said of a file that is only read is what running it tells, or nothing.
func TestReadPython(t *testing.T) {
	reader := pythonReader(t)
	tests := []struct {
		source    string
		functions string            // that are seen
		lacks     map[string]string // names that it certainly does not have, and why
		perhaps   string            // names of which only running it tells
	}{
		{"def a(): pass\n", "a()", map[string]string{"b": ""}, ""},
		{"def a(x, /, y: int = 2, *r, z='q', **m) -> str:\n    'Does it.'\n", "a(x, /, y: int=2, *r, z='q', **m) -> str", nil, ""},
		{"def b(): pass\ndef a(): pass\ndef _c(): pass\n", "a() b()", map[string]string{"_c": "the function at tool.py:3:1 is not public"}, ""},
		{"x = 1; __all__ = ['a', 'x']\ndef a(): pass\ndef b(): pass\n", "a()", map[string]string{"b": "the function at tool.py:3:1 is not in __all__ at tool.py:1:8", "x": "it is a value at tool.py:1:1"}, ""},
		{"class c: pass\ndef a(): pass\n", "a()", map[string]string{"c": "it is a class at tool.py:1:1"}, ""},
		{"from re import sub as s\ndef a(): pass\n", "a()", map[string]string{"s": "it is imported at tool.py:1:1, and only functions of the file itself can be called", "sub": ""}, ""},
		{"a = lambda: 1\n", "", map[string]string{"b": ""}, "a"},
		{"if True:\n    def a(): pass\n", "", nil, "a"},
		{"try:\n    import re as a\nexcept ImportError:\n    def a(): pass\n", "", nil, "a"},
		{"for a in [lambda: 1]: pass\n", "", nil, "a"},
		{"(a := lambda: 1)\n", "", nil, "a"},
		{"def a():\n    def inner(): pass\n", "a()", map[string]string{"inner": ""}, ""},
		{"def a():\n    global b\n    b = a\na()\n", "a()", map[string]string{"c": ""}, "b"},
		{"globals()['b'] = lambda: 1\ndef a(): pass\n", "a()", nil, "b c"},
		{"exec('def b(): pass')\ndef a(): pass\n", "a()", nil, "b"},
		{"match lambda: 1:\n    case b: pass\ndef a(): pass\n", "a()", nil, "b"},
		{"__all__ = ['a'] + ['b']\ndef a(): pass\ndef b(): pass\ndef _c(): pass\n", "a() b()", map[string]string{"d": ""}, "_c"},
		{"__all__ = ['a']\n__all__ += ['_b']\ndef a(): pass\ndef _b(): pass\n", "a()", nil, "_b"},
		{"__all__ = ['a']\n__all__.append('_b')\ndef a(): pass\ndef _b(): pass\n", "a()", nil, "_b"},
		{"__all__: list = ['_b']\ndef a(): pass\ndef _b(): pass\n", "_b()", map[string]string{"a": "the function at tool.py:2:1 is not in __all__ at tool.py:1:1"}, ""},
		{"def a(): pass\na = a\n", "a()", nil, ""},
		{"import re\ndef re(): pass\n", "re()", nil, ""},
		{"é = 'ü'; c = {}\ndef a(): pass\n", "a()", map[string]string{"c": "it is a value at tool.py:1:10"}, ""},
	}
	for _, test := range tests {
		f, err := reader.Read(t.Context(), "tool.py", []byte(test.source))
		if err != nil {
			t.Fatalf("%s: %v", test.source, err)
		}
		var seen []string
		for _, function := range f.Functions {
			seen = append(seen, function.Name+function.Signature)
			if lacks, why := f.Lacks(function.Name); lacks {
				t.Errorf("%s: lacks %s, which it has: %s", test.source, function.Name, why)
			}
		}
		if got := strings.Join(seen, " "); got != test.functions {
			t.Errorf("%s\nhas %s, want %s", test.source, got, test.functions)
		}
		for name, want := range test.lacks {
			if lacks, why := f.Lacks(name); !lacks || why != want {
				t.Errorf("%s\nlacks %s: %v, %q; want %q", test.source, name, lacks, why, want)
			}
		}
		for _, name := range strings.Fields(test.perhaps) {
			if lacks, why := f.Lacks(name); lacks {
				t.Errorf("%s\nlacks %s (%s), which only running tells", test.source, name, why)
			}
		}
	}
}

func TestReadPythonMistakes(t *testing.T) {
	reader := pythonReader(t)
	for source, want := range map[string]string{
		"def f():\n    a b\n":    "tool.py:2:7: invalid syntax",
		"def f():\nreturn 1\n":   "tool.py:2:1: expected an indented block after function definition on line 1",
		"x = 1\nreturn x\n":      "tool.py:2:1: 'return' outside function",
		"def f(a, a): pass\n":    "tool.py:1:10: duplicate argument 'a' in function definition",
		"x = '\x00'\n":           "tool.py:1:1: source code string cannot contain null bytes",
		"é = 'ü'; a b\n":         "tool.py:1:12: invalid syntax",
		"\xff":                   "it is not UTF-8",
		strings.Repeat("(", 300): "MemoryError: Parser stack overflowed",
		"x = " + strings.Repeat("-", 100_000) + "1\n": "MemoryError: Parser stack overflowed",
		"#" + strings.Repeat("x", 17<<20):             "it is too large",
	} {
		f, err := reader.Read(t.Context(), "tool.py", []byte(source))
		if err != nil {
			t.Errorf("%.40q: %v", source, err)
			continue
		}
		got := f.Unreadable
		if len(f.Mistakes) > 0 {
			got = f.Mistakes[0].Error()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%.40q: %q, want %q", source, got, want)
		}
	}
}

// Tools finds in a file of Python that is not run what opening it would find.
func TestToolsReadsPython(t *testing.T) {
	reader := pythonReader(t)
	known, err := capabilities.NewRegistry()
	if err != nil {
		t.Fatal(err)
	}
	const source = "\"\"\"Halves.\"\"\"\ndef half(x): return x / 2\ndef _hidden(): pass\nnames = []\n"
	for _, test := range []struct {
		source, functions, want string
		families                []string
	}{
		{source, ``, "", []string{"half"}},
		{source, `functions = ["half"]`, "", []string{"half"}},
		{source, `functions = ["half", "names"]`, `7:22: tool "halves": the plugin cannot be used: it has no function "names", only half (it is a value at dir/halves.py:4:1)`, nil},
		{source, `functions = ["halve"]`, `7:14: tool "halves": the plugin cannot be used: it has no function "halve", only half`, nil},
		{"def half(x) return x / 2\n", ``, `3:1: tool "halves": the plugin cannot be used: dir/halves.py:1:13: expected ':'`, nil},
		{"def _half(x): pass\n", ``, `3:1: tool "halves": the plugin cannot be used: halves.py has no public function`, nil},
		{"half = lambda x: x / 2\n", `functions = ["half"]`, "", []string{"half"}},
	} {
		text := fmt.Sprintf("policy = 1\nname = \"p\"\n[tool.halves]\nplugin = \"halves.py\"\nsha256 = %q\npython.imports = []\n%s\n", audit.Digest([]byte(test.source)), test.functions)
		policy, err := policies.Parse("dir/p.toml", []byte(text), policies.Vocabulary{Families: known.Vocabulary()})
		if err != nil {
			t.Fatal(err)
		}
		families, err := host.Tools(policy, known, func(string) ([]byte, error) { return []byte(test.source), nil },
			func(tool *policies.Tool, path string, source []byte) (*host.PythonFile, error) {
				return reader.Read(t.Context(), path, source)
			})
		got := ""
		if mistakes := (policies.Errors)(nil); errors.As(err, &mistakes) {
			got = strings.TrimPrefix(mistakes[0].Error(), "dir/p.toml:")
		} else if err != nil {
			t.Fatal(err)
		}
		if got != test.want {
			t.Errorf("%s %s: %s, want %s", test.source, test.functions, got, test.want)
		}
		var names []string
		for _, family := range families {
			for _, c := range family.Capabilities {
				names = append(names, c.Spec().Function)
			}
		}
		if !slices.Equal(names, test.families) {
			t.Errorf("%s %s: functions %v, want %v", test.source, test.functions, names, test.families)
		}
	}
}
