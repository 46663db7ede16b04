// Package example runs the programs of the examples under their policies, for their tests.
package example

import (
	"os"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// Records is a log in memory, for one session at a time.
type Records struct{ Kept []audit.Record }

// Append implements audit.Log.
func (r *Records) Append(record *audit.Record) error {
	r.Kept = append(r.Kept, *record)
	return nil
}

// Close implements audit.Log.
func (r *Records) Close() error { return nil }

// Read gives the text of a file.
func Read(t testing.TB, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Session makes a session that can be granted the families, under a policy's text that is said to be in a file. Both end with the test.
func Session(t testing.TB, file, text string, log audit.Log, families ...capabilities.Family) *host.Session {
	t.Helper()
	registry, err := capabilities.NewRegistry(families...)
	if err != nil {
		t.Fatal(err)
	}
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse(file, []byte(text), policies.Vocabulary{Families: registry.Vocabulary(), Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry, Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	session, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// Run runs code that tracebacks call by a name.
func Run(t testing.TB, s *host.Session, name, code string) *host.Result {
	t.Helper()
	result, err := s.Exec(t.Context(), code, host.ExecOptions{Filename: name})
	if err != nil {
		t.Fatal(err)
	}
	return result
}
