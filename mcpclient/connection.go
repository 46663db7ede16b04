package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/policies"
)

// protocolVersion is the version of MCP that servers are offered; they may answer with an older one. Later ones have no sessions, and most servers do not know them yet.
const protocolVersion = "2025-11-25"

// envelope is how many bytes of a message are not the answer itself.
const envelope = 16 << 10

// A connection is one MCP session with a server.
type connection struct {
	session   *mcp.ClientSession
	guard     *guard
	transport transport
	ended     chan struct{} // closed when nothing more comes of it
	over      atomic.Bool   // it is known to have ended, although the SDK may not have noticed yet

	closing sync.Once
	mu      sync.Mutex
	why     error
}

// A transport is a way to a server, for one connection.
type transport interface {
	mcp.Transport

	// start starts what must be started before it can connect. The guard knows how much the server may send.
	start(g *guard) error

	// end ends the connection, and what was started for it. It may be called again.
	end()

	// over reports whether an error means that nothing more comes.
	over(err error) bool

	// words says what is known of why the connection has ended, for people; it may be empty.
	words(err error) error
}

// open starts or reaches a server, and begins a session.
func open(ctx context.Context, server *policies.Server, config Config) (*connection, error) {
	var way transport
	var err error
	if server.Command != nil {
		way, err = newCommand(server, config)
	} else {
		way, err = newEndpoint(server, config)
	}
	if err != nil {
		return nil, err
	}
	c := &connection{transport: way, guard: newGuard(way, server.MaxResponse, config), ended: make(chan struct{})}
	if err := way.start(c.guard); err != nil {
		return nil, err
	}
	client := mcp.NewClient(&mcp.Implementation{Name: "postern", Title: "Postern", Version: config.Version}, &mcp.ClientOptions{
		Capabilities:   &mcp.ClientCapabilities{},
		MultiRoundTrip: &mcp.MultiRoundTripOptions{Disabled: true},
	})
	connecting := make(chan error, 1)
	go func() {
		var err error
		c.session, err = client.Connect(ctx, c.guard, &mcp.ClientSessionOptions{ProtocolVersion: protocolVersion})
		connecting <- err
	}()
	select {
	case err = <-connecting:
	case <-ctx.Done():
		way.end() // which ends connecting
		err = <-connecting
	}
	if err == nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		err = c.explain(ctx, err)
		way.end()
		return nil, err
	}
	go func() {
		err := c.session.Wait()
		c.mu.Lock()
		c.why = err
		c.mu.Unlock()
		close(c.ended)
		way.end() // what is left of a server that has broken off
	}()
	return c, nil
}

// alive reports whether calls can be sent. A nil connection is not alive.
func (c *connection) alive() bool {
	if c == nil || c.over.Load() {
		return false
	}
	select {
	case <-c.ended:
		return false
	default:
		return true
	}
}

// reason says why the connection has ended.
func (c *connection) reason() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.transport.words(c.why); err != nil {
		return printable(err.Error())
	}
	return "it has closed the connection"
}

// close ends the connection. It returns when what was started for it has ended.
func (c *connection) close() {
	c.closing.Do(func() {
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.session.Close() // how it ends is the transport's to say
		}()
		// Of a session over HTTP the server is told; one that does not answer is not waited for.
		select {
		case <-done:
		case <-time.After(closePatience):
		}
		c.transport.end()
	})
}

// closePatience is how long the end of a session may take to be said.
const closePatience = time.Second

// list asks for all tools.
func (c *connection) list(ctx context.Context, server *policies.Server) (*Offer, error) {
	return list(ctx, server, c.guard.secrets, func(cursor string) ([]byte, error) {
		answer := new(capture)
		_, err := c.session.ListTools(context.WithValue(ctx, captureKey{}, answer), &mcp.ListToolsParams{Cursor: cursor})
		if result, _ := c.guard.captured(answer); result != nil {
			return result, nil
		}
		return nil, err
	})
}

// call calls a tool, and gives the JSON of its result as the server has sent it.
func (c *connection) call(ctx context.Context, tool string, input json.RawMessage) ([]byte, error) {
	answer := new(capture)
	_, err := c.session.CallTool(context.WithValue(ctx, captureKey{}, answer), &mcp.CallToolParams{Name: tool, Arguments: input})
	switch result, why := c.guard.captured(answer); {
	case result != nil:
		return result, nil
	case why != nil:
		return nil, why
	case err == nil:
		return nil, errors.New("the server has not answered")
	}
	return nil, err
}

// explain says of an error of the session what the transport knows of it.
func (c *connection) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case wireError(err) != nil:
		return err
	}
	if own := c.guard.failure(); own != nil {
		return own
	}
	if own := c.transport.words(err); own != nil {
		return own
	}
	return err
}

// settle finds out whether the connection has ended, after an error that may be its end.
func (c *connection) settle(ctx context.Context, err error) {
	var large *tooLargeError
	if err == nil || ctx.Err() != nil || wireError(err) != nil || errors.As(err, &large) && c.guard.failure() == nil {
		return
	}
	if errors.Is(err, mcp.ErrConnectionClosed) || c.transport.over(err) {
		c.over.Store(true)
		return
	}
	select {
	case <-c.ended:
	case <-time.After(settlePatience):
	}
}

// settlePatience is how long after its last error a connection can still be taken for alive.
const settlePatience = 50 * time.Millisecond

// wireError is the error that the server itself has sent, if that is what an error is. The SDK marks errors of a transport with one of its own.
func wireError(err error) *jsonrpc.Error {
	const rejected = -32005
	var own *jsonrpc.Error
	if !errors.As(err, &own) || own.Code == rejected && own.Message == "rejected by transport" {
		return nil
	}
	return own
}

// printable makes one line of a text that can be shown.
func printable(text string) string {
	const most = 2000
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\ufffd"), func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// statusWords says what an HTTP status of a server means.
func statusWords(status int) error {
	err := fmt.Errorf("the server answers with %d %s", status, http.StatusText(status))
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return &hinted{err, `headers_from sends a credential, for example headers_from = { Authorization = "Bearer env:API_TOKEN" }`}
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return &hinted{err, "is the url that of the endpoint for streamable HTTP? It often ends in /mcp"}
	}
	return err
}
