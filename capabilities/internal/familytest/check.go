package familytest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
)

// Must is Call for a call that must not fail.
func (s *Session) Must(t testing.TB, name string, args ...any) any {
	t.Helper()
	v, err := s.Call(t.Context(), name, args...)
	if err != nil {
		t.Fatalf("%s%q: %v", name, args, err)
	}
	return v
}

// Raises checks that a call fails with an exception of a class, or is "Denied" by the policy.
func Raises(t testing.TB, class string, err error) {
	t.Helper()
	var raised *capabilities.PythonError
	var denied *Denied
	got := fmt.Sprint(err)
	switch {
	case errors.As(err, &denied):
		got = "Denied"
	case errors.As(err, &raised):
		got = raised.Type
	}
	if got != class {
		t.Errorf("got %s (%v), want %s", got, err, class)
	}
}

// FailsWith checks the class of an exception, and a part of its message.
func FailsWith(t testing.TB, err error, class, part string) {
	t.Helper()
	var raised *capabilities.PythonError
	if !errors.As(err, &raised) || raised.Type != class || !strings.Contains(raised.Message, part) {
		t.Errorf("got %v, want %s with %q", err, class, part)
	}
}

// IsDenied checks the key of a denial by the capability itself, and a part of its reason.
func IsDenied(t testing.TB, err error, key, part string) {
	t.Helper()
	var denied *capabilities.Denied
	if !errors.As(err, &denied) || denied.Key != key || !strings.Contains(denied.Reason, part) {
		t.Errorf("got %v, want a denial by %s with %q", err, key, part)
	}
}
