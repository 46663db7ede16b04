// Package log is the capability family "log": lines in the host's own log, which an operator reads.
//
// What code says there stays recognisable as what code said: it is under the name "agent", its fields begin with "agent.", control characters
// are made visible, and it is cut at a bound.
package log

import (
	"context"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// What one line may have, besides the scope's max_line.
const (
	maxFields = 32
	maxField  = 64 // bytes of a field's name
)

// Family gives the family. Its functions write to the logger of the host that makes the call.
func Family() capabilities.Family {
	function := func(name string, level hclog.Level, doc string) capabilities.Capability {
		return capabilities.New(capabilities.Spec{
			Family: "log", Function: name, Signature: "(message, /, **fields)", Doc: doc, Effects: capabilities.Writes,
		}, func(_ context.Context, args capabilities.Arguments) (any, error) { return nil, line(level, args) })
	}
	return capabilities.Family{
		Name: "log",
		Doc:  "Lines in the host's log",
		Scopes: []policies.ScopeKey{{
			Name: "max_line", Type: policies.ScopeSize, Default: "4KiB", Min: 64, Max: 64 << 10,
			Doc:     "How long a message and its fields together may be; the rest is cut.",
			Example: "1KiB",
		}},
		Capabilities: []capabilities.Capability{
			function("debug", hclog.Debug, "Log what helps to find a mistake."),
			function("info", hclog.Info, "Log what happens."),
			function("warning", hclog.Warn, "Log what may be wrong."),
			function("error", hclog.Error, "Log what went wrong."),
		},
	}
}

func line(level hclog.Level, args capabilities.Arguments) error {
	fields := args.Get("fields").(*values.Dict)
	if fields.Len() > maxFields {
		return capabilities.Raise("ValueError", "a line has at most %d fields, not %d", maxFields, fields.Len())
	}
	room := int(args.Scope().Number("max_line"))
	message := cut(text(args.Get("message")), &room)
	pairs := []any{"session", args.Session().ID}
	for name, value := range fields.All() {
		name, ok := name.(string)
		if !ok || !isName(name) {
			return capabilities.Raise("ValueError", "%.100q is not the name of a field: letters, digits and \"_\", at most %d", fmt.Sprint(name), maxField)
		}
		pairs = append(pairs, "agent."+name, cut(text(value), &room))
	}
	if logger := args.Session().Logger; logger != nil {
		logger.Named("agent").Log(level, message, pairs...)
	}
	return nil
}

// isName reports whether a field may have the name.
func isName(name string) bool {
	return name != "" && len(name) <= maxField && !strings.ContainsFunc(name, func(r rune) bool {
		return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
	})
}

// text is a str itself, of anything else what Python's repr() gives.
func text(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return values.Format(v)
}

// cut makes control characters, and others that show nothing or change the order of a line, visible, and takes what it uses from the room. What
// does not fit is left out, with a notice.
func cut(s string, room *int) string {
	var b strings.Builder
	for i, r := range s {
		part := string(r)
		if r == utf8.RuneError {
			part = "�"
		} else if !unicode.IsPrint(r) {
			part = fmt.Sprintf("\\u{%x}", r)
			switch r {
			case '\n':
				part = `\n`
			case '\r':
				part = `\r`
			case '\t':
				part = `\t`
			}
		}
		if len(part) > *room-b.Len() {
			fmt.Fprintf(&b, "… (%d bytes more)", len(s)-i)
			*room = 0
			return b.String()
		}
		b.WriteString(part)
	}
	*room -= b.Len()
	return b.String()
}
