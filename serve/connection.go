package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// Config says what a server lets its client do.
type Config struct {
	// Families are what policies can grant, besides the client's own tools.
	Families []capabilities.Family

	// Modules are those that policies can let code import, for server.describe.
	Modules []string

	// Parse reads a policy, whose grants are to be checked against the registry.
	Parse func(p PolicyText, known *capabilities.Registry) (*policies.Policy, error)

	// ReadPolicy reads a policy that the client names by its file. Nil means that clients cannot name files.
	ReadPolicy func(file string) ([]byte, error)

	// Policy holds where the client brings none.
	Policy PolicyText

	// Fixed forbids clients to bring a policy.
	Fixed bool

	// ClientTools lets a client grant its own tools under a Fixed policy that has no [grant.tools]. A client that may bring a policy always may.
	ClientTools bool

	// Host is the rest of the host's configuration: its Policy and Capabilities are set by the connection.
	Host host.Config

	// Connect connects the MCP servers of a policy, and gives a registry that has their functions and those of known. What it returns besides is closed after the
	// host. Nil means that policies with servers are refused.
	Connect func(ctx context.Context, policy *policies.Policy, known *capabilities.Registry) (*capabilities.Registry, io.Closer, error)

	// Preparing, if not nil, is called before the guest is made ready for a policy, which can take seconds, and what it returns after.
	Preparing func(*policies.Policy) (done func())

	// Version is what the server calls its version.
	Version string

	// MaxMessage is the longest line that is taken, in bytes; 0 means 32 MiB. MaxSessions bounds sessions; 0 means 256.
	// MaxRequests bounds requests that wait or run, and those of MaxBytes together; 0 means 1024 and 128 MiB.
	MaxMessage, MaxSessions, MaxRequests int
	MaxBytes                             int64
}

// A PolicyText is a policy before it is read, and what messages call its file.
type PolicyText struct {
	Name string
	Text []byte
}

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		field     *int
		byDefault int
	}{{&c.MaxMessage, 32 << 20}, {&c.MaxSessions, 256}, {&c.MaxRequests, 1024}} {
		if *d.field <= 0 {
			*d.field = d.byDefault
		}
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = 128 << 20
	}
	if c.Host.Logger == nil {
		c.Host.Logger = hclog.NewNullLogger()
	}
	return c
}

// drainTime is how long, after the last message, what runs may go on: the messages can come from a file.
const drainTime = 2 * time.Second

// Serve serves one client until it asks for shutdown, or in ends, or ctx does; then it stops what runs, and closes all sessions. A read of
// in that has begun is not waited for. The error is of ctx, of reading, or of closing.
func Serve(ctx context.Context, in io.Reader, out io.Writer, config Config) error {
	c := &connection{
		config:   config.withDefaults(),
		out:      out,
		writing:  make(chan struct{}, 1),
		running:  make(map[string]*request),
		sessions: make(map[string]*session),
		calls:    make(map[int64]chan<- message),
		gone:     make(chan struct{}),
		settled:  make(chan struct{}),
		shut:     make(chan struct{}),
	}
	c.logger = c.config.Host.Logger
	c.ctx, c.cancel = context.WithCancelCause(ctx)
	defer c.cancel(errEnding)

	read := make(chan error, 1)
	go func() { read <- c.read(in) }()
	var err error
	select {
	case err = <-read:
		close(c.gone)
		c.drain()
	case <-c.ctx.Done(): // from outside, or because nobody takes what is written
		if cause := context.Cause(c.ctx); !errors.Is(cause, errEnding) {
			err = cause
		}
	case <-c.shut:
	}
	c.cancel(errEnding)
	return errors.Join(err, c.close())
}

// A connection serves one client.
type connection struct {
	config Config
	logger hclog.Logger
	ctx    context.Context
	cancel context.CancelCauseFunc

	writing chan struct{} // held by whoever writes
	out     io.Writer

	mu       sync.Mutex
	starting *start              // nil before initialize
	running  map[string]*request // by id: those that wait, too
	owed     int                 // answers that were not written yet
	bytes    int64               // of them
	sessions map[string]*session
	named    int // of sessions, for their names
	calls    map[int64]chan<- message
	called   int64 // the last id

	settled chan struct{} // closed, and another one made, when an answer was written

	gone chan struct{} // closed when no message comes any more
	shut chan struct{} // closed when shutdown was answered
}

// A request is one that has yet to be answered.
type request struct {
	id     string
	size   int64
	ctx    context.Context
	cancel context.CancelCauseFunc
}

// read reads messages until in ends.
func (c *connection) read(in io.Reader) error {
	lines := bufio.NewReaderSize(in, 64<<10)
	for {
		line, tooLong, err := readLine(lines, c.config.MaxMessage)
		switch {
		case tooLong:
			c.respond("", nil, errorf(codeTooLarge, "the message is longer than %d bytes", c.config.MaxMessage))
		case len(bytes.TrimSpace(line)) > 0:
			c.receive(line)
		}
		if err == io.EOF || c.ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// readLine returns the next line, which the caller owns; one that is longer than max is skipped without being kept. At the end, the line that
// has none comes with io.EOF.
func readLine(in *bufio.Reader, max int) (line []byte, tooLong bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > max+1; tooLong {
			line = nil
		} else {
			line = append(line, part...)
		}
		if err != bufio.ErrBufferFull {
			return line, tooLong, err
		}
	}
}

func (c *connection) receive(line []byte) {
	m, wrong := parseMessage(line)
	switch {
	case wrong != nil:
		c.respond(m.id, nil, wrong)
	case m.isResponse():
		c.answer(m)
	case m.id == "":
		c.notified(m)
	default:
		c.request(m, int64(len(line)))
	}
}

// notified takes a notification. There is one; others are ignored, as JSON-RPC wants.
func (c *connection) notified(m message) {
	if m.method != "$/cancel" {
		return
	}
	var id string
	wrong := readParams(m.params, map[string]any{"id": reader(func(raw json.RawMessage) (err error) {
		id, err = canonicalID(raw)
		return err
	})})
	if wrong != nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r, ok := c.running[id]; ok {
		r.cancel(errCanceled)
	}
}

// request takes a request: it is answered now, or soon by another goroutine.
func (c *connection) request(m message, size int64) {
	r, wrong := c.admit(m.id, size)
	if wrong != nil {
		c.respond(m.id, nil, wrong)
		return
	}
	method, known := c.methods()[m.method]
	if !known {
		c.finish(r, nil, errorf(codeMethodNotFound, "there is no method %.50q", m.method))
		return
	}
	if wrong := method(r, m.params); wrong != nil {
		c.finish(r, nil, wrong)
	}
}

// methods are what can be called. Each either returns an error or sees to it that the request is finished.
func (c *connection) methods() map[string]func(*request, json.RawMessage) *Error {
	return map[string]func(*request, json.RawMessage) *Error{
		"initialize":         c.initialize,
		"server.describe":    c.describe,
		"session.new":        c.newSession,
		"session.restore":    c.restoreSession,
		"session.exec":       c.exec,
		"session.set":        c.set,
		"session.call":       c.call,
		"session.reset":      c.reset,
		"session.checkpoint": c.checkpoint,
		"session.fork":       c.fork,
		"session.save":       c.save,
		"session.close":      c.closeSession,
		"shutdown":           c.shutdown,
	}
}

// admit bounds what is taken on.
func (c *connection) admit(id string, size int64) (*request, *Error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, twice := c.running[id]; twice {
		return nil, errorf(codeInvalidRequest, "a request with this id is running")
	}
	if len(c.running) >= c.config.MaxRequests || c.bytes+size > c.config.MaxBytes && len(c.running) > 0 {
		return nil, errorf(codeTooMany, "too many requests at once: wait for answers")
	}
	r := &request{id: id, size: size}
	r.ctx, r.cancel = context.WithCancelCause(c.ctx)
	c.running[id] = r
	c.owed++
	c.bytes += size
	return r, nil
}

// finish answers a request.
func (c *connection) finish(r *request, result any, wrong *Error) {
	r.cancel(nil)
	c.mu.Lock()
	delete(c.running, r.id) // before the client can use the id again
	c.bytes -= r.size
	c.mu.Unlock()
	c.respond(r.id, result, wrong)
	c.mu.Lock()
	c.owed--
	close(c.settled)
	c.settled = make(chan struct{})
	c.mu.Unlock()
}

// await waits until no more than so many answers are owed, or the time or the connection is over.
func (c *connection) await(owed int, limit time.Duration) {
	over := time.NewTimer(limit)
	defer over.Stop()
	for {
		c.mu.Lock()
		now, settled := c.owed, c.settled
		c.mu.Unlock()
		if now <= owed {
			return
		}
		select {
		case <-settled:
		case <-over.C:
			return
		case <-c.ctx.Done():
			return
		}
	}
}

type response struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Result  any             `json:"result,omitempty"`
	Error   *Error          `json:"error,omitempty"`
}

func (c *connection) respond(id string, result any, wrong *Error) {
	if id == "" {
		id = "null" // it could not be read
	}
	c.send(response{Version: "2.0", ID: json.RawMessage(id), Result: result, Error: wrong})
}

// A call is a request of the server's, or a notification.
type call struct {
	Version string `json:"jsonrpc"`
	ID      int64  `json:"id,omitempty"`
	Method  string `json:"method"`
	Params  any    `json:"params"`
}

func (c *connection) notify(method string, params any) {
	c.send(call{Version: "2.0", Method: method, Params: params})
}

// send writes one message. It waits for a client that is slow to read; when there is none, the connection ends.
func (c *connection) send(v any) {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil { // a mistake in this package
		c.logger.Error("a message cannot be encoded", "error", err)
		c.cancel(err)
		return
	}
	select {
	case c.writing <- struct{}{}:
	case <-c.ctx.Done():
		return
	}
	defer func() { <-c.writing }()
	if _, err := c.out.Write(line.Bytes()); err != nil {
		c.cancel(errEnding)
	}
}

// drain lets requests that have come finish, for a while.
func (c *connection) drain() {
	c.mu.Lock()
	starting := c.starting
	c.mu.Unlock()
	if starting != nil {
		select {
		case <-starting.done:
		case <-c.ctx.Done():
		}
	}
	c.await(0, drainTime)
}

// close stops what runs and closes the host, with all sessions.
func (c *connection) close() error {
	c.mu.Lock()
	starting := c.starting
	c.mu.Unlock()
	if starting == nil {
		return nil
	}
	closed := make(chan error, 1)
	go func() {
		<-starting.done // soon: its context is over
		if starting.host == nil {
			closed <- nil
			return
		}
		closed <- starting.close()
	}()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTime):
		return errors.New("serve: what runs does not stop")
	}
}

// closeTime is how long the end waits for what runs. All of it heeds its context, except a write to a client that does not read.
const closeTime = 10 * time.Second

func (c *connection) shutdown(r *request, params json.RawMessage) *Error {
	if wrong := readParams(params, nil); wrong != nil {
		return wrong
	}
	c.mu.Lock()
	for _, other := range c.running {
		if other != r {
			other.cancel(errCanceled)
		}
	}
	c.mu.Unlock()
	go func() {
		if err := c.close(); err != nil {
			c.logger.Warn("closing", "error", err)
		}
		c.await(1, closeTime) // all others are answered before this one is
		c.finish(r, struct{}{}, nil)
		close(c.shut)
	}()
	return nil
}
