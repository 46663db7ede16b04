package host_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
)

// Everything that can be asked of sessions is asked of the same few at once, from many goroutines, while some of their runs are stopped by force and, in
// the end, while the host closes. Calls may be refused; nothing else may go wrong, and what one session knows no other one may.
func TestSessionsUnderStress(t *testing.T) {
	c := config(t)
	c.Policy.Limits.WallTime = 30 * time.Millisecond
	h, err := host.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := h.NewPool(host.PoolConfig{Sessions: 4})
	if err != nil {
		t.Fatal(err)
	}
	var saved bytes.Buffer
	first, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Save(&saved); err != nil {
		t.Fatal(err)
	}
	allowed := func(err error) bool {
		for _, known := range []error{host.ErrBusy, host.ErrClosed, host.ErrSessionLost, host.ErrOpenFiles, context.DeadlineExceeded} {
			if errors.Is(err, known) {
				return true
			}
		}
		return err == nil
	}
	const shared, workers, rounds = 3, 6, 120
	var sessions [shared]struct {
		sync.Mutex
		*host.Session
	}
	for i := range sessions {
		sessions[i].Session = first
	}
	var wait sync.WaitGroup
	for w := range workers {
		wait.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(w)))
			for range rounds {
				slot := &sessions[random.IntN(shared)]
				slot.Lock()
				s := slot.Session
				slot.Unlock()
				put := func(s *host.Session, err error) error {
					if err == nil {
						slot.Lock()
						slot.Session = s
						slot.Unlock()
					}
					return err
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				var err error
				switch random.IntN(10) {
				case 0:
					err = put(h.NewSession(ctx))
				case 1:
					err = s.Close()
				case 2:
					err = s.Reset(ctx)
				case 3:
					err = put(s.Fork(ctx))
				case 4:
					err = s.Save(new(bytes.Buffer))
				case 5:
					err = put(h.Restore(ctx, bytes.NewReader(saved.Bytes())))
				case 6:
					_, err = s.Exec(ctx, "loop", host.ExecOptions{})
				case 7:
					_, err = s.Exec(ctx, "grow 1\nopen none\ntrap", host.ExecOptions{})
				case 8:
					err = s.Checkpoint()
				default:
					err = pool.Do(ctx, func(s *host.Session) error {
						r, err := s.Exec(ctx, "get secret", host.ExecOptions{})
						if err == nil && r.OK {
							t.Errorf("a new session knows %s", r.Value)
						}
						if err == nil {
							_, err = s.Set(ctx, map[string]any{"secret": w})
						}
						return err
					})
				}
				cancel()
				if !allowed(err) {
					t.Errorf("%v", err)
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { wait.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(1500 * time.Millisecond): // in the middle of it
	}
	if err := h.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	<-done
}
