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
type Session struct {
	host     *Host
	id       string
	instance *instance
	journal  journal
	number   int            // of execs
	usage    policies.Usage // of the policy's quotas; like number, for whoever is busy

	busy   atomic.Bool
	lost   atomic.Bool
	closed bool // under busy
}

// ExecOptions are the lesser settings of [Session.Exec].
type ExecOptions struct {
	// Filename is what tracebacks call the code. Empty leaves it to the guest.
	Filename string
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
	s := &Session{host: h, id: newID()}
	s.journal = h.newJournal(s.id)
	if err := s.journal.write(audit.SessionOpened, func(r *audit.Record) { r.PolicyName = h.policy.Name }); err != nil {
		return nil, err
	}
	var err error
	if s.instance, err = h.compiled.instantiate(ctx, h.files, &guestMemory{image: h.image}); err != nil {
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

// Lost reports whether the interpreter is gone. Every call then answers [ErrSessionLost].
func (s *Session) Lost() bool { return s.lost.Load() }

// Exec runs Python code. The result's value is that of the last statement, if it is an expression.
//
// When ctx ends first, the guest is asked to stop and then stopped, and the error is ctx's. The policy's limits, wall_time
// too, make no error but a result. [Session.Lost] tells whether the session can still be used.
func (s *Session) Exec(ctx context.Context, code string, options ExecOptions) (*Result, error) {
	request, err := execRequest(code, options)
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, "exec", request)
}

// Set gives values to global variables of the interpreter. They are any that values.Append takes.
func (s *Session) Set(ctx context.Context, variables map[string]any) (*Result, error) {
	request, err := setRequest(variables, s.host.bounds.input)
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, "set", request)
}

// Call calls a function that code in the session has defined. The result's value is what it returned.
func (s *Session) Call(ctx context.Context, function string, args []any, kwargs map[string]any) (*Result, error) {
	request, err := callRequest(function, args, kwargs, s.host.bounds.input)
	if err != nil {
		return nil, err
	}
	return s.enter(ctx, "call", request)
}

// Close ends the session and frees its memory. A session that is busy is not closed: [ErrBusy]. Closing again does nothing.
func (s *Session) Close() error {
	if err := s.host.begin(); err != nil {
		return nil // the host has closed it, or is about to
	}
	defer s.host.end()
	if !s.busy.CompareAndSwap(false, true) {
		return ErrBusy
	}
	defer s.busy.Store(false)
	return s.end()
}

// end closes the session; the caller has it to itself.
func (s *Session) end() error {
	if s.closed {
		return nil
	}
	s.closed = true
	s.host.dismiss(s)
	err := s.journal.write(audit.SessionClosed, func(r *audit.Record) { r.Lost = s.lost.Load() })
	if s.instance != nil {
		err = errors.Join(err, s.instance.close(context.Background()))
	}
	return err
}

// enter is the way of all calls into the guest.
func (s *Session) enter(ctx context.Context, entry string, request []byte) (*Result, error) {
	if err := s.host.begin(); err != nil {
		return nil, err
	}
	defer s.host.end()
	if !s.busy.CompareAndSwap(false, true) {
		return nil, ErrBusy
	}
	defer s.busy.Store(false)
	switch {
	case s.closed:
		return nil, ErrClosed
	case s.lost.Load():
		return nil, ErrSessionLost
	case len(request) > s.host.bounds.input:
		return nil, ErrTooLarge
	case ctx.Err() != nil:
		return nil, fmt.Errorf("host: %s: %w", entry, context.Cause(ctx))
	}
	s.number++
	x := &execution{session: s, journal: s.journal}
	x.journal.common.Exec, x.journal.room = s.number, contentRoom
	err := x.journal.write(audit.ExecStarted, func(r *audit.Record) {
		r.Entry = entry
		r.InputDigest, r.Input = x.journal.content(request)
	})
	if err != nil {
		return nil, err
	}
	result, err := x.run(ctx, entry, request)
	if recordErr := x.recordEnd(result, err); recordErr != nil {
		return nil, errors.Join(err, recordErr)
	}
	return result, err
}

func (x *execution) recordEnd(result *Result, err error) error {
	if result != nil {
		for _, w := range result.Withheld {
			if err := x.journal.write(audit.Withheld, func(r *audit.Record) { r.Withheld = w.Kind + " " + w.Name }); err != nil {
				return err
			}
		}
	}
	return x.journal.write(audit.ExecEnded, func(r *audit.Record) {
		ok := result != nil && result.OK
		r.OK = &ok
		switch {
		case result == nil:
			r.Error, r.Detail = "Canceled", err.Error()
			return
		case result.Error != nil:
			r.Error, r.Limit = result.Error.Type, result.Error.Limit
			if x.journal.full { // the code chooses the words, and may put data into them
				r.Detail = result.Error.Message
			}
		}
		r.Usage = (*audit.Usage)(&result.Usage)
		r.Duration = time.Duration(result.Usage.WallMS * float64(time.Millisecond))
	})
}

// oneLine is for texts that come from the guest and go into the host's own sentences.
func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return strings.TrimSpace(strings.TrimSuffix(line, "(recovered by wazero)"))
}
