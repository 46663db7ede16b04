package log_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/capabilities/log"
	"github.com/postern-sandbox/postern/values"
)

func open(t testing.TB, asJSON bool, keys string) (*familytest.Session, *bytes.Buffer) {
	s := familytest.New(t, log.Family(), t.TempDir(), keys)
	out := new(bytes.Buffer)
	s.Logger = hclog.New(&hclog.LoggerOptions{Name: "postern", Level: hclog.Debug, Output: out, JSONFormat: asJSON})
	return s, out
}

func TestLevelsAndFields(t *testing.T) {
	s, out := open(t, true, "")
	for name, level := range map[string]string{"debug": "debug", "info": "info", "warning": "warn", "error": "error"} {
		out.Reset()
		if _, err := s.CallWith(t.Context(), "log."+name, []any{"said"}, map[string]any{"n": int64(1), "text": "t", "list": values.List{1.5, nil}}); err != nil {
			t.Fatal(err)
		}
		var line map[string]any
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]string{"@level": level, "@message": "said", "@module": "postern.agent", "session": "test", "agent.n": "1", "agent.text": "t", "agent.list": "[1.5, None]"} {
			if line[key] != want {
				t.Errorf("%s: %s is %v, want %s", name, key, line[key], want)
			}
		}
	}
	// Without a logger it says nothing.
	s.Logger = nil
	if _, err := s.Call(t.Context(), "log.info", "x"); err != nil {
		t.Error(err)
	}
}

var hostileTexts = []string{
	"two\nlines", "a\r\nb", "\r[ERROR] forged", "\x00", "\x1b[2J\x1b[31mred", "\x07", "\x7f", "\u0085", "\u009b2J", "\u2028", "\u202eforged", "\u200b", "\ufeff", "\xff\xfe", "\xed\xa0\x80", "\t",
	"2026-01-01T00:00:00Z [ERROR] postern: forged\n2026-01-01T00:00:00Z [INFO]", strings.Repeat("x", 1<<20), strings.Repeat("\n", 1<<16), strings.Repeat("é", 5000), "%s%n%d", "{\"@level\":\"error\"}", "\\n",
}

func TestHostileTexts(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		s, out := open(t, asJSON, "max_line = \"100B\"\n")
		for _, text := range hostileTexts {
			for _, call := range []struct {
				args   []any
				fields map[string]any
			}{{[]any{text}, nil}, {[]any{"m"}, map[string]any{"f": text}}, {[]any{values.List{text}}, map[string]any{"a": text, "b": text}}} {
				out.Reset()
				if _, err := s.CallWith(t.Context(), "log.info", call.args, call.fields); err != nil {
					t.Fatalf("%.30q: %v", text, err)
				}
				line := strings.TrimSuffix(out.String(), "\n")
				if i := strings.IndexFunc(line, func(r rune) bool { return !unicode.IsPrint(r) }); i >= 0 || !utf8.ValidString(line) || len(line) > 700 {
					t.Errorf("%.30q: %d bytes: %.200q", text, len(line), line)
				}
			}
		}
	}
}

func TestHostileFields(t *testing.T) {
	s, out := open(t, true, "")
	for _, name := range []string{"", "a b", "a=b", "@level", "a.b", "a\n", "\x00", "é", "ａ", strings.Repeat("x", 65), "a-b", "\"", "\xff", "agent.x"} {
		_, err := s.CallWith(t.Context(), "log.error", []any{"m"}, map[string]any{name: int64(1)})
		var raised *capabilities.PythonError
		if !errors.As(err, &raised) || raised.Type != "ValueError" {
			t.Errorf("%q: %v", name, err)
		}
	}
	many := make(map[string]any)
	for i := range 33 {
		many[fmt.Sprint("f", i)] = int64(i)
	}
	if _, err := s.CallWith(t.Context(), "log.error", []any{"m"}, many); err == nil {
		t.Error("33 fields")
	}
	if out.Len() > 0 {
		t.Errorf("logged %s", out)
	}
	// A field cannot pass for one of the host's.
	for _, name := range []string{"session", "level", "message", "timestamp", "module"} {
		if _, err := s.CallWith(t.Context(), "log.info", []any{"m"}, map[string]any{name: "forged"}); err != nil {
			t.Error(err)
		}
	}
	if text := out.String(); strings.Count(text, `"session":"test"`) != 5 || strings.Contains(text, `"session":"forged"`) {
		t.Errorf("%s", text)
	}
}

func FuzzLine(f *testing.F) {
	for _, text := range hostileTexts {
		f.Add(text[:min(len(text), 1000)], "value")
	}
	s, out := open(f, false, "max_line = \"200B\"\n")
	f.Fuzz(func(t *testing.T, message, value string) {
		out.Reset()
		if _, err := s.CallWith(t.Context(), "log.info", []any{message}, map[string]any{"f": value}); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); strings.Count(text, "\n") != 1 || len(text) > 900 || strings.ContainsAny(text, "\x00\x1b\r") {
			t.Fatalf("%q", text)
		}
	})
}
