package host_test

import (
	"context"
	"errors"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

// A guest that finishes before it notices that it was to stop has been left with the request. It must not be in what is kept then.
func TestRequestToStopIsNotKept(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := session(t, pythonHostOf(t, "[limits]\noutput = \"4MiB\"\n", audit.Discard))
	exec(t, s, "x = 7")
	// The time is over when the output is seen. What follows, that it is put into JSON, is C code that looks for no request.
	stop := host.ExecOptions{Output: func(string, string) { cancel() }}
	if _, err := s.Exec(ctx, "print('x' * 3_000_000, end='')", stop); !errors.Is(err, context.Canceled) {
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
