package mcpclient_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/mcpclient"
)

// at is the table of a server at a URL.
func at(url, rest string) string {
	return fmt.Sprintf("[mcp.s]\nurl = %q\n%s\n", url, rest)
}

// A web is an honest server over streamable HTTP, which notes the requests.
type web struct {
	*httptest.Server
	mu       sync.Mutex
	requests []string
	handler  http.Handler
}

func newWeb(t *testing.T, start func(http.Handler) *httptest.Server) *web {
	w := new(web)
	w.restart()
	w.Server = start(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		w.requests = append(w.requests, fmt.Sprintf("%s %s auth=%q version=%q", r.Method, r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("Mcp-Protocol-Version")))
		handler := w.handler
		w.mu.Unlock()
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(w.Server.Close)
	return w
}

// restart forgets all sessions.
func (w *web) restart() {
	w.mu.Lock()
	defer w.mu.Unlock()
	server := notes()
	w.handler = mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
}

func TestEndpoint(t *testing.T) {
	t.Setenv("POSTERN_TEST_TOKEN", " s3cret\n")
	web := newWeb(t, httptest.NewTLSServer)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	p := policy(t, at(web.URL+"/mcp", "functions = [\"*\"]\nheaders_from = { Authorization = \"Bearer env:POSTERN_TEST_TOKEN\" }"))
	servers, err := mcpclient.Connect(t.Context(), p, mcpclient.Config{Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	registry, err := capabilities.NewRegistry(servers.Families()...)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Registry: registry, servers: servers}
	w.says(t, `'kept a'`, "s.add_note", "title", "a", "text", "b")
	w.says(t, `{'count': 1, 'notes': [{'text': 'b', 'title': 'a'}]}`, "s.search", "query", "a")
	w.says(t, "s.Error: it does not work\nat all", "s.fails")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := w.call(ctx, "s.wait"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	w.says(t, `None`, "s.none")
	// A server that has forgotten the session gets the call again in a new one.
	web.restart()
	w.says(t, `'kept a'`, "s.add_note", "title", "a", "text", "b")
	w.says(t, `{'count': 1, 'notes': [{'text': 'b', 'title': 'a'}]}`, "s.search", "query", "a")
	if err := servers.Close(); err != nil {
		t.Error(err)
	}
	web.mu.Lock()
	defer web.mu.Unlock()
	deleted := 0
	for i, request := range web.requests {
		if !strings.Contains(request, `/mcp auth="Bearer s3cret"`) || i > 0 && !strings.Contains(request, "version=\"2025-11-25\"") && !strings.HasSuffix(request, `version=""`) {
			t.Errorf("request %d: %s", i, request)
		}
		if strings.HasPrefix(request, "DELETE") {
			deleted++
		}
		if strings.HasPrefix(request, "GET") {
			t.Errorf("request %d: %s", i, request)
		}
	}
	if deleted == 0 {
		t.Error("the server was not told that the session is over")
	}
	// Without the certificate, and without the secret.
	_, err = mcpclient.Connect(t.Context(), p, mcpclient.Config{})
	if err == nil || !strings.Contains(err.Error(), `mcp server "s": the server's certificate is not trusted`) {
		t.Errorf("%v", err)
	}
	_, err = mcpclient.Connect(t.Context(), p, mcpclient.Config{Roots: roots, Environment: func(string) (string, bool) { return "", false }})
	if err == nil || !strings.Contains(err.Error(), "the variable POSTERN_TEST_TOKEN, which headers_from names for Authorization, is not set") {
		t.Errorf("%v", err)
	}
	_, err = mcpclient.Connect(t.Context(), p, mcpclient.Config{Roots: roots, Environment: func(string) (string, bool) { return "a\r\nX: y", true }})
	if err == nil || !strings.Contains(err.Error(), "has a character that no header can have") {
		t.Errorf("%v", err)
	}
}

// reply answers the requests of a session: those for tools, and with call those to call one.
func reply(call func(w http.ResponseWriter, r *http.Request, id json.RawMessage)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct {
			ID     json.RawMessage
			Method string
		}
		json.Unmarshal(body, &m)
		w.Header().Set("Content-Type", "application/json")
		switch m.Method {
		case "initialize":
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-03-26","capabilities":{"tools":{}},"serverInfo":{"name":"n","version":"v"}}}`, m.ID)
		case "tools/list":
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"tool","inputSchema":{"type":"object"}}]}}`, m.ID)
		case "tools/call":
			call(w, r, m.ID)
		default:
			w.WriteHeader(http.StatusAccepted)
		}
	}
}

const (
	okResult = `{"jsonrpc":"2.0","id":%s,"result":{"content":[{"type":"text","text":"ok"}]}}`
	gigabyte = 1 << 30
)

// What comes over HTTP is bounded too, and redirects lead nowhere.
func TestHostileEndpoints(t *testing.T) {
	other := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("a redirect was followed, with %q", r.Header.Get("Authorization"))
	}))
	defer other.Close()
	pour := func(w http.ResponseWriter, text string) {
		for range gigabyte / len(text) {
			if _, err := io.WriteString(w, text); err != nil {
				return
			}
		}
	}
	stream := func(w http.ResponseWriter) { w.Header().Set("Content-Type", "text/event-stream") }
	block := strings.Repeat("x", 1<<16)
	for name, test := range map[string]struct {
		call func(w http.ResponseWriter, r *http.Request, id json.RawMessage)
		want string
	}{
		"an answer": {func(w http.ResponseWriter, _ *http.Request, id json.RawMessage) { fmt.Fprintf(w, okResult, id) }, `'ok'`},
		"an event": {func(w http.ResponseWriter, _ *http.Request, id json.RawMessage) {
			stream(w)
			fmt.Fprintf(w, ": hello\n\nevent: message\ndata: "+okResult+"\n\n", id)
		}, `'ok'`},
		"events before it": {func(w http.ResponseWriter, _ *http.Request, id json.RawMessage) {
			stream(w)
			for range 100 {
				io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{\"progressToken\":1,\"progress\":1}}\n\n")
				io.WriteString(w, "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"roots/list\"}\n\n")
			}
			fmt.Fprintf(w, "data: "+okResult+"\n\n", id)
		}, `'ok'`},
		"more after it": {func(w http.ResponseWriter, _ *http.Request, id json.RawMessage) {
			stream(w)
			fmt.Fprintf(w, "data: "+okResult+"\n\n", id)
			w.(http.Flusher).Flush()
			pour(w, "data: "+block+"\n\n")
		}, `'ok'`},
		"a large answer": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) { pour(w, block) },
			"s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)"},
		"a large event": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) { stream(w); pour(w, block) },
			"s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)"},
		"events without an end": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) {
			stream(w)
			pour(w, "data: {\"jsonrpc\":\"2.0\",\"method\":\"x\"}\n\n")
		},
			"s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)"},
		"events that say nothing": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) { stream(w); pour(w, ":\n\n") },
			"s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)"},
		"a large error": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) { w.WriteHeader(500); pour(w, block) },
			"s.Error: s.tool: the server …"},
		"another type": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) {
			w.Header().Set("Content-Type", "text/html")
			io.WriteString(w, "<html>")
		}, "s.Error: s.tool: …"},
		"compressed": {func(w http.ResponseWriter, _ *http.Request, id json.RawMessage) {
			w.Header().Set("Content-Encoding", "gzip")
			fmt.Fprintf(w, okResult, id)
		}, "'ok'"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request, _ json.RawMessage) {
			http.Redirect(w, r, other.URL+"/mcp", http.StatusTemporaryRedirect)
		}, "s.Error: s.tool: the server answers with 307, a redirect, which is not followed"},
		"unauthorized": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) {
			w.WriteHeader(http.StatusUnauthorized)
		},
			"s.Error: s.tool: the server answers with 401 Unauthorized"},
		"nothing": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) {}, "s.Error: s.tool: …"},
		"a cut": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) {
			stream(w)
			io.WriteString(w, "data: {\"json")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, "s.Error: s.tool: …"},
		"another's answer": {func(w http.ResponseWriter, _ *http.Request, _ json.RawMessage) {
			stream(w)
			fmt.Fprintf(w, "data: "+okResult+"\n\n", "424242")
		}, "s.Error: s.tool: …"},
		"an error": {func(w http.ResponseWriter, _ *http.Request, id json.RawMessage) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprintf(w, `{"jsonrpc":"2.0","id":%s,"error":{"code":-32602,"message":"no"}}`, id)
		}, "s.Error: s.tool: the server refused the call: no"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(reply(test.call))
			defer server.Close()
			defer server.CloseClientConnections()
			w := connect(t, at(server.URL, "functions = [\"*\"]\nmax_response = \"1KiB\""))
			w.says(t, test.want, "s.tool")
			w.says(t, test.want, "s.tool")
		})
	}
}

// A server that cannot be reached, or is none, is an error that says why.
func TestEndpointsThatAreNone(t *testing.T) {
	for name, test := range map[string]struct {
		handler http.HandlerFunc
		want    string
	}{
		"a page":    {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, "unsupported content type"},
		"not found": {http.NotFound, "the server answers with 404 Not Found"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/mcp/", http.StatusTemporaryRedirect)
		}, "the server answers with 307, a redirect, which is not followed"},
		"unauthorized": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }, "the server answers with 401 Unauthorized"},
		"large": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			for range 100 {
				io.WriteString(w, strings.Repeat("x", 1<<16))
			}
		}, "the server has sent more than 4194304 bytes before it has said what tools it has"},
		"slow": {func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body); <-r.Context().Done() }, "it has not said what tools it has within start_timeout"},
	} {
		server := httptest.NewServer(test.handler)
		timeout := "20s"
		if name == "slow" {
			timeout = "200ms"
		}
		_, err := tryConnect(t, at(server.URL+"/mcp", "functions = [\"*\"]\nstart_timeout = \""+timeout+"\""))
		var failed *mcpclient.StartError
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", name, err)
		}
		if name == "a redirect" && failed.Hint != "it leads to "+server.URL+"/mcp/: if that is the server, name it as url" {
			t.Errorf("%s: %s", name, failed.Hint)
		}
		server.CloseClientConnections()
		server.Close()
		if _, err = tryConnect(t, at(server.URL, "functions = [\"*\"]")); err == nil || !strings.Contains(err.Error(), "the connection was refused") {
			t.Errorf("%v", err)
		}
	}
}

// A call that is given up while its answer comes, and one whose answer is too large, fail alone: others on the connection do not, and it is not made again.
func TestCallsFailAlone(t *testing.T) {
	var mode, begun atomic.Value
	begun.Store("")
	reached, release := make(chan struct{}), make(chan struct{})
	answer := reply(func(w http.ResponseWriter, r *http.Request, id json.RawMessage) {
		switch mode.Load() {
		case "held":
			reached <- struct{}{}
			<-release
			fmt.Fprintf(w, okResult, id)
		case "slow":
			io.WriteString(w, `{"jsonrpc":`)
			w.(http.Flusher).Flush()
			reached <- struct{}{}
			<-r.Context().Done()
		case "large":
			io.WriteString(w, strings.Repeat(" ", 100_000))
		default:
			fmt.Fprintf(w, okResult, id)
		}
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if strings.Contains(string(body), `"initialize"`) {
			begun.Store(begun.Load().(string) + "x")
		}
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		answer(w, r)
	}))
	defer server.Close()
	w := connect(t, at(server.URL, "functions = [\"*\"]\nmax_response = \"1KiB\""))
	mode.Store("held")
	first := make(chan string)
	go func() {
		v, err := w.call(context.WithoutCancel(t.Context()), "s.tool")
		first <- fmt.Sprint(v, " ", err)
	}()
	<-reached
	for range 6 { // more often than a server may be started again
		mode.Store("slow")
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-reached
			cancel()
		}()
		if _, err := w.call(ctx, "s.tool"); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		mode.Store("large")
		w.says(t, "s.Error: s.tool: the server has answered with more than 1024 bytes (max_response)", "s.tool")
	}
	mode.Store("")
	close(release)
	if text := <-first; text != "ok <nil>" {
		t.Error(text)
	}
	w.says(t, "'ok'", "s.tool")
	if begun.Load() != "x" {
		t.Errorf("the server was connected %d times", len(begun.Load().(string)))
	}
}
