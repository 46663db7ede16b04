package serve

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/internal/jsonobject"
	"github.com/postern-sandbox/postern/values"
)

// queueLength is how many requests may wait for one session.
const queueLength = 64

// A session does what is asked of it one request after the other, in a goroutine of its own.
type session struct {
	name string
	jobs chan job
	ends bool // under connection.mu: it takes no more jobs

	host *host.Session // the goroutine's; nil before it is open
}

// A job is a request to a session.
type job struct {
	request *request
	do      func(ctx context.Context, s *session) (any, error)
	after   func(s *session) // when the answer was written
	undone  func()           // instead of do
	last    bool             // it closes the session, and cannot be canceled
}

// maxName is the longest name of a session, in bytes.
const maxName = 64

func checkName(name string) *Error {
	if len(name) > maxName || !utf8.ValidString(name) {
		return errorf(codeInvalidParams, "a session's name has at most %d bytes", maxName)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return errorf(codeInvalidParams, "a session's name has printable characters only")
		}
	}
	return nil
}

// addSession begins a session that opens with its first job.
func (c *connection) addSession(r *request, name string, open func(ctx context.Context, h *host.Host) (*host.Session, error), prelude bool) *Error {
	if wrong := checkName(name); wrong != nil {
		return wrong
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	starting := c.starting
	s, wrong := c.enlist(name)
	if wrong != nil {
		return wrong
	}
	s.jobs <- job{request: r, do: func(ctx context.Context, s *session) (any, error) {
		return c.openSession(ctx, s, starting, open, prelude)
	}}
	go c.work(s)
	return nil
}

// enlist makes room for a session; the caller holds c.mu.
func (c *connection) enlist(name string) (*session, *Error) {
	if c.starting == nil {
		return nil, errorf(codeNotInitialized, "initialize was not called")
	}
	if len(c.sessions) >= c.config.MaxSessions {
		return nil, errorf(codeTooMany, "there are %d sessions, the most that this server has at once", len(c.sessions))
	}
	if _, exists := c.sessions[name]; exists {
		return nil, errorf(codeSessionExists, "there is a session %q", name)
	}
	for name == "" {
		c.named++
		if _, exists := c.sessions[fmt.Sprintf("s%d", c.named)]; !exists {
			name = fmt.Sprintf("s%d", c.named)
		}
	}
	s := &session{name: name, jobs: make(chan job, queueLength)}
	c.sessions[name] = s
	return s, nil
}

// opened is the result of session.new, restore and fork.
type opened struct {
	Session string `json:"session"`
	ID      string `json:"id"` // in audit records
}

func (c *connection) openSession(ctx context.Context, s *session, starting *start, open func(context.Context, *host.Host) (*host.Session, error), prelude bool) (any, error) {
	select {
	case <-starting.done:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if starting.host == nil {
		return nil, errorf(codeNotInitialized, "initialize failed")
	}
	made, err := open(ctx, starting.host)
	if err != nil {
		return nil, err
	}
	if prelude {
		if err := runPrelude(ctx, made, starting.prelude); err != nil {
			return nil, errors.Join(err, made.Close())
		}
	}
	s.host = made
	return opened{s.name, made.ID()}, nil
}

// runPrelude gives a new session its tools, and keeps that as what it falls back to.
func runPrelude(ctx context.Context, s *host.Session, prelude string) error {
	if prelude == "" {
		return nil
	}
	result, err := s.Exec(ctx, prelude, host.ExecOptions{Filename: "<tools>"})
	if err == nil && result.Error != nil {
		err = result.Error
	}
	if err == nil {
		err = s.Checkpoint()
	}
	return err
}

// work does a session's jobs until it is closed or the connection ends.
func (c *connection) work(s *session) {
	for {
		select {
		case j := <-s.jobs:
			c.do(s, j)
		case <-c.ctx.Done():
			return
		}
		if s.host == nil { // closed, or not opened
			return
		}
	}
}

func (c *connection) do(s *session, j job) {
	var result any
	err := context.Cause(j.request.ctx)
	if err == nil || j.last {
		result, err = j.do(j.request.ctx, s)
	} else if j.undone != nil {
		j.undone()
	}
	if s.host == nil {
		c.dismiss(s) // first, so that its name is free for whoever reads the answer
	}
	if err != nil {
		wrong := errorOf(err)
		if s.host != nil && wrong.Data == nil && (wrong.Code == codeCanceled || wrong.Code == codeDeadline || wrong.Code == codeSessionLost) {
			wrong.Data = lostData{s.host.Lost()}
		}
		c.finish(j.request, nil, wrong)
	} else {
		c.finish(j.request, result, nil)
	}
	if j.after != nil && s.host != nil {
		j.after(s)
	}
}

// dismiss forgets a session. What still waits for it is told that there is none.
func (c *connection) dismiss(s *session) {
	c.mu.Lock()
	s.ends = true
	if c.sessions[s.name] == s {
		delete(c.sessions, s.name)
	}
	c.mu.Unlock()
	for {
		select {
		case j := <-s.jobs:
			if j.undone != nil {
				j.undone()
			}
			c.finish(j.request, nil, noSession(s.name))
		default:
			return
		}
	}
}

func noSession(name string) *Error {
	return errorf(codeNoSession, "there is no session %.80q", name)
}

// enqueue gives a session something to do.
func (c *connection) enqueue(name string, j job) *Error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, ok := c.sessions[name]
	if !ok || s.ends {
		return noSession(name)
	}
	select {
	case s.jobs <- j:
		s.ends = j.last
		return nil
	default:
		return errorf(codeTooMany, "%d requests wait for session %q", queueLength, name)
	}
}

func (c *connection) newSession(r *request, params json.RawMessage) *Error {
	var name string
	if wrong := readParams(params, map[string]any{"session": &name}, "session"); wrong != nil {
		return wrong
	}
	return c.addSession(r, name, func(ctx context.Context, h *host.Host) (*host.Session, error) { return h.NewSession(ctx) }, true)
}

func (c *connection) restoreSession(r *request, params json.RawMessage) *Error {
	var name, data string
	if wrong := readParams(params, map[string]any{"session": &name, "data": &data}, "session"); wrong != nil {
		return wrong
	}
	saved, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil {
		return errorf(codeInvalidParams, `parameter "data": not base64`)
	}
	return c.addSession(r, name, func(ctx context.Context, h *host.Host) (*host.Session, error) {
		rest := bytes.NewReader(saved)
		s, err := h.Restore(ctx, rest)
		if err == nil && rest.Len() > 0 {
			return nil, errors.Join(fmt.Errorf("%w: there is more behind its end", host.ErrNotSaved), s.Close())
		}
		return s, err
	}, false)
}

// runParams are what exec and call have in common.
type runParams struct {
	session    string
	timeoutMS  float64
	stream     bool
	checkpoint bool
}

func (p *runParams) fields(own map[string]any) map[string]any {
	own["session"], own["timeout_ms"], own["stream"], own["checkpoint"] = &p.session, &p.timeoutMS, &p.stream, &p.checkpoint
	return own
}

var runOptions = []string{"timeout_ms", "stream", "checkpoint"}

// maxTimeout is the longest timeout_ms.
const maxTimeout = 24 * time.Hour

// run enqueues what runs code.
func (c *connection) run(r *request, p runParams, do func(ctx context.Context, s *host.Session, output host.Output) (*host.Result, error)) *Error {
	timeout := time.Duration(p.timeoutMS * float64(time.Millisecond))
	if p.timeoutMS != 0 && (timeout <= 0 || timeout > maxTimeout) {
		return errorf(codeInvalidParams, `parameter "timeout_ms": more than 0 and at most a day`)
	}
	j := job{request: r, do: func(ctx context.Context, s *session) (any, error) {
		if timeout > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeoutCause(ctx, timeout, errDeadline)
			defer cancel()
		}
		from := origin{session: s.name, request: r.id}
		var output host.Output
		if p.stream {
			from.printing = c.printing(ctx, s, r)
			output = from.printing.output
			defer from.printing.flush(c.ctx) // before the answer
		}
		result, err := do(context.WithValue(ctx, originKey{}, from), s.host, output)
		if err != nil {
			return nil, err
		}
		return resultOf(result, s.host), nil
	}}
	if p.checkpoint {
		j.after = func(s *session) {
			if err := s.host.Checkpoint(); err != nil && !errors.Is(err, host.ErrSessionLost) {
				c.logger.Debug("no checkpoint", "session", s.name, "error", err)
			}
		}
	}
	return c.enqueue(p.session, j)
}

// A result is host.Result, and what it keeps from the command line's JSON.
type result struct {
	*host.Result
	Error    *resultError    `json:"error"`
	Restored bool            `json:"restored"`
	Lost     bool            `json:"lost"`
	Withheld []host.Withheld `json:"withheld"`
}

type resultError struct {
	*host.Error
	Denied   bool `json:"denied"`
	FromHost bool `json:"from_host"`
}

func resultOf(r *host.Result, s *host.Session) result {
	made := result{Result: r, Restored: r.Restored, Lost: s.Lost(), Withheld: append([]host.Withheld{}, r.Withheld...)}
	if r.Value == nil {
		r.Value = json.RawMessage("null")
	}
	if r.Error != nil {
		made.Error = &resultError{r.Error, r.Error.Denied, r.Error.FromHost}
	}
	return made
}

func (c *connection) exec(r *request, params json.RawMessage) *Error {
	var p runParams
	var code string
	var options host.ExecOptions
	if wrong := readParams(params, p.fields(map[string]any{"code": &code, "filename": &options.Filename}), append(runOptions, "filename")...); wrong != nil {
		return wrong
	}
	return c.run(r, p, func(ctx context.Context, s *host.Session, output host.Output) (*host.Result, error) {
		options.Output = output
		return s.Exec(ctx, code, options)
	})
}

func (c *connection) set(r *request, params json.RawMessage) *Error {
	var p runParams
	var variables map[string]any
	if wrong := readParams(params, map[string]any{"session": &p.session, "variables": namedValues(&variables)}); wrong != nil {
		return wrong
	}
	return c.run(r, p, func(ctx context.Context, s *host.Session, _ host.Output) (*host.Result, error) {
		return s.Set(ctx, variables)
	})
}

func (c *connection) call(r *request, params json.RawMessage) *Error {
	var p runParams
	var function string
	var args []any
	var kwargs map[string]any
	wrong := readParams(params, p.fields(map[string]any{"function": &function, "args": listOfValues(&args), "kwargs": namedValues(&kwargs)}),
		append(runOptions, "args", "kwargs")...)
	if wrong != nil {
		return wrong
	}
	return c.run(r, p, func(ctx context.Context, s *host.Session, output host.Output) (*host.Result, error) {
		return s.Call(ctx, function, args, kwargs, host.CallOptions{Output: output})
	})
}

// namedValues reads an object of values, as docs/abi.md has them, by name.
func namedValues(into *map[string]any) reader {
	return func(raw json.RawMessage) error {
		parts, err := jsonobject.Members(raw)
		if err != nil {
			return err
		}
		*into = make(map[string]any, len(parts))
		for name, part := range parts {
			if (*into)[name], err = values.Decode(part); err != nil {
				return fmt.Errorf("%.50q: %w", name, err)
			}
		}
		return nil
	}
}

func listOfValues(into *[]any) reader {
	return func(raw json.RawMessage) error {
		v, err := values.Decode(raw)
		if err != nil {
			return err
		}
		list, ok := v.(values.List)
		if !ok {
			return errors.New("not an array")
		}
		*into = list
		return nil
	}
}

func (c *connection) reset(r *request, params json.RawMessage) *Error {
	return c.simple(r, params, false, func(ctx context.Context, s *session) (any, error) {
		if err := s.host.Reset(ctx); err != nil {
			return nil, err
		}
		return struct{}{}, runPrelude(ctx, s.host, c.starting.prelude)
	})
}

func (c *connection) checkpoint(r *request, params json.RawMessage) *Error {
	return c.simple(r, params, false, func(_ context.Context, s *session) (any, error) {
		return struct{}{}, s.host.Checkpoint()
	})
}

func (c *connection) closeSession(r *request, params json.RawMessage) *Error {
	return c.simple(r, params, true, func(_ context.Context, s *session) (any, error) {
		made := s.host
		s.host = nil
		return struct{}{}, made.Close()
	})
}

// simple enqueues what needs nothing but the session's name.
func (c *connection) simple(r *request, params json.RawMessage, last bool, do func(ctx context.Context, s *session) (any, error)) *Error {
	var name string
	if wrong := readParams(params, map[string]any{"session": &name}); wrong != nil {
		return wrong
	}
	return c.enqueue(name, job{request: r, do: do, last: last})
}

type savedData struct {
	Data  string `json:"data"`
	Bytes int    `json:"bytes"`
}

func (c *connection) save(r *request, params json.RawMessage) *Error {
	return c.simple(r, params, false, func(_ context.Context, s *session) (any, error) {
		var saved bytes.Buffer
		if err := s.host.Save(&saved); err != nil {
			return nil, err
		}
		if base64.StdEncoding.EncodedLen(saved.Len())+1024 > c.config.MaxMessage {
			return nil, errorf(codeTooLarge, "the saved session has %d bytes, more than a message that could restore it", saved.Len())
		}
		return savedData{base64.StdEncoding.EncodeToString(saved.Bytes()), saved.Len()}, nil
	})
}

// fork makes a second session of a first. It takes its turn in the first one's queue; what is asked of the second meanwhile waits.
func (c *connection) fork(r *request, params json.RawMessage) *Error {
	var from, name string
	if wrong := readParams(params, map[string]any{"session": &from, "to": &name}, "to"); wrong != nil {
		return wrong
	}
	if wrong := checkName(name); wrong != nil {
		return wrong
	}
	c.mu.Lock()
	_, known := c.sessions[from]
	if !known {
		c.mu.Unlock()
		return noSession(from)
	}
	to, wrong := c.enlist(name)
	c.mu.Unlock()
	if wrong != nil {
		return wrong
	}
	wrong = c.enqueue(from, job{request: r, do: func(ctx context.Context, s *session) (any, error) {
		var err error
		if to.host, err = s.host.Fork(ctx); err != nil {
			c.dismiss(to)
			return nil, err
		}
		go c.work(to)
		return opened{to.name, to.host.ID()}, nil
	}, undone: func() { c.dismiss(to) }})
	if wrong != nil {
		c.dismiss(to)
	}
	return wrong
}
