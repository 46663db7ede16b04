package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// A Session is one interpreter. What one call leaves behind, variables and modules, the next one finds. A session serves
// one call at a time: another that comes meanwhile gets [ErrBusy], and neither is harmed.
//
// A guest that was stopped by force, or crashed, is broken: its session falls back to the last state that was kept, which
// is what it began with if that was its first call, or what [Session.Checkpoint] kept if there was no call since. If there is
// no such state, the session is lost.
type Session struct {
	host     *Host
	id       string
	instance *instance // nil after a fall, until the next call
	journal  journal
	number   int            // of execs
	usage    policies.Usage // of the policy's quotas; like number, for whoever is busy

	plugins map[*tool]*instance // those that remember for the session

	kept    *delta // the last state that was kept; nil: that of a new session
	current bool   // kept is what the session is: nothing has run since

	busy   atomic.Bool
	lost   atomic.Bool
	closed bool // under busy
}

// ExecOptions are the lesser settings of [Session.Exec].
type ExecOptions struct {
	// Filename is what tracebacks call the code. Empty leaves it to the guest.
	Filename string

	// Output, if not nil, is given what the code prints while it runs.
	Output Output
}

// CallOptions are the lesser settings of [Session.Call].
type CallOptions struct {
	// Output, if not nil, is given what the code prints while it runs.
	Output Output
}

// NewSession makes an interpreter that is as if it had just started. The session must be closed; closing the host closes it too.
func (h *Host) NewSession(ctx context.Context) (*Session, error) {
	if err := h.begin(); err != nil {
		return nil, err
	}
	defer h.end()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("host: new session: %w", err)
	}
	return h.openSession(ctx, nil, origin{})
}

// An origin is the session that another one goes on from; the zero origin is none.
type origin struct {
	id     string
	number int            // of its execs
	usage  policies.Usage // of the policy's quotas
}

// openSession makes a session that begins as d says. The caller keeps the host open.
func (h *Host) openSession(ctx context.Context, d *delta, from origin) (*Session, error) {
	s := &Session{host: h, id: newID(), kept: d, current: true, number: from.number, usage: from.usage.Clone()}
	s.journal = h.newJournal(s.id)
	err := s.journal.write(audit.SessionOpened, func(r *audit.Record) {
		h.describe(r)
		r.From = from.id
	})
	if err != nil {
		return nil, err
	}
	if s.instance, err = h.program.newInstance(ctx, d); err != nil {
		return nil, errors.Join(err, s.end())
	}
	h.enlist(s)
	return s, nil
}

func newID() string {
	id := make([]byte, 16)
	rand.Read(id) // never fails: it ends the program instead
	return hex.EncodeToString(id)
}

// ID identifies the session in audit records: 32 hexadecimal digits.
func (s *Session) ID() string { return s.id }

// Lost reports whether the interpreter is gone. Every call but [Session.Reset] and [Session.Close] then answers [ErrSessionLost].
func (s *Session) Lost() bool { return s.lost.Load() }

// Exec runs Python code. The result's value is that of the last statement, if it is an expression.
//
// When ctx ends first, the guest is asked to stop and then stopped, and the error is ctx's. The policy's limits, wall_time
// too, make no error but a result. [Result.Restored] and [Session.Lost] tell what became of a session that was stopped by force.
func (s *Session) Exec(ctx context.Context, code string, options ExecOptions) (*Result, error) {
	request, err := execRequest(code, options)
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, "exec", request, options.Output)
}

// Set gives values to global variables of the interpreter. They are any that values.Append takes.
func (s *Session) Set(ctx context.Context, variables map[string]any) (*Result, error) {
	request, err := setRequest(variables, s.host.bounds.input)
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, "set", request, nil)
}

// Call calls a function that code in the session has defined. The result's value is what it returned.
func (s *Session) Call(ctx context.Context, function string, args []any, kwargs map[string]any, options CallOptions) (*Result, error) {
	request, err := callRequest(function, args, kwargs, s.host.bounds.input)
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, "call", request, options.Output)
}

// Close ends the session. Its interpreter may serve another one, after all that was in it has been put back to what a new one has. A
// session that is busy is not closed: [ErrBusy]. Closing again does nothing.
func (s *Session) Close() error {
	release, err := s.acquire()
	switch {
	case errors.Is(err, ErrClosed):
		return nil // the host has closed it, or is about to
	case err != nil:
		return err
	}
	defer release()
	return s.end()
}

// acquire takes the session for one call, until release is called.
func (s *Session) acquire() (release func(), err error) {
	if err := s.host.begin(); err != nil {
		return nil, err
	}
	if !s.busy.CompareAndSwap(false, true) {
		s.host.end()
		return nil, ErrBusy
	}
	release = func() {
		s.busy.Store(false)
		s.host.end()
	}
	if s.closed {
		release()
		return nil, ErrClosed
	}
	return release, nil
}

// end closes the session; the caller has it to itself.
func (s *Session) end() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.host.dismiss(s)
	err := s.journal.write(audit.SessionClosed, func(r *audit.Record) { r.Lost = s.lost.Load() })
	err = errors.Join(err, s.dropPlugins())
	if s.instance != nil {
		err = errors.Join(err, s.host.program.retire(s.instance))
		s.instance = nil
	}
	return err
}

// enter is the way of all calls into the guest.
func (s *Session) enter(ctx context.Context, entry string, request []byte, output Output) (*Result, error) {
	release, err := s.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	switch {
	case s.lost.Load():
		return nil, ErrSessionLost
	case len(request) > s.host.bounds.input:
		return nil, ErrTooLarge
	case ctx.Err() != nil:
		return nil, fmt.Errorf("host: %s: %w", entry, context.Cause(ctx))
	}
	if err := s.revive(ctx); err != nil {
		return nil, err
	}
	s.number++
	x := &execution{session: s, instance: s.instance, journal: s.journal}
	x.journal.common.Exec, x.journal.room = s.number, contentRoom
	x.outlet = newOutlet(output, s.host.limits.Output, x.outputPanicked)
	err = x.journal.write(audit.ExecStarted, func(r *audit.Record) {
		r.Entry = entry
		r.InputDigest, r.Input = x.journal.content(request)
	})
	if err != nil {
		return nil, err
	}
	result, err := x.run(ctx, entry, request)
	restored := false
	if s.instance.broken {
		restored = s.fall()
	} else {
		s.current = false
	}
	if result != nil {
		result.Restored = restored
	}
	if recordErr := x.recordEnd(result, err, restored); recordErr != nil {
		return nil, errors.Join(err, recordErr)
	}
	return result, err
}

// fall gets rid of a broken instance and reports whether there is a state to go on from.
func (s *Session) fall() bool {
	if err := s.instance.close(context.Background()); err != nil {
		s.host.logger.Warn("closing a guest that was stopped", "session", s.id, "error", err)
	}
	s.instance = nil
	if err := s.dropPlugins(); err != nil {
		s.host.logger.Warn("closing a plugin", "session", s.id, "error", err)
	}
	s.lost.Store(!s.current)
	return s.current
}

// revive gives the session an instance after a fall.
func (s *Session) revive(ctx context.Context) (err error) {
	if s.instance == nil {
		s.instance, err = s.host.program.newInstance(ctx, s.kept)
	}
	return err
}

// canceled is what records say of an exec, or a call, that its caller ended.
const canceled = "Canceled"

func (x *execution) recordEnd(result *Result, err error, restored bool) error {
	if result != nil {
		for _, w := range result.Withheld {
			if err := x.journal.write(audit.Withheld, func(r *audit.Record) { r.Withheld = w.Kind + " " + w.Name }); err != nil {
				return err
			}
		}
	}
	return x.journal.write(audit.ExecEnded, func(r *audit.Record) {
		ok := result != nil && result.OK
		r.OK, r.Lost, r.Restored = &ok, x.session.lost.Load(), restored
		switch {
		case result == nil:
			r.Error, r.Detail = canceled, err.Error()
			return
		case result.Error != nil:
			r.Error, r.Limit = result.Error.Type, result.Error.Limit
			if x.journal.words { // the code chooses them, and may put data into them
				r.Detail = result.Error.Message
			}
		}
		r.ValueDigest, r.StdoutDigest, r.StderrDigest = digestOf(result.Value), digestOf([]byte(result.Stdout)), digestOf([]byte(result.Stderr))
		r.Usage = (*audit.Usage)(&result.Usage)
		r.Duration = time.Duration(result.Usage.WallMS * float64(time.Millisecond))
	})
}

// oneLine is for texts that come from the guest and go into the host's own sentences.
func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(strings.TrimSuffix(line, "(recovered by wazero)"))
}
