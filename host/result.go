package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/values"
)

// The values of [Error.Type] that are not the name of a Python class. Python code can have classes of these names, too:
// [Error.FromHost] tells who speaks, and [Session.Lost] whether the guest is gone.
const (
	LimitExceeded = "LimitExceeded" // Error.Limit says which
	GuestCrashed  = "GuestCrashed"  // the guest trapped, exited, or sent what is no result
)

// A Result is what came of running code. Its JSON encoding is the one of `postern run --json`.
type Result struct {
	ID            string          `json:"id,omitempty"` // the caller's, not set by this package
	OK            bool            `json:"ok"`
	Value         json.RawMessage `json:"value"` // encoded as in docs/abi.md; null if there is none
	Repr          *string         `json:"repr"`  // its repr(); nil if there is no value
	IsFinalAnswer bool            `json:"is_final_answer"`
	Stdout        string          `json:"stdout"` // what was printed, also before a stop by force
	Stderr        string          `json:"stderr"`
	Error         *Error          `json:"error"` // nil if OK
	Usage         Usage           `json:"usage"`
	Policy        string          `json:"policy"` // digest, "sha256:…"
	Guest         string          `json:"guest"`  // digest of the guest, or of Config.Linked, "sha256:…"

	// Restored says that the guest was stopped by force, or crashed, and that the session has fallen back to the state that was kept last.
	Restored bool `json:"-"`

	// Withheld is what the code tried to use and has no grant for, in the guest's words: good for suggestions, not for decisions.
	Withheld []Withheld `json:"-"`
}

// An Error is an uncaught exception, a limit, or a crash.
type Error struct {
	Type      string `json:"type"` // class of the exception, LimitExceeded or GuestCrashed
	Message   string `json:"message"`
	Traceback string `json:"traceback"`       // Python's; after a crash, the interpreter's last words
	Line      *int   `json:"line"`            // in the code, from 1; nil if unknown
	Limit     string `json:"limit,omitempty"` // the key of [limits]

	// Figures says what was used of the limit, and what is allowed: "limits.fuel exceeded: 100000 of 100000".
	Figures string `json:"-"`

	// Denied says that the exception was a denial which the code did not catch. It is the guest's word, as all of an error
	// is that is not FromHost.
	Denied bool `json:"-"`

	// FromHost says that the host itself reports a limit or a crash. Code can raise exceptions that are called
	// LimitExceeded or GuestCrashed; it cannot set this.
	FromHost bool `json:"-"`
}

// Error returns "ValueError: math domain error".
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// addFigures adds to what the guest says of a limit what the host knows of it.
func (e *Error) addFigures(figures string) {
	e.Figures = figures
	switch {
	case e.Message == "", e.Limit == "wall_time", e.Limit == "host_calls":
		e.Message = figures
	default:
		e.Message += " (" + figures + ")"
	}
}

// Usage is what the run consumed.
type Usage struct {
	Fuel        int64   `json:"fuel"`         // loop iterations and function calls
	WallMS      float64 `json:"wall_ms"`      // milliseconds, as limits.wall_time counts them: without the time of approvers and of Output
	MemoryBytes int64   `json:"memory_bytes"` // size of the guest's linear memory at the end
	HostCalls   int64   `json:"host_calls"`   // calls of capabilities, refused ones too
}

// Withheld is one thing that the code tried to use.
type Withheld struct {
	Kind string `json:"kind"` // import or call
	Name string `json:"name"`
}

// Decode returns the value as package values represents it. Each call decodes anew.
func (r *Result) Decode() (any, error) {
	if r.Value == nil {
		return nil, nil
	}
	return values.Decode(r.Value)
}

var errMalformed = errors.New("host: the guest sent a malformed result")

// noticeRoom is what the notice that output was cut may take, which is not counted as output.
const noticeRoom = kib

// readResult reads what the guest says came of the run. An error means that it broke the ABI.
func (h *Host) readResult(output []byte) (*Result, error) {
	if !utf8.Valid(output) {
		return nil, fmt.Errorf("%w: not UTF-8", errMalformed)
	}
	r := new(Result)
	var guestError *json.RawMessage
	var withheld json.RawMessage
	err := readObject(output, map[string]any{
		"ok": &r.OK, "value": &r.Value, "repr": &r.Repr, "is_final_answer": &r.IsFinalAnswer,
		"stdout": &r.Stdout, "stderr": &r.Stderr, "error": &guestError, "withheld": &withheld,
	})
	if err != nil {
		return nil, err
	}
	if guestError != nil {
		if r.Error, err = readError(*guestError); err != nil {
			return nil, err
		}
	}
	if r.Withheld, err = readWithheld(withheld); err != nil {
		return nil, err
	}
	if r.OK != (r.Error == nil) {
		return nil, fmt.Errorf("%w: ok contradicts error", errMalformed)
	}
	if int64(len(r.Stdout)+len(r.Stderr)) > h.limits.Output+noticeRoom {
		return nil, fmt.Errorf("%w: more output than limits.output", errMalformed)
	}
	if int64(len(r.Value)) > h.limits.Result {
		return nil, fmt.Errorf("%w: a larger value than limits.result", errMalformed)
	}
	if _, err := values.Decode(r.Value); err != nil {
		return nil, fmt.Errorf("%w: %w", errMalformed, err)
	}
	return r, nil
}

// readWithheld reads what becomes a record of its own for each entry.
func readWithheld(data []byte) (list []Withheld, err error) {
	const most, longest = 100, 1000          // of entries, and of bytes of a name
	const encoded = most * (6*longest + kib) // an entry takes ten times as many bytes as "{},"
	if len(data) > encoded {
		return nil, fmt.Errorf("%w: what is withheld has %d bytes", errMalformed, len(data))
	}
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%w: withheld: %w", errMalformed, err)
	}
	if len(list) > most {
		return nil, fmt.Errorf("%w: %d things withheld", errMalformed, len(list))
	}
	for _, w := range list {
		if w.Kind != "import" && w.Kind != "call" || w.Name == "" || len(w.Name) > longest {
			return nil, fmt.Errorf("%w: withheld %.20q %.50q", errMalformed, w.Kind, w.Name)
		}
	}
	return list, nil
}

// limitsOfGuest are the limits that the guest itself may report as exceeded.
var limitsOfGuest = map[string]bool{"host_calls": true, "result": true, "memory": true, "wall_time": true, "recursion": true}

func readError(data []byte) (*Error, error) {
	e := new(Error)
	var limit *string
	err := readObject(data, map[string]any{
		"type": &e.Type, "message": &e.Message, "traceback": &e.Traceback, "line": &e.Line, "denied": &e.Denied, "limit": &limit,
	})
	if err != nil {
		return nil, err
	}
	if e.Line != nil && *e.Line < 1 {
		return nil, fmt.Errorf("%w: line %d", errMalformed, *e.Line)
	}
	if limit != nil {
		if !limitsOfGuest[*limit] {
			return nil, fmt.Errorf("%w: unknown limit %.50q", errMalformed, *limit)
		}
		e.Limit = *limit
	}
	return e, nil
}
