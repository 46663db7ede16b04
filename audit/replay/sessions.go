package replay

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"

	"github.com/postern-sandbox/postern/audit"
)

// A Session is what a log says of one session.
type Session struct {
	ID     string
	Opened *audit.Record // nil if the log does not have its beginning
	Execs  []*Exec
	Ended  bool // it was closed; otherwise the log ends before it does

	reset bool // it was reset since the last exec
}

// An Exec is one call into the guest.
type Exec struct {
	Reset    bool // the session was reset before it
	Started  *audit.Record
	Calls    []*Call
	Within   []*audit.Record // the decisions about what tools themselves called
	Withheld []string
	Ended    *audit.Record // nil if the log ends before it does
}

// A Call is one host call.
type Call struct {
	Decision *audit.Record
	Outcome  *audit.Record // nil if it was denied, or the log ends before
}

// Sessions gives the sessions of a log that are wanted, each when its last record was read. Those that were not closed come at the end. Records that
// do not follow each other as a session's do are an error.
func Sessions(reader *audit.Reader, wanted func(id string) bool) iter.Seq2[*Session, error] {
	return func(yield func(*Session, error) bool) {
		open := map[string]*Session{}
		var order []string
		for {
			e, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil && e.Err != nil {
				err = fmt.Errorf("replay: record %d: %w", e.Number, e.Err)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			r := e.Record
			if r.Session == "" || !wanted(r.Session) {
				continue
			}
			s := open[r.Session]
			if s == nil {
				s = &Session{ID: r.Session}
				open[r.Session] = s
				order = append(order, r.Session)
			}
			if err := s.add(&r); err != nil {
				yield(nil, err)
				return
			}
			if s.Ended {
				delete(open, r.Session)
				order = slices.DeleteFunc(order, func(id string) bool { return id == r.Session })
				if !yield(s, nil) {
					return
				}
			}
		}
		for _, id := range order {
			if !yield(open[id], nil) {
				return
			}
		}
	}
}

// add adds the next record.
func (s *Session) add(r *audit.Record) error {
	wrong := func() error {
		return fmt.Errorf("replay: record %d, %s of exec %d, call %d, does not follow what session %s has", r.Number, r.Kind, r.Exec, r.Call, s.ID)
	}
	switch r.Kind {
	case audit.SessionOpened:
		s.Opened = r
		return nil
	case audit.SessionClosed:
		s.Ended = true
		return nil
	case audit.SessionReset:
		s.reset = true
		return nil
	case audit.SessionSaved:
		return nil // it changes nothing
	case audit.ExecStarted:
		// A session that goes on from another one goes on counting.
		if last := len(s.Execs) - 1; last >= 0 && r.Exec != s.Execs[last].Started.Exec+1 || last < 0 && r.Exec != 1 && !s.goesOn() {
			return wrong()
		}
		s.Execs = append(s.Execs, &Exec{Started: r, Reset: s.reset})
		s.reset = false
		return nil
	}
	if len(s.Execs) == 0 || r.Exec != s.Execs[len(s.Execs)-1].Started.Exec {
		return wrong()
	}
	x := s.Execs[len(s.Execs)-1]
	if r.Within > 0 {
		// What a tool did to answer a call: it is in the answer.
		if r.Within != len(x.Calls) {
			return wrong()
		}
		if r.Kind == audit.Decision {
			x.Within = append(x.Within, r)
		}
		return nil
	}
	switch r.Kind {
	case audit.Decision:
		if r.Call != len(x.Calls)+1 {
			return wrong()
		}
		x.Calls = append(x.Calls, &Call{Decision: r})
	case audit.Outcome:
		if r.Call != len(x.Calls) || x.Calls[r.Call-1].Outcome != nil {
			return wrong()
		}
		x.Calls[r.Call-1].Outcome = r
	case audit.Withheld:
		x.Withheld = append(x.Withheld, r.Withheld)
	case audit.ExecEnded:
		x.Ended = r
	default:
		return wrong()
	}
	return nil
}

// goesOn reports whether the session began with what another one had.
func (s *Session) goesOn() bool { return s.Opened != nil && s.Opened.From != "" }
