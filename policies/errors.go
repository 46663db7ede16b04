package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
