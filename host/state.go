package host

import (
	"context"
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// Reset makes the session what it was when it was new: no variable, module or quota of what has run is left. It works on a lost
// session too. It takes about a tenth of a millisecond, or half of one when the guest has to be made anew, because its memory has grown
// or code has left files open.
func (s *Session) Reset(ctx context.Context) error {
	release, err := s.acquire()
	if err != nil {
		return err
	}
	defer release()
	if err := s.journal.write(audit.SessionReset, func(*audit.Record) {}); err != nil {
		return err
	}
	s.kept, s.current, s.usage = nil, true, policies.Usage{}
	if err := s.dropPlugins(); err != nil {
		s.host.logger.Warn("closing a plugin", "session", s.id, "error", err)
	}
	if s.instance != nil && !s.instance.restart(nil) {
		s.fall()
	}
	s.lost.Store(false)
	return s.revive(ctx)
}

// Checkpoint keeps what the session is now, for it to fall back to when a later call has to be stopped by force. It copies the
// memory that the session has changed, so it costs more the more that is. A state that was kept before is forgotten.
//
// It fails with [ErrOpenFiles] while code has files open, and with [ErrToolState] when it has called a stateful tool; the session is not harmed.
func (s *Session) Checkpoint() error {
	release, err := s.acquire()
	if err != nil {
		return err
	}
	defer release()
	return s.keep()
}

// keep makes the state that the session has the one that is kept.
func (s *Session) keep() error {
	switch {
	case s.lost.Load():
		return ErrSessionLost
	case s.current:
		return nil
	case len(s.plugins) > 0:
		return fmt.Errorf("%w: %s", ErrToolState, strings.Join(s.statefulTools(), ", "))
	}
	d, err := s.instance.capture()
	if err != nil {
		return err
	}
	s.kept, s.current = d, true
	return nil
}

// Fork returns another session that has what this one has now, variables, functions and modules, what it has used of quotas and the
// answers of humans that hold for it, and goes on by itself. This one is
// unchanged, except that it has a checkpoint as by [Session.Checkpoint], with whose errors Fork fails, too.
func (s *Session) Fork(ctx context.Context) (*Session, error) {
	release, err := s.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	if err := s.keep(); err != nil {
		return nil, err
	}
	return s.host.openSession(ctx, s.kept, origin{s.id, s.number, s.usage})
}
