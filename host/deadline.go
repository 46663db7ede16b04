package host

import (
	"context"
	"errors"
	"sync"
	"time"
)

// errWallTime is the cause of a context that ended because of limits.wall_time.
var errWallTime = errors.New("host: wall_time")

// A deadline ends a context when the time of one run is over. While it is paused no time passes for the run.
type deadline struct {
	mu     sync.Mutex
	begun  time.Time
	timer  *time.Timer
	since  time.Time     // since when the timer runs
	left   time.Duration // what was left then
	paused time.Duration // altogether
	stop   func()
}

// deadline returns a context that ends with ctx, when the host closes, or after limit, whichever is first; its cause says
// which. The deadline must be stopped.
//
// The host of a tool closes with the one that calls it, and so with ctx: a tool must not know of it before its caller does, who would take it for the tool's
// fault.
func (h *Host) deadline(ctx context.Context, limit time.Duration) (context.Context, *deadline) {
	caller := ctx
	ctx, cancel := context.WithCancelCause(caller)
	disconnect := func() bool { return false }
	if h.tool == nil {
		disconnect = context.AfterFunc(h.closing, func() { cancel(ErrClosed) })
	}
	now := time.Now()
	d := &deadline{begun: now, since: now, left: limit}
	d.timer = time.AfterFunc(limit, func() {
		if ends, ok := caller.Deadline(); ok && !time.Now().Before(ends) {
			return // the caller's time was over first, and its own timer is about to say so
		}
		cancel(errWallTime)
	})
	d.stop = func() {
		d.timer.Stop()
		disconnect()
		cancel(nil)
	}
	return ctx, d
}

// pause stops the time until resume is called. A deadline that is over stays so.
func (d *deadline) pause() (resume func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	began := time.Now()
	running := d.timer.Stop()
	if running {
		d.left -= began.Sub(d.since)
	}
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.paused += time.Since(began)
		if running {
			d.since = time.Now()
			d.timer.Reset(max(d.left, 0))
		}
	}
}

// took returns how long the run has taken, without the time for which it was paused.
func (d *deadline) took() time.Duration { return time.Since(d.begun) - d.waited() }

// waited returns for how long the deadline was paused altogether.
func (d *deadline) waited() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.paused
}
