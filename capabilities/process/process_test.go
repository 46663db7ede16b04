package process_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/process"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// decide decides about a call under a scope, as the gate does.
func decide(t testing.TB, toml string, call *capabilities.Call) (capabilities.Capability, policies.Verdict, error) {
	t.Helper()
	family := process.Family()
	scope, err := policies.ParseScope(family.Scopes, toml)
	if err != nil {
		t.Fatal(err)
	}
	registry, err := capabilities.NewRegistry(family)
	if err != nil {
		t.Fatal(err)
	}
	capability, _ := registry.Lookup("process.run")
	signature, _ := registry.Signature("process.run")
	bound, err := signature.Bind("process", "run", call)
	if err != nil {
		return nil, policies.Verdict{}, err
	}
	verdict := family.Decide(policies.ScopedCall{Function: "run", Arguments: bound, Scope: scope})
	call.Scope, call.Canonical = scope, verdict.Canonical
	return capability, verdict, nil
}

func callOf(command any, keywords ...any) *capabilities.Call {
	call := &capabilities.Call{Args: []any{command}}
	for i := 0; i < len(keywords); i += 2 {
		call.Kwargs = append(call.Kwargs, values.Keyword{Name: keywords[i].(string), Value: keywords[i+1]})
	}
	return call
}

// run runs a command; the error is a *capabilities.Denied or what the capability gives.
func run(ctx context.Context, t testing.TB, toml string, command any, keywords ...any) (*values.Dict, error) {
	t.Helper()
	call := callOf(command, keywords...)
	capability, verdict, err := decide(t, toml, call)
	switch {
	case err != nil:
		return nil, err
	case !verdict.Allow:
		return nil, &capabilities.Denied{Verdict: verdict}
	}
	result, err := capability.Call(ctx, call)
	if err != nil {
		return nil, err
	}
	return result.(*values.Dict), nil
}

// argv gives the arguments that a command would be run with, nil if it is denied.
func argv(t testing.TB, template string, keywords ...any) []string {
	t.Helper()
	_, verdict, err := decide(t, fmt.Sprintf("commands = { c = %q }", template), callOf("c", keywords...))
	if err != nil || !verdict.Allow {
		return nil
	}
	if p, ok := verdict.Canonical.(interface{ Argv() []string }); ok {
		return p.Argv()
	}
	return nil // a TypeError
}

func TestArguments(t *testing.T) {
	for _, test := range []struct {
		template string
		keywords []any
		want     string
	}{
		{"/bin/c", nil, `["/bin/c"]`},
		{"  /bin/c   -a  b ", nil, `["/bin/c" "-a" "b"]`},
		{"/bin/c 'two words' ''", nil, `["/bin/c" "two words" ""]`},
		{"/bin/c '{{print $1}}'", nil, `["/bin/c" "{print $1}"]`},
		{"/bin/c {n:int}", []any{"n", int64(5)}, `["/bin/c" "5"]`},
		{"/bin/c -n{n:int}", []any{"n", int64(-5)}, `["/bin/c" "-n-5"]`},
		{"/bin/c {n:-5..5}", []any{"n", int64(-5)}, `["/bin/c" "-5"]`},
		{"/bin/c {s:name}.txt", []any{"s", "a.b-c_d"}, `["/bin/c" "a.b-c_d.txt"]`},
		{"/bin/c {s:text}", []any{"s", "$(id); `id` | 'x' \"y\" & > /etc/x * ~ \\"}, "[\"/bin/c\" \"$(id); `id` | 'x' \\\"y\\\" & > /etc/x * ~ \\\\\"]"},
		{"/bin/c {s:text}", []any{"s", ""}, `["/bin/c" ""]`},
		{"/bin/c --x={s:text}", []any{"s", "-v --y"}, `["/bin/c" "--x=-v --y"]`},
		{"/bin/c {s:-a|-b|c}", []any{"s", "-b"}, `["/bin/c" "-b"]`},
		{"/bin/c {s:raw}", []any{"s", "--version"}, `["/bin/c" "--version"]`},
		{"/bin/c {s:text}", []any{"s", "{t:text}"}, `["/bin/c" "{t:text}"]`},
		{"/bin/c {a:text}{b:text}", []any{"a", "", "b", "x"}, `["/bin/c" "x"]`},
		{"/bin/c {f:file} -o={g:file}", []any{"f", "x", "g", values.Bytes("y")}, `["/bin/c" "f" "-o=g"]`},
	} {
		if got := fmt.Sprintf("%q", argv(t, test.template, test.keywords...)); got != test.want {
			t.Errorf("%s %v: %s, want %s", test.template, test.keywords, got, test.want)
		}
	}
}

// What code may not choose.
func TestHostileArguments(t *testing.T) {
	for _, test := range []struct {
		template string
		value    any
	}{
		{"/bin/c {x:int}", int64(-1)}, {"/bin/c {x:int}", "1"}, {"/bin/c {x:int}", 1.5}, {"/bin/c {x:int}", true}, {"/bin/c {x:int}", nil}, {"/bin/c {x:int}", values.List{int64(1)}},
		{"/bin/c {x:1..9}", int64(0)}, {"/bin/c {x:1..9}", int64(10)}, {"/bin/c {x:1..9}", "5"},
		{"/bin/c {x:name}", ""}, {"/bin/c {x:name}", "-rf"}, {"/bin/c {x:name}", "."}, {"/bin/c {x:name}", ".."}, {"/bin/c {x:name}", ".bashrc"}, {"/bin/c {x:name}", "a/b"}, {"/bin/c {x:name}", "../x"},
		{"/bin/c {x:name}", "/etc/passwd"}, {"/bin/c {x:name}", "a b"}, {"/bin/c {x:name}", "a\x00b"}, {"/bin/c {x:name}", "a\nb"}, {"/bin/c {x:name}", "a\n"}, {"/bin/c {x:name}", "ä"}, {"/bin/c {x:name}", "a;b"}, {"/bin/c {x:name}", "$HOME"},
		{"/bin/c {x:name}", "~root"}, {"/bin/c {x:name}", "@file"}, {"/bin/c {x:name}", `a\b`}, {"/bin/c {x:name}", "C:x"}, {"/bin/c {x:name}", strings.Repeat("a", 129)}, {"/bin/c {x:name}", int64(1)}, {"/bin/c {x:name}", values.Bytes("a")},
		{"/bin/c {x:text}", "-rf"}, {"/bin/c {x:text}", "--output=/etc/passwd"}, {"/bin/c {x:text}", "-"}, {"/bin/c {x:text}", "--"}, {"/bin/c {x:text}", "a\x00b"}, {"/bin/c {x:text}", "a\nb"}, {"/bin/c {x:text}", "a\rb"}, {"/bin/c {x:text}", "\x1b[2J"},
		{"/bin/c {x:text}", "a\u0085b"}, {"/bin/c {x:text}", "\x7f"}, {"/bin/c {x:text}", strings.Repeat("a", 4097)}, {"/bin/c {x:text}", "\xff"}, {"/bin/c {x:text}", "\xed\xa0\x80"}, {"/bin/c {x:text}", int64(1)}, {"/bin/c {x:text}", nil}, {"/bin/c {x:text}b", "-a"},
		{"/bin/c {x:text}", values.List{"a", "b"}}, {"/bin/c {x:text}", values.Bytes("a")}, {"/bin/c {x:raw}", "a\x00b"}, {"/bin/c {x:raw}", "\xff"}, {"/bin/c {x:raw}", "a\nb"}, {"/bin/c {x:raw}", strings.Repeat("a", 5000)},
		{"/bin/c {x:a|b}", "c"}, {"/bin/c {x:a|b}", "a|b"}, {"/bin/c {x:a|b}", ""}, {"/bin/c {x:a|b}", "A"}, {"/bin/c {x:a|b}", "a "}, {"/bin/c {x:a|b}", int64(0)},
		{"/bin/c {x:file}", int64(1)}, {"/bin/c {x:file}", nil}, {"/bin/c {x:file}", "\xed\xa0\x80"}, {"/bin/c {x:file}", strings.Repeat("a", 1<<20+1)}, {"/bin/c {x:file}", values.List{"a"}},
	} {
		if got := argv(t, test.template, "x", test.value); got != nil {
			t.Errorf("%s with %.50q would run %.100q", test.template, test.value, got)
		}
	}
	const scope = `commands = { wc = "/usr/bin/wc -l {text:file}" }`
	for _, command := range []string{"", "sh", "WC", "wc ", "wc\x00", "/usr/bin/wc", "../wc", "wc -l", "wc;id", "commands", "ｗｃ", strings.Repeat("a", 1000)} {
		_, err := run(t.Context(), t, scope, command, "text", "x")
		familytest.IsDenied(t, err, "commands", "is not among commands")
	}
	for _, keywords := range [][]any{{}, {"text", "x", "more", "y"}, {"Text", "x"}, {"txt", "x"}, {"text", "x", "env", "y"}, {"text", "x", "shell", true}, {"text", "x", "cwd", "/"}, {"text", "x", "executable", "/bin/sh"}} {
		_, err := run(t.Context(), t, scope, "wc", keywords...)
		familytest.FailsWith(t, err, "TypeError", `run("wc", text=the contents of a file)`)
	}
	_, err := run(t.Context(), t, scope, int64(1))
	familytest.FailsWith(t, err, "TypeError", "command must be str")
	_, err = run(t.Context(), t, scope, "wc", "text", "x", "stdin", int64(1))
	familytest.FailsWith(t, err, "TypeError", "stdin must be str or bytes")
	_, err = run(t.Context(), t, scope+"\nmax_input = \"10B\"", "wc", "text", "123456", "stdin", "12345")
	familytest.IsDenied(t, err, "max_input", "11 bytes")
	_, err = process.Family().Capabilities[0].Call(t.Context(), callOf("wc"))
	familytest.FailsWith(t, err, "RuntimeError", "not decided")
}

var wrongTemplates = []string{
	"", " ", "wc", "./wc", "../bin/wc", "bin/wc", "/usr/bin/../bin/wc", "/usr//bin/wc", "/", "/usr/bin/", "~/wc", "$HOME/wc", "{x:text}", "/usr/bin/{x:name}", "{p:text}/wc", "'' -l",
	"/bin/sh -c {x:text}", "/bin/bash", "/usr/bin/zsh -c x", "/usr/bin/env python3", "/bin/busybox sh", "/usr/bin/xargs rm", "/usr/bin/sudo ls", "/bin/dash", "/usr/bin/fish", "/opt/pwsh", "/bin/su",
	"/bin/c {", "/bin/c }", "/bin/c {}", "/bin/c {x}", "/bin/c {x:}", "/bin/c {:int}", "/bin/c {x:str}", "/bin/c {x:INT}", "/bin/c {X:int}", "/bin/c {x y:int}", "/bin/c {x:int", "/bin/c {x:{y:int}}", "/bin/c {1:int}", "/bin/c {x:int}}",
	"/bin/c {x:int} {x:int}", "/bin/c {stdin:text}", "/bin/c {command:text}", "/bin/c {x:9..1}", "/bin/c {x:1..}", "/bin/c {x:..}", "/bin/c {x:1...2}", "/bin/c {x:1..99999999999999999999}", "/bin/c {x:a|}", "/bin/c {x:|}", "/bin/c {x:a|b;c}",
	"/bin/c 'a", "/bin/c a'b'", "/bin/c 'a'b", `/bin/c "a"`, "/bin/c 'a''b'", "/bin/c" + strings.Repeat(" a", 100), "/bin/c {__class__:text}", "/bin/c {x!r:text}", "/bin/c {x[0]:text}", "/bin/c {x:.2}",
}

func TestTemplates(t *testing.T) {
	keys := process.Family().Scopes
	for _, template := range wrongTemplates {
		if _, err := policies.ParseScope(keys, fmt.Sprintf("commands = { c = %q }", template)); err == nil {
			t.Errorf("%q: no mistake", template)
		}
	}
	for _, wrong := range []string{
		`commands = {}`, `commands = "x"`, `commands = ["/bin/c"]`, `commands = { "a b" = "/bin/c" }`, `commands = { Wc = "/bin/c" }`, `commands = { "-c" = "/bin/c" }`, `commands = { c = ["/bin/c"] }`,
		"commands = { c = \"/bin/c\" }\nshell = true", "commands = { c = \"/bin/c\" }\nmemory = \"1KiB\"", "commands = { c = \"/bin/c\" }\nmax_output = \"1GiB\"", "commands = { c = \"/bin/c\" }\nenvironment = { A = \"b\" }",
	} {
		if _, err := policies.ParseScope(keys, wrong); err == nil {
			t.Errorf("%s: no mistake", wrong)
		}
	}
}

func FuzzTemplate(f *testing.F) {
	for _, template := range wrongTemplates {
		f.Add(template, "x")
	}
	for _, template := range []string{"/bin/c {x:text}", "/bin/c -a={x:text}b '{{ }}' {x2:int}", "/bin/c {x:name}.txt", "/bin/c {x:a|-b}", "/bin/c {x:raw} 'a b'"} {
		f.Add(template, "-rf")
		f.Add(template, "a\x00b")
	}
	keys := process.Family().Scopes
	f.Fuzz(func(t *testing.T, template, value string) {
		if strings.Contains(template, `\`) || strings.ContainsFunc(template, func(r rune) bool { return r < ' ' || r > '~' }) {
			return // not what Go and TOML write in the same way
		}
		toml := fmt.Sprintf("commands = { c = %q }", template)
		if _, err := policies.ParseScope(keys, toml); err != nil {
			return
		}
		got := argv(t, template, "x", value)
		if got == nil {
			return
		}
		if !strings.HasPrefix(got[0], "/") {
			t.Fatalf("%q runs %q", template, got)
		}
		other := argv(t, template, "x", "a")
		if other != nil && (len(other) != len(got) || other[0] != got[0]) {
			t.Fatalf("%q: %q with %q, %q with \"a\"", template, got, value, other)
		}
		for i, argument := range got {
			if strings.ContainsFunc(argument, func(r rune) bool { return r < ' ' }) {
				t.Fatalf("%q: %q", template, got)
			}
			changes := other != nil && i < len(other) && argument != other[i]
			if changes && strings.HasPrefix(argument, "-") && strings.HasPrefix(value, "-") && !strings.Contains(template, ":raw}") && !strings.Contains(template, "|") && !strings.Contains(template, "-") {
				t.Fatalf("%q: %q makes the option %q", template, value, argument)
			}
		}
	})
}
