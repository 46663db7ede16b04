package host_test

import (
	"context"
	_ "embed"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

//go:embed testdata/abuser.wasm
var abuser []byte

// abuserConfig runs testdata/abuser.wat, which says what its tricks are.
func abuserConfig(t *testing.T) host.Config {
	t.Helper()
	c := config(t)
	c.Policy.Grants[0].Functions = []string{"echo"}
	c.Guest.Wasm = func() ([]byte, error) { return abuser, nil }
	c.Guest.Files = files(fstest.MapFS{"a": {Data: []byte("content")}, "b": {}, "c": {}})
	return c
}

// One call of WASI, or one result, must not be much work for the host, or much of its memory.
func TestGuestThatAsksForTooMuchAtOnce(t *testing.T) {
	h := open(t, abuserConfig(t))
	for trick, want := range map[string]string{
		"o": "more than 1024 files open", "v": "asked fd_write for 8372224 at once", "p": "asked path_filestat_get for 67108864 at once",
		"w": "what is withheld has 5999902 bytes",
	} {
		s := session(t, h)
		soon(t, func() {
			r := exec(t, s, trick)
			if r.OK || r.Error.Type != host.GuestCrashed || !strings.Contains(r.Error.Message, want) || !r.Restored {
				t.Errorf("%s: %+v, want %q", trick, r.Error, want)
			}
		})
	}
}

// A call of WASI that has failed may still have read.
func TestFailedReadOfTheRootIsNotLeftToTheNextSession(t *testing.T) {
	h := open(t, abuserConfig(t))
	s := session(t, h)
	want := string(exec(t, s, "s").Value)
	s.Close()

	s = session(t, h)
	if got := string(exec(t, s, "r").Value); got != "121" { // EFAULT
		t.Fatalf("the read has not failed: %s", got)
	}
	s.Close()
	if got := string(exec(t, session(t, h), "s").Value); got != want {
		t.Errorf("the next session sees %s, the first saw %s", got, want)
	}
}

// stopAtFirst is a log that ends the run with the first decision, and counts them.
type stopAtFirst struct {
	stop      context.CancelFunc
	decisions atomic.Int64
}

func (l *stopAtFirst) Append(r *audit.Record) error {
	if r.Kind == audit.Decision {
		l.decisions.Add(1)
		l.stop()
	}
	return nil
}

func (l *stopAtFirst) Close() error { return nil }

// A loop of host calls uses hardly any fuel: without a look at the deadline it would make a slice's worth of calls after its end.
func TestNoCallIsServedAfterTheEnd(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	log := &stopAtFirst{stop: cancel}
	c := abuserConfig(t)
	c.Audit = log
	c.Policy.Limits.HostCalls = 1 << 40
	s := session(t, open(t, c))
	soon(t, func() {
		if _, err := s.Exec(ctx, "c", host.ExecOptions{}); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
	if n := log.decisions.Load(); n != 1 {
		t.Errorf("%d calls were decided", n)
	}
}
