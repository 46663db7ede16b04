package mcpclient

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// A connection that has ended is made again when a call needs it, but not more often than this: a server that dies each time is not worth it.
const (
	maxRestarts    = 5
	restartsWithin = 5 * time.Minute
)

// A client is one server of the policy, and its connection.
type client struct {
	server *policies.Server
	config Config
	offer  *Offer // what is granted; it does not change after begin

	ctx  context.Context // done when the client is closed
	stop context.CancelFunc

	mu       sync.Mutex
	closed   bool
	current  *connection
	making   chan struct{} // closed when the connection that is being made is there, or is not; nil if none is being made
	failure  error         // of the last attempt
	refused  error         // what makes the server unusable for good
	restarts []time.Time
}

func newClient(server *policies.Server, config Config) *client {
	c := &client{server: server, config: config}
	c.config.Logger = config.Logger.With("mcp", server.Name)
	c.config.secrets = newSecrets(server)
	c.config.Environment = c.config.secrets.watch(config.Environment)
	c.ctx, c.stop = context.WithCancel(context.Background())
	return c
}

var errClosed = errors.New("the connection is closed")

// begin makes the first connection, and fixes what is granted.
func (c *client) begin(ctx context.Context, policy *policies.Policy) error {
	made, offer, err := c.connect(ctx)
	if err != nil {
		return c.startError(err)
	}
	c.current = made
	if err := offer.check(policy, c.server); err != nil {
		var mistakes policies.Errors
		if errors.As(err, &mistakes) {
			return err
		}
		return c.startError(err)
	}
	c.offer = offer
	return nil
}

// connect makes a connection and asks for the tools, within the server's start_timeout.
func (c *client) connect(ctx context.Context) (*connection, *Offer, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.server.StartTimeout, errStartTimeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	made, err := open(ctx, c.server, c.config)
	if err != nil {
		return nil, nil, err
	}
	offer, err := made.list(ctx, c.server)
	if err != nil {
		err = made.explain(ctx, err)
		made.close()
		return nil, nil, err
	}
	made.guard.listing.Store(false)
	return made, offer, nil
}

var errStartTimeout error = &hinted{
	errors.New("it has not said what tools it has within start_timeout"), "raise start_timeout if it has to be fetched or compiled first, or start it once by hand",
}

// connected gives the connection, and makes one if there is none: only one at a time, which does not end with the call that needs it first.
func (c *client) connected(ctx context.Context) (*connection, error) {
	c.mu.Lock()
	switch {
	case c.closed:
		c.mu.Unlock()
		return nil, errClosed
	case c.refused != nil:
		defer c.mu.Unlock()
		return nil, c.refused
	case c.current.alive():
		defer c.mu.Unlock()
		return c.current, nil
	}
	if c.making == nil {
		if err := c.mayRestart(); err != nil {
			c.mu.Unlock()
			return nil, err
		}
		c.making = make(chan struct{})
		go c.restart()
	}
	making := c.making
	c.mu.Unlock()
	select {
	case <-making:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.current.alive():
		return c.current, nil
	case c.failure != nil:
		return nil, c.failure
	}
	// It was there, and has ended before anybody could use it.
	return nil, errors.New(c.current.reason())
}

// mayRestart counts a restart; the caller holds c.mu.
func (c *client) mayRestart() error {
	now := time.Now()
	c.restarts = slices.DeleteFunc(c.restarts, func(at time.Time) bool { return now.Sub(at) > restartsWithin })
	if len(c.restarts) >= maxRestarts {
		return fmt.Errorf("the server is dead: it has ended %d times in %v", maxRestarts+1, restartsWithin)
	}
	c.restarts = append(c.restarts, now)
	return nil
}

// restart makes a new connection in place of one that has ended. What is granted stays what it was.
func (c *client) restart() {
	c.current.close()
	c.config.Logger.Warn("the server has ended and is started again", "reason", c.config.secrets.text(c.current.reason()))
	made, offer, err := c.connect(c.ctx)
	changed := err == nil && !offer.isStill(c.offer)
	if changed {
		err = errChanged
		made.close()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if changed {
		c.refused = err
	}
	if err == nil && c.closed {
		made.close()
		err = errClosed
	}
	if c.failure = err; err == nil {
		c.current = made
	} else {
		c.config.Logger.Error("the server could not be started again", "error", c.config.secrets.error(err))
	}
	close(c.making)
	c.making = nil
}

var errChanged = errors.New("the server came back with other tools than were granted when the host began, and is not used any more")

// close ends the connection.
func (c *client) close() {
	c.mu.Lock()
	c.closed = true
	c.stop()
	making, current := c.making, c.current
	c.mu.Unlock()
	if making != nil {
		<-making
	}
	if current != nil {
		current.close()
	}
}

func (c *client) startError(err error) error {
	e := &StartError{Server: c.server.Name, Position: c.server.Position, Err: err}
	if own := wireError(err); own != nil {
		e.Err = fmt.Errorf("the server refuses: %w", own)
	}
	e.Err = c.config.secrets.error(e.Err)
	var hinted *hinted
	if errors.As(err, &hinted) {
		e.Hint = c.config.secrets.text(hinted.hint)
	}
	return e
}

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }

// maxArguments bounds the JSON of the arguments of one call.
const maxArguments = 8 << 20

// errorClass is the class of what goes wrong in a server, in the module that has its functions.
const errorClass = "Error"

// call calls a tool.
func (c *client) call(ctx context.Context, t *Tool, args capabilities.Arguments) (any, error) {
	input, err := t.function.Input(ctx, args, maxArguments)
	if err != nil {
		return nil, err
	}
	// A call that is given up is no more the server's affair: what it still sends is not waited for.
	calling, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	var v any
	raw, err := c.send(calling, t, input)
	if err == nil {
		v, err = c.result(calling, t, raw)
	}
	var raised *capabilities.PythonError
	switch {
	case err == nil:
		return v, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case c.ctx.Err() != nil:
		err = errClosed
	case errors.As(err, &raised):
		return nil, err
	}
	return nil, c.fail(t, err)
}

// send sends a call. Only one that the server has not taken, because the connection had ended before or the session that it belongs to is over, is sent again.
func (c *client) send(ctx context.Context, t *Tool, input []byte) (raw []byte, err error) {
	for range 2 {
		var conn *connection
		if conn, err = c.connected(ctx); err != nil {
			return nil, err
		}
		raw, err = conn.call(ctx, t.Original, input)
		conn.settle(ctx, err)
		again := errors.Is(err, mcp.ErrSessionMissing) || errors.Is(err, mcp.ErrConnectionClosed)
		if err = conn.explain(ctx, err); !again {
			break
		}
	}
	return raw, err
}

// fail is the exception for what went wrong in a server, or on the way to it.
func (c *client) fail(t *Tool, err error) error {
	attributes := map[string]any{"code": nil}
	says := func(text string) string { return printable(c.config.secrets.text(text)) }
	message := says(err.Error())
	if own := wireError(err); own != nil {
		attributes["code"], message = own.Code, "the server refused the call: "+says(own.Message)
	}
	return &capabilities.PythonError{Type: c.server.Name + "." + errorClass, Message: c.server.Name + "." + t.Name + ": " + message, Attributes: attributes}
}
