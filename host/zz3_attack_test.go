package host_test

import (
	"bytes"
	"context"
	"math/rand"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
)

func TestCStress(t *testing.T) {
	for _, stateful := range []string{"true", "false"} {
		names := []string{"count", "loop", "trap", "grow", "exit", "quiet", "bomb", "fail"}
		c := toolConfig(t, "hostile", "stateful = "+stateful+"\nlimits = { fuel = 1_000_000_000_000, wall_time = \"30ms\" }\n[limits]\nwall_time = \"50ms\"\n", names...)
		c.Cache = t.TempDir()
		h, err := host.New(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		var g sync.WaitGroup
		end := time.Now().Add(4 * time.Second)
		for i := range 6 {
			g.Go(func() {
				r := rand.New(rand.NewSource(int64(i)))
				var s *host.Session
				var err error
				for time.Now().Before(end) {
					if s == nil {
						if s, err = h.NewSession(t.Context()); err != nil {
							return
						}
					}
					ctx, cancel := context.WithTimeout(t.Context(), time.Duration(r.Intn(60))*time.Millisecond)
					switch r.Intn(10) {
					case 0:
						s.Reset(ctx)
					case 1:
						if f, err := s.Fork(ctx); err == nil {
							f.Exec(ctx, hostcall(r.Intn(8), "{}"), host.ExecOptions{})
							f.Close()
						}
					case 2:
						var b bytes.Buffer
						if s.Save(&b) == nil {
							if f, err := h.Restore(ctx, &b); err == nil {
								f.Exec(ctx, hostcall(r.Intn(8), "{}"), host.ExecOptions{})
								f.Close()
							}
						}
					case 3:
						s.Close()
						s = nil
					case 4:
						s.Checkpoint()
					default:
						s.Exec(ctx, hostcall(r.Intn(8), "{}"), host.ExecOptions{})
					}
					cancel()
				}
			})
		}
		time.Sleep(3 * time.Second)
		h.Close()
		g.Wait()
	}
}
