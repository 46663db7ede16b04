package conformance_test

import (
	"strings"
	"testing"
)

// As python does for a file, whichever pass of the compiler finds the mistake.
func TestSyntaxErrorsShowTheirLine(t *testing.T) {
	for _, test := range []struct {
		code, class, message string
		line                 int
		shown                string
	}{
		{"x = 1\nx = = 2", "SyntaxError", "invalid syntax", 2, "    x = = 2\n        ^\n"},
		{"print 'old'", "SyntaxError", "Missing parentheses in call to 'print'. Did you mean print(...)?", 1, "    print 'old'\n    ^^^^^^^^^^^\n"},
		{"if True:\nx", "IndentationError", "expected an indented block after 'if' statement on line 1", 2, "    x\n    ^\n"},
		{"def f():\n\tx\n        y", "TabError", "inconsistent use of tabs and spaces in indentation", 3, "    y\n"},
		{"(1,\n[2)", "SyntaxError", "closing parenthesis ')' does not match opening parenthesis '['", 2, "    [2)\n      ^\n"},
		{"'abc", "SyntaxError", "unterminated string literal (detected at line 1)", 1, "    'abc\n    ^\n"},
		{"f'{x!z}'", "SyntaxError", "f-string: invalid conversion character 'z': expected 's', 'r', or 'a'", 1, "    f'{x!z}'\n         ^\n"},
		// The parser takes these; the symbol table and the code generator do not.
		{"x = 1\nreturn x", "SyntaxError", "'return' outside function", 2, "    return x\n    ^^^^^^^^\n"},
		{"for x in []: pass\ncontinue", "SyntaxError", "'continue' not properly in loop", 2, "    continue\n    ^^^^^^^^\n"},
		{"await x", "SyntaxError", "'await' outside function", 1, "    await x\n    ^^^^^^^\n"},
		{"def f(a, a): pass", "SyntaxError", "duplicate argument 'a' in function definition", 1, "    def f(a, a): pass\n             ^\n"},
		{"def f():\n    print(x)\n    global x", "SyntaxError", "name 'x' is used prior to global declaration", 3, "    global x\n    ^^^^^^^^\n"},
		{"from __future__ import braces", "SyntaxError", "not a chance", 1, "    from __future__ import braces\n                           ^^^^^^\n"},
		// In code within code the line is that of the call.
		{"\nexec('return 1')", "SyntaxError", "'return' outside function", 2, "    exec('return 1')\n"},
		// The agent can make such an error of anything.
		{"\nraise SyntaxError('mine', ('<exec 1>', 'no line', 1, 'text'))", "SyntaxError", "mine", 2, "    text\n"},
		{"raise SyntaxError('mine', ([], 2**70, 1, 'text'))", "SyntaxError", "mine", 1, "    text\n"},
	} {
		r := run(t, session(t), test.code)
		if r.Error == nil || r.Error.Type != test.class {
			t.Errorf("%q: %s, want %s", test.code, says(r), test.class)
			continue
		}
		if !strings.HasPrefix(r.Error.Message, test.message) || r.Error.Line == nil || *r.Error.Line != test.line {
			t.Errorf("%q: %q at line %v, want %q at line %d", test.code, r.Error.Message, r.Error.Line, test.message, test.line)
		}
		if !strings.Contains(r.Error.Traceback, test.shown) {
			t.Errorf("%q: %q is not in\n%s", test.code, test.shown, r.Error.Traceback)
		}
	}
}

// However an exception is made, a run ends with a description of it.
func TestOddExceptions(t *testing.T) {
	s := session(t)
	for code, want := range map[string]string{
		"class Named(type):\n  __name__ = 5\nclass E(Exception, metaclass=Named): pass\nraise E('x')": "E: x",
		"class E(Exception):\n  def __str__(self): raise ValueError\nraise E":                         "E: <str() raised ValueError>",
		"class E(Exception):\n  def __str__(self): return 5\nraise E":                                 "E: <str() raised TypeError>",
		"class E(SystemExit):\n  code = property(lambda self: 1 / 0)\nraise E":                        "ZeroDivisionError: division by zero",
		"e = ValueError('n')\ne.__notes__ = 5\nraise e":                                               "ValueError: n",
		"e = ValueError('c')\ne.__cause__ = e\nraise e":                                               "ValueError: c",
		"raise ExceptionGroup('many', [ValueError(i) for i in range(1000)])":                          "ExceptionGroup: many (1000 sub-exceptions)",
		"raise ValueError('\\ud800')":                                                                 "ValueError: \ufffd",
		"raise 5":                                                                                     "TypeError: exceptions must derive from BaseException",
		"raise GeneratorExit":                                                                         "GeneratorExit: ",
		"raise StopIteration(3)":                                                                      "StopIteration: 3",
		"raise BaseException":                                                                         "BaseException: ",
		"raise MemoryError('mine')":                                                                   "MemoryError [memory]",
		"eval('[' * 199 + ']' * 199)":                                                                 "MemoryError: Parser stack overflowed - Python source too complex to parse",
		"e = None\nfor i in range(10_000):\n  e, e.__context__ = ValueError(i), e\nraise e":           "ValueError: 9999",
	} {
		if got := says(run(t, s, code)); !strings.HasPrefix(got, want) {
			t.Errorf("%s\n got %s\nwant %s", code, got, want)
		}
	}
	if s.Lost() {
		t.Error("the session is lost")
	}
}
