package host_test

import (
	"context"
	"errors"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

// stopAtOutcome is a log that ends a run with the first outcome.
type stopAtOutcome struct{ stop context.CancelFunc }

func (l *stopAtOutcome) Append(r *audit.Record) error {
	if r.Kind == audit.Outcome {
		l.stop()
	}
	return nil
}

func (l *stopAtOutcome) Close() error { return nil }

// A guest that finishes before it notices that it was to stop has been left with the request. It must not be in what is kept then.
func TestRequestToStopIsNotKept(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := session(t, pythonHostOf(t, "[limits]\noutput = \"4MiB\"\n", &stopAtOutcome{cancel}))
	exec(t, s, "import math\nx = 7")
	// The time is over with the call. What follows, that the output is put into JSON, is C code that looks for no request.
	if _, err := s.Exec(ctx, "print('x' * 3_000_000)\nmath.sqrt(4)", host.ExecOptions{}); !errors.Is(err, context.Canceled) {
		t.Fatalf("error %v", err)
	}
	if s.Lost() {
		t.Skip("this machine was so slow that the guest was stopped by force")
	}
	fork, err := s.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer fork.Close()
	for name, s := range map[string]*host.Session{"the session": s, "its fork": fork} {
		if r := exec(t, s, "x"); string(r.Value) != "7" {
			t.Errorf("%s: %s %+v", name, r.Value, r.Error)
		}
	}
}
