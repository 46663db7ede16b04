package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A Position is a place in a policy file. Line and Column begin at 1; Column
// counts characters, not bytes. A Line of 0 means the file as a whole.
type Position struct {
	File   string
	Line   int
	Column int
}

// String returns "policy.toml:12:1", the form that editors and terminals turn
// into a link. Parts that are not known are left out. Control characters and
// the like in the file's name are escaped.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return printable(p.File)
	case p.File == "":
		return fmt.Sprintf("%d:%d", p.Line, p.Column)
	default:
		return fmt.Sprintf("%s:%d:%d", printable(p.File), p.Line, p.Column)
	}
}

// line returns "policy.toml:12", for sentences that point at a whole line.
func (p Position) line() string {
	switch {
	case p.Line == 0:
		return printable(p.File)
	case p.File == "":
		return fmt.Sprintf("line %d", p.Line)
	default:
		return fmt.Sprintf("%s:%d", printable(p.File), p.Line)
	}
}

// An Error is one mistake in a policy, or one warning about it.
type Error struct {
	Position        // of the offending key or value
	Message  string // what is wrong
	Hint     string // what to do about it; may be empty

	// Source is the part of the line at Position that is around it, and Caret
	// the number of characters of Source before it. Source is empty where there
	// is no such line.
	Source string
	Caret  int
}

// Excerpt returns the line at the error's position and, on a second line, a caret
// under the place; or nothing where there is no line. Like [Error.Error] it can be
// shown as it is.
func (e *Error) Excerpt() string {
	if e.Source == "" {
		return ""
	}
	runes := []rune(e.Source)
	before := string(runes[:min(e.Caret, len(runes))])
	return "    " + printable(e.Source) + "\n    " + strings.Repeat(" ", utf8.RuneCountInString(shown(before, e.Source))) + "^"
}

// shown is how a part of a line is printed when the whole of it is printed.
func shown(part, whole string) string {
	if printable(whole) == whole {
		return part
	}
	quoted := strconv.Quote(part)
	return quoted[1 : len(quoted)-1]
}

// errorAt is newError for a place that is known by its line and column.
func (d *document) errorAt(p Position, message, hint string) *Error {
	at := d.lines[min(p.Line, len(d.lines))-1]
	for n := 1; n < p.Column && at < len(d.src); n++ {
		_, size := utf8.DecodeRune(d.src[at:])
		at += size
	}
	e := d.newError(min(at, max(len(d.src)-1, 0)), message, hint)
	e.Position = p
	return e
}

// Mistake makes an error about a place in the policy, or in one that it extends, that only shows when the policy is used: with
// the line, as those of [Parse] have it.
func (p *Policy) Mistake(at Position, message, hint string) *Error {
	for ; p != nil && at.Line > 0; p = p.Base {
		if p.File == at.File && p.source != nil {
			return newDocument(p.File, p.source).errorAt(at, message, hint)
		}
	}
	return &Error{Position: at, Message: message, Hint: hint}
}

// newError makes an error with the piece of the line that it is about.
func (d *document) newError(at int, message, hint string) *Error {
	const around = 60 // characters before the place; twice as many after it
	e := &Error{Position: d.position(at), Message: message, Hint: hint}
	start, end := d.line(e.Line)
	at = min(at, end)
	from, to := at, at
	for n := 0; n < around && from > start; n++ {
		_, size := utf8.DecodeLastRune(d.src[start:from])
		from -= size
	}
	for n := 0; n < 2*around && to < end; n++ {
		_, size := utf8.DecodeRune(d.src[to:end])
		to += size
	}
	// A tab would be shown as an escape: one blank is what columns count.
	e.Source = strings.ReplaceAll(string(d.src[from:to]), "\t", " ")
	e.Caret = utf8.RuneCount(d.src[from:at])
	return e
}

// Error returns "FILE:LINE:COL: message", followed by the hint in parentheses
// if there is one. It is always a single line of printable characters, whatever
// the policy holds, and can be shown on a terminal as it is.
func (e *Error) Error() string {
	text := e.Message
	if where := e.Position.String(); where != "" {
		text = where + ": " + text
	}
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Errors are all the mistakes of one policy, in the order of their positions.
// [Parse] returns its errors as this type.
type Errors []*Error

// Error returns one line for each mistake.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, mistake := range e {
		lines[i] = mistake.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives errors.Is and errors.As the single mistakes.
func (e Errors) Unwrap() []error {
	errs := make([]error, len(e))
	for i, mistake := range e {
		errs[i] = mistake
	}
	return errs
}

func (e Errors) sort() {
	slices.SortStableFunc(e, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
}
