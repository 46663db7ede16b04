package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/policies"
)

// errorf prints an error. Parts of it can come from files that nobody has vouched for.
func (c *cli) errorf(format string, args ...any) {
	fmt.Fprintln(c.stderr, visible("error: "+fmt.Sprintf(format, args...)))
}

func (c *cli) hintf(format string, args ...any) { fmt.Fprintf(c.stderr, "hint: "+format+"\n", args...) }

// fail reports an error that is not the agent's code's, and returns its exit code.
func (c *cli) fail(err error) int {
	var mistakes policies.Errors
	if errors.As(err, &mistakes) {
		c.mistakes(mistakes)
		return exitUsage
	}
	var failure *failure
	if errors.As(err, &failure) {
		c.errorf("%v", failure.err)
		if failure.hint != "" {
			c.hintf("%s", failure.hint)
		}
		return failure.code
	}
	c.errorf("%v", err)
	if errors.Is(err, context.Canceled) || c.ctx.Err() != nil {
		return exitInterrupted
	}
	return exitInternal
}

// A failure is an error with its exit code, and perhaps a hint.
type failure struct {
	err  error
	hint string
	code int
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func usageError(hint, format string, args ...any) error {
	return &failure{err: fmt.Errorf(format, args...), hint: hint, code: exitUsage}
}

// nearest returns the name that a mistyped word begins like, or that differs from it in one place.
func nearest(word string, names []string) (string, bool) {
	for _, name := range names {
		if len(word) > 1 && (strings.HasPrefix(name, word) || strings.HasPrefix(word, name)) || oneEditApart(word, name) {
			return name, true
		}
	}
	return "", false
}

// oneEditApart reports whether a becomes b by one insertion, deletion, replacement or swap of neighbours.
func oneEditApart(a, b string) bool {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	a, b = a[i:], b[i:]
	switch {
	case len(a) > len(b):
		return a[1:] == b
	case len(a) < len(b):
		return a == b[1:]
	case a == "":
		return false // the same word
	case a[1:] == b[1:]:
		return true
	}
	return len(a) > 1 && a[0] == b[1] && a[1] == b[0] && a[2:] == b[2:]
}
