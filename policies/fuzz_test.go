package policies_test

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"

	"github.com/postern-sandbox/postern/policies"
)

// FuzzParse checks what holds of every input. Above all it compares Parse with
// go-toml's own decoder: what Parse accepts is valid TOML and says the same to
// any other reader of the file.
func FuzzParse(f *testing.F) {
	policiesOf(f, "*.txtar", func(_ string, src []byte) { f.Add(src) })
	src, err := os.ReadFile("../policy.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(src)
	f.Fuzz(checkParse)
}

func checkParse(t *testing.T, src []byte) {
	vocab := vocabulary()
	p, err := policies.Parse("p", src, vocab)
	if err != nil {
		checkErrors(t, src, p, err)
		return
	}

	var other struct {
		Name   string
		Limits struct{ Fuel, Host_calls int64 }
		Python struct{ Imports []string }
		Grant  map[string]struct{ Functions []string }
		MCP    map[string]struct {
			Command, Functions []string
			URL                string
		}
	}
	if err := toml.Unmarshal(src, &other); err != nil {
		t.Fatalf("accepted, but the decoder says %v", err)
	}
	if p.Name != other.Name || len(p.Grants) != len(other.Grant) {
		t.Errorf("another reader sees %+v", other)
	}
	if p.Base == nil && len(p.Grants) != len(other.Grant) || other.Limits.Fuel != 0 && other.Limits.Fuel != p.Limits.Fuel || other.Python.Imports != nil && !slices.Equal(p.Python.Imports, other.Python.Imports) {
		t.Errorf("another reader sees %+v", other)
	}

	if !isWithinBounds(p.Limits) {
		t.Errorf("limits are not within their bounds: %+v", p.Limits)
	}
	for i := range p.Grants {
		g := &p.Grants[i]
		if !isPlain(g) || g.Position.File != "p" {
			continue
		}
		for i, function := range g.Functions {
			d := decide(p, g.Family+"."+function)
			if !d.Allow || d.Rule != g.Rule() || d.Position != g.Positions[i] {
				t.Errorf("granted, and decided %+v: %s.%s", d, g.Family, function)
			}
		}
	}
	if p.Base == nil && len(p.Servers) != len(other.MCP) {
		t.Errorf("another reader sees %+v", other)
	}
	for i := range p.Servers {
		checkServer(t, p, &p.Servers[i], other.MCP[p.Servers[i].Name].Command)
	}
	for family, functions := range names(vocab) {
		for _, function := range functions {
			d := decide(p, family+"."+function)
			granted := slices.Contains(other.Grant[family].Functions, function)
			if g := p.Grant(family); d.Allow && !granted && p.Base == nil || granted && !d.Allow && isPlain(g) {
				t.Errorf("%s.%s: %+v", family, function, d)
			}
			if d.Allow && d.Position.File == "p" && !isAt(src, d.Position, function) {
				t.Errorf("%s.%s is not at %v", family, function, d.Position)
			}
		}
	}
	for _, w := range p.Warnings {
		checkPosition(t, src, w)
		checkLine(t, w)
	}
}

// checkServer checks that what a server's table names, and no other name that is none, is granted.
func checkServer(t *testing.T, p *policies.Policy, s *policies.Server, command []string) {
	g := p.Grant(s.Name)
	if (s.Command == nil) == (s.URL == "") || p.Base == nil && !slices.Equal(command, s.Command) || len(s.Functions) == 0 {
		t.Errorf("not a server: %+v", s)
	}
	for _, function := range s.Functions {
		name := strings.ReplaceAll(function, "*", "x")
		if d := decide(p, s.Name+"."+name); len(name) <= 64 && isPlain(g) && (!d.Allow || d.Rule != "mcp."+s.Name) {
			t.Errorf("%s.%s: %+v", s.Name, name, d)
		}
		for _, none := range []string{"", "*", "X" + name, name + ".y", "_" + name, name + "\x00"} {
			if d := decide(p, s.Name+"."+none); d.Allow {
				t.Errorf("%s.%s: %+v", s.Name, none, d)
			}
		}
	}
}

// isPlain reports whether a grant depends on nothing but the function's name.
func isPlain(g *policies.Grant) bool {
	return !g.NeedsArguments() && g.Expires.IsZero() && (g.Approve == "" || g.Approve == policies.ApproveNever)
}

// isWithinBounds says once more what the bounds are, so that they do not change
// by accident.
func isWithinBounds(l policies.Limits) bool {
	return time.Millisecond <= l.WallTime && l.WallTime <= 24*time.Hour &&
		100_000 <= l.Fuel && l.Fuel <= 1e15 &&
		32<<20 <= l.Memory && l.Memory <= 4<<30-64<<10 &&
		1<<10 <= l.Output && l.Output <= 16<<20 &&
		1<<10 <= l.Result && l.Result <= 64<<20 &&
		1 <= l.HostCalls && l.HostCalls <= 1e9 &&
		100 <= l.Recursion && l.Recursion <= 1e5
}

func checkErrors(t *testing.T, src []byte, p *policies.Policy, err error) {
	var all policies.Errors
	if p != nil || !errors.As(err, &all) || len(all) == 0 {
		t.Fatalf("Parse = %v, %v", p, err)
	}
	for i, e := range all {
		checkLine(t, e)
		if e.File != "p" {
			continue // in a policy that it extends
		}
		checkPosition(t, src, e)
		if i > 0 && all[i-1].File == "p" && (e.Line < all[i-1].Line || e.Line == all[i-1].Line && e.Column < all[i-1].Column) {
			t.Errorf("out of order:\n%v", err)
		}
	}
}

// checkLine checks that a message is one line that a terminal only shows, and
// of bounded length: it can quote the policy, and the policy can be hostile.
func checkLine(t *testing.T, e *policies.Error) {
	t.Helper()
	text := e.Error()
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%q is no line of text", text)
	}
	if len(text) > 2000 {
		t.Errorf("a message of %d bytes: %.200q", len(text), text)
	}
}

// checkPosition checks that a position is in the file.
func checkPosition(t *testing.T, src []byte, e *policies.Error) {
	t.Helper()
	if e.Line == 0 && len(src) > 1<<20 {
		return
	}
	line := lineOf(src, e.Line)
	if e.Line < 1 || e.Column < 1 || e.Column > utf8.RuneCountInString(line)+1 {
		t.Errorf("%v is outside of the file", e)
	}
}

// isAt reports whether a string is written at a position. One with escapes or
// of several lines is not looked into.
func isAt(src []byte, p policies.Position, text string) bool {
	line := []rune(lineOf(src, p.Line))
	if p.Column < 1 || p.Column > len(line) {
		return false
	}
	at := string(line[p.Column-1:])
	for _, quote := range []string{`"""`, "'''", `"`, "'"} {
		if rest, ok := strings.CutPrefix(at, quote); ok {
			return len(quote) == 3 || strings.HasPrefix(rest, text+quote) || strings.Contains(rest, `\`)
		}
	}
	return false
}

func lineOf(src []byte, n int) string {
	lines := strings.SplitAfter(string(src), "\n")
	if n < 1 || n > len(lines) {
		return ""
	}
	return lines[n-1]
}
