package quickstart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/examples/internal/example"
	"github.com/postern-sandbox/postern/host"
)

func run(t *testing.T, program string) (*host.Result, []audit.Record) {
	t.Helper()
	log := new(example.Records)
	s := example.Session(t, "policy.toml", example.Read(t, "policy.toml"), log, json.Family(), math.Family())
	return example.Run(t, s, program, example.Read(t, program)), log.Kept
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
