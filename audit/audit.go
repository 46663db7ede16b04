// Package audit records what sessions did: which code ran, which capabilities it called, what was decided
// and what came back.
//
// A [Log] takes one [Record] at a time. The schema of records is the [Record] type and nothing else: the
// line that [File] writes for a record is its JSON encoding. The order within a session is fixed:
//
//	session_opened
//	  exec_started              one for each Exec, Set or Call of the session
//	    decision                before a capability is called, allowed or not
//	    outcome                 after an allowed one returned; same call number
//	    …
//	    withheld                zero or more: what the code tried that is not granted, in the guest's words
//	  exec_ended
//	  …
//	session_closed
//
// Sessions interleave in one log. A decision without an outcome means that the capability was called and
// the process ended, or the log failed, before the answer was recorded.
//
// A log is the only witness of what an agent did, so whoever calls a capability asks the log first and makes
// no call that could not be recorded.
package audit

import (
	"errors"
	"sync/atomic"
)

// ErrClosed is what a log answers when it is used after Close.
var ErrClosed = errors.New("audit: log is closed")

// A Log keeps records in the order in which they are appended. Logs are safe for concurrent use.
type Log interface {
	// Append returns when the record is in the log. After an error the record may be missing or cut short,
	// and the caller must not do what the record says. Append does not keep or change the record.
	Append(*Record) error

	// Close releases what the log holds. Append fails with [ErrClosed] from then on; closing again does nothing.
	Close() error
}

// Discard is a log that keeps nothing: what `log = "none"` in a policy asks for.
var Discard Log = discard{}

type discard struct{}

func (discard) Append(*Record) error { return nil }
func (discard) Close() error         { return nil }

// Multi returns a log that appends each record to all logs, in order and up to the first that fails: a
// record that one log refused is refused. Closing it closes all of them.
func Multi(logs ...Log) Log { return &multi{logs: logs} }

type multi struct {
	logs   []Log
	closed atomic.Bool
}

func (m *multi) Append(r *Record) error {
	if m.closed.Load() {
		return ErrClosed
	}
	for _, log := range m.logs {
		if err := log.Append(r); err != nil {
			return err
		}
	}
	return nil
}

func (m *multi) Close() error {
	if m.closed.Swap(true) {
		return nil
	}
	var errs []error
	for _, log := range m.logs {
		errs = append(errs, log.Close())
	}
	return errors.Join(errs...)
}
