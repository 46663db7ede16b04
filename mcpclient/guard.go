package mcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/go-hclog"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// A guard stands between the SDK and a transport. Of what a server sends, only responses get through, and of the responses to lists and calls only that they are there: what they say is
// captured as it is, for whoever asked. So a flood of notifications fills nothing, what a server asks of its client is not even looked at, and no content is read twice in two ways.
type guard struct {
	way     mcp.Transport
	logger  hclog.Logger
	secrets *secrets

	// listing is set until the tools are known; answer is how many bytes of an answer to a call there may be then.
	listing atomic.Bool
	answer  int64

	inner   mcp.Connection
	answers chan jsonrpc.Message // to requests of the server
	done    chan struct{}        // closed with the connection
	closing sync.Once

	mu       sync.Mutex
	captures map[jsonrpc.ID]*capture
	first    jsonrpc.ID // of initialize
	version  string     // of the protocol, once the server has said it
	why      error      // what the server has done wrong
}

// captureKey is the key under which contexts have the capture of a request.
type captureKey struct{}

// A capture is the result of a request as it was sent, or why there is none.
type capture struct {
	result json.RawMessage
	why    error
}

// maxAnswers is how many of a server's own requests are answered while it does not read; more are not.
const maxAnswers = 8

func newGuard(way mcp.Transport, maxResponse int64, config Config) *guard {
	g := &guard{
		way: way, answer: maxResponse, logger: config.Logger, secrets: config.secrets, captures: make(map[jsonrpc.ID]*capture),
		answers: make(chan jsonrpc.Message, maxAnswers), done: make(chan struct{}),
	}
	g.listing.Store(true)
	return g
}

// limit is how many bytes a message may have. The transport keeps to it before it reads one.
func (g *guard) limit() int64 {
	if g.listing.Load() {
		return maxList
	}
	return g.answer + envelope
}

// Connect implements [mcp.Transport].
func (g *guard) Connect(ctx context.Context) (mcp.Connection, error) {
	var err error
	if g.inner, err = g.way.Connect(ctx); err != nil {
		return nil, err
	}
	go g.reply()
	return g, nil
}

// reply answers the server's requests, as fast as it reads the answers.
func (g *guard) reply() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		<-g.done
		cancel()
	}()
	for {
		select {
		case m := <-g.answers:
			if err := g.inner.Write(ctx, m); err != nil {
				g.logger.Debug("a request of the server was not answered", "error", g.secrets.error(err))
			}
		case <-g.done:
			return
		}
	}
}

// Read implements [mcp.Connection].
func (g *guard) Read(ctx context.Context) (jsonrpc.Message, error) {
	for {
		m, err := g.inner.Read(ctx)
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *jsonrpc.Response:
			g.take(m)
			return m, nil
		case *jsonrpc.Request:
			g.refuse(m)
		}
	}
}

// take captures a result for whoever asked for it.
func (g *guard) take(m *jsonrpc.Response) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m.ID == g.first && g.version == "" && m.Error == nil {
		var result struct {
			Version string `json:"protocolVersion"`
		}
		if json.Unmarshal(m.Result, &result) == nil {
			g.version = result.Version
		}
	}
	asked, ok := g.captures[m.ID]
	if !ok {
		return
	}
	delete(g.captures, m.ID)
	if m.Error == nil {
		asked.result = m.Result
		m.Result = json.RawMessage(`{"content":[],"tools":[]}`)
	}
}

// refuse answers a request of the server: a ping with what it wants, and all others with a no. Notifications are not looked at.
func (g *guard) refuse(m *jsonrpc.Request) {
	if !m.IsCall() {
		return
	}
	answer := &jsonrpc.Response{ID: m.ID, Error: &jsonrpc.Error{Code: jsonrpc.CodeMethodNotFound, Message: "this client does not offer it"}}
	if m.Method == "ping" {
		answer.Error, answer.Result = nil, json.RawMessage("{}")
	}
	select {
	case g.answers <- answer:
	default:
	}
}

// Write implements [mcp.Connection].
func (g *guard) Write(ctx context.Context, m jsonrpc.Message) error {
	if request, ok := m.(*jsonrpc.Request); ok && request.IsCall() {
		asked, wanted := ctx.Value(captureKey{}).(*capture)
		g.mu.Lock()
		if request.Method == "initialize" {
			g.first = request.ID
		}
		if wanted {
			g.captures[request.ID] = asked
		}
		g.mu.Unlock()
		if wanted {
			// Who does not wait any more does not want it any more.
			context.AfterFunc(ctx, func() {
				g.mu.Lock()
				defer g.mu.Unlock()
				delete(g.captures, request.ID)
			})
		}
	}
	return g.inner.Write(ctx, m)
}

// Close implements [mcp.Connection].
func (g *guard) Close() error {
	g.closing.Do(func() { close(g.done) })
	return g.inner.Close()
}

// SessionID implements [mcp.Connection].
func (g *guard) SessionID() string { return g.inner.SessionID() }

// protocol is the version of the protocol that was agreed on, empty before that.
func (g *guard) protocol() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.version
}

// captured is the result that was captured, nil if there is none. The error says why not, if that is known.
func (g *guard) captured(c *capture) (json.RawMessage, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return c.result, c.why
}

// exceeds notes that the result of a request is not there because it is too large.
func (g *guard) exceeds(id jsonrpc.ID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if asked, ok := g.captures[id]; ok {
		asked.why = tooLarge(g.answer)
	}
}

// fail notes what the server has done wrong, and has ended the connection.
func (g *guard) fail(err error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.why = err
	return err
}

func (g *guard) failure() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.why
}

// tooLarge is the failure of a server that sends more than it may.
func (g *guard) tooLarge() error {
	if g.listing.Load() {
		return fmt.Errorf("the server has sent more than %d bytes before it has said what tools it has", int64(maxList))
	}
	return tooLarge(g.answer)
}

func tooLarge(most int64) error { return &tooLargeError{most} }

type tooLargeError struct{ most int64 }

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the server has answered with more than %d bytes (max_response)", e.most)
}

var errNotMessage = errors.New("the server has sent what is no message of JSON-RPC")
