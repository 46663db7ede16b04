package quickstart_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// records keeps the audit records in memory.
type records struct{ kept []audit.Record }

func (r *records) Append(record *audit.Record) error {
	r.kept = append(r.kept, *record)
	return nil
}

func (r *records) Close() error { return nil }

func run(t *testing.T, program string) (*host.Result, []audit.Record) {
	t.Helper()
	registry, err := capabilities.NewRegistry(json.Family(), math.Family())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("policy.toml", text, policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	log := new(records)
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry, Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	session, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	result, err := session.Exec(t.Context(), string(code), host.ExecOptions{Filename: program})
	if err != nil {
		t.Fatal(err)
	}
	return result, log.kept
}

func TestAgent(t *testing.T) {
	result, log := run(t, "agent.py")
	const want = `the square root of 125 is 11.180339887498949
{"question": "square root of 125", "answer": 11.180339887498949}
refused: import of 'socket' is not authorized by policy 'quickstart'
`
	if result.Error != nil || result.Stdout != want {
		t.Errorf("error %v, stdout:\n%s", result.Error, result.Stdout)
	}
	for _, capability := range []string{"math.sqrt", "json.dumps"} {
		of := func(kind audit.Kind) int {
			return slices.IndexFunc(log, func(r audit.Record) bool { return r.Kind == kind && r.Capability == capability })
		}
		if decision, outcome := of(audit.Decision), of(audit.Outcome); decision < 0 || outcome != decision+1 {
			t.Errorf("%s: decision is record %d, outcome %d", capability, decision, outcome)
		}
	}
}

func TestDenied(t *testing.T) {
	result, _ := run(t, "denied.py")
	if result.Error == nil || !result.Error.Denied || !strings.Contains(result.Error.Message, `add 'cos' to functions of [grant.math] in policy.toml`) {
		t.Errorf("error %v", result.Error)
	}
}
