package env_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/env"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

const grant = "names = [\"POSTERN_TEST_SHOWN\", \"POSTERN_TEST_UNSET\", \"POSTERN_TEST_EMPTY\", \"POSTERN_TEST_BYTES\"]\n"

func open(t *testing.T) *familytest.Session {
	t.Setenv("POSTERN_TEST_SHOWN", "shown")
	t.Setenv("POSTERN_TEST_EMPTY", "")
	t.Setenv("POSTERN_TEST_BYTES", "\xff")
	t.Setenv("POSTERN_TEST_SECRET", "secret")
	t.Setenv("POSTERN_TEST_SHOWN_TOO", "secret")
	return familytest.New(t, env.Family(), t.TempDir(), grant)
}

func TestNamedVariables(t *testing.T) {
	s := open(t)
	for _, test := range []struct {
		args []any
		want any
	}{
		{[]any{"POSTERN_TEST_SHOWN"}, "shown"}, {[]any{"POSTERN_TEST_EMPTY", "x"}, ""}, {[]any{"POSTERN_TEST_UNSET"}, nil}, {[]any{"POSTERN_TEST_UNSET", int64(1)}, int64(1)},
	} {
		if got, err := s.Call(t.Context(), "env.get", test.args...); err != nil || got != test.want {
			t.Errorf("%v: %v, %v", test.args, got, err)
		}
	}
	var raised *capabilities.PythonError
	if _, err := s.Call(t.Context(), "env.get", "POSTERN_TEST_BYTES"); !errors.As(err, &raised) || raised.Type != "ValueError" {
		t.Errorf("%v", err)
	}
	if got, err := s.Call(t.Context(), "env.list"); err != nil || !reflect.DeepEqual(got, []string{"POSTERN_TEST_BYTES", "POSTERN_TEST_EMPTY", "POSTERN_TEST_SHOWN"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func TestHostileNames(t *testing.T) {
	s := open(t)
	for _, name := range []any{
		"POSTERN_TEST_SECRET", "POSTERN_TEST_SHOWN_TOO", "PATH", "HOME", "", " ", "=", "POSTERN_TEST_SHOWN=", "POSTERN_TEST_SHOWN=shown", "POSTERN_TEST_SHOWN\x00", "\x00POSTERN_TEST_SHOWN",
		"POSTERN_TEST_SHOWN\x00_TOO", " POSTERN_TEST_SHOWN", "POSTERN_TEST_SHOWN ", "postern_test_shown", "POSTERN_TEST_SHOW", "POSTERN_TEST_*", "*", "$POSTERN_TEST_SHOWN", "${POSTERN_TEST_SHOWN}", "%POSTERN_TEST_SHOWN%",
		"ＰOSTERN_TEST_SHOWN", "POSTERN_TEST_SHOWN\n", "\xff", "\xed\xa0\x80", strings.Repeat("A", 1<<20), "names",
		nil, true, int64(0), 1.5, values.Bytes("POSTERN_TEST_SHOWN"), values.List{"POSTERN_TEST_SHOWN"}, values.Tuple{"POSTERN_TEST_SHOWN"},
	} {
		_, err := s.Call(t.Context(), "env.get", name, "default")
		var denied *familytest.Denied
		if !errors.As(err, &denied) {
			t.Errorf("%.50q: %v", name, err)
			continue
		}
		if !strings.Contains(denied.Hint, "POSTERN_TEST_SHOWN") || strings.Contains(denied.Reason+denied.Hint, "secret") || len(denied.Reason) > 600 {
			t.Errorf("%.50q: %q, %q", name, denied.Reason, denied.Hint)
		}
	}
}

func TestScopeMistakes(t *testing.T) {
	for _, test := range []string{"", "names = []", "names = \"A\"", "names = [\"\"]", "names = [\"A=B\"]", "names = [\"*\"]", "names = [\"A\\u0000\"]", "names = [1]"} {
		if _, err := policies.ParseScope(env.Family().Scopes, test); err == nil {
			t.Errorf("%s was accepted", test)
		}
	}
}
