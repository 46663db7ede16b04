package mcpserver_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/mcpserver"
	"github.com/postern-sandbox/postern/policies"
)

const policyText = `
policy = 1
name = "calculator"
[python]
imports = ["re", "base64"]
[limits]
wall_time = "20s"
[grant.math]
functions = ["sqrt"]
`

func newServer(t testing.TB, sessions int) *mcpserver.Server {
	t.Helper()
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("policy.toml", []byte(policyText), policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: known, Audit: audit.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return mcpserver.New(mcpserver.Config{Host: h, Policy: policy, Version: "test", MaxSessions: sessions})
}

// connect gives the SDK's own client, connected to a server in this process.
func connect(t testing.TB, s *mcpserver.Server) *mcp.ClientSession { return connectWith(t, s, nil) }

func connectWith(t testing.TB, s *mcpserver.Server, options *mcp.ClientOptions) *mcp.ClientSession {
	t.Helper()
	ours, theirs := mcp.NewInMemoryTransports()
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- s.Serve(ctx, ours) }()
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, options).Connect(t.Context(), theirs, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		cancel()
		<-done
	})
	return client
}

func run(t testing.TB, client *mcp.ClientSession, code string) *mcp.CallToolResult {
	t.Helper()
	return call(t, client, "run_python", map[string]any{"code": code})
}

func call(t testing.TB, client *mcp.ClientSession, tool string, arguments map[string]any) *mcp.CallToolResult {
	t.Helper()
	result, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// said is the text of a result, and what images there are.
func said(r *mcp.CallToolResult) string {
	var parts []string
	for _, c := range r.Content {
		switch c := c.(type) {
		case *mcp.TextContent:
			parts = append(parts, c.Text)
		case *mcp.ImageContent:
			parts = append(parts, fmt.Sprintf("<%s, %d bytes>", c.MIMEType, len(c.Data)))
		}
	}
	return strings.Join(parts, "|")
}

func TestTools(t *testing.T) {
	client := connect(t, newServer(t, 0))
	list, err := client.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	described := make(map[string]string)
	for _, tool := range list.Tools {
		described[tool.Name] = tool.Description
	}
	for _, want := range []string{"math.sqrt(x, /)  Return the square root of x.", "Modules to import: re, base64", "One call may run for 20s"} {
		if !strings.Contains(described["run_python"], want) {
			t.Errorf("run_python's description lacks %q:\n%s", want, described["run_python"])
		}
	}
	if len(described) != 3 || described["reset"] == "" || described["describe_policy"] == "" {
		t.Errorf("tools: %v", described)
	}
	policy := said(call(t, client, "describe_policy", nil))
	for _, want := range []string{`Policy "calculator", sha256:`, "math.sqrt(x, /)", "20s;"} {
		if !strings.Contains(policy, want) {
			t.Errorf("describe_policy lacks %q:\n%s", want, policy)
		}
	}
}

func TestRunPython(t *testing.T) {
	client := connect(t, newServer(t, 0))
	for _, c := range []struct {
		code, want string
		failed     bool
	}{
		{"print('hello')\n1 + 1", "hello\n=> 2", false},
		{"x = 41", "(no output)", false},
		{"x + 1", "=> 42", false}, // the session is the same
		{"None", "(no output)", false},
		{"import math; math.sqrt(125)", "=> 11.180339887498949", false},
		{"final_answer({'a': (1,)})", "=> {'a': (1,)}", false},
		{"print('before')\n1/0", "before\nTraceback (most recent call last):\n*ZeroDivisionError: division by zero", true},
		{"math.cos(1)", "*postern.Denied: math.cos is not granted by policy 'calculator'; to allow it, add 'cos' to functions of [grant.math] in policy.toml", true},
		{"import os", "*ImportError: import of 'os' is not authorized by policy 'calculator'*hint: *", true},
		{"def f(): f()\nf()", "*limits.recursion exceeded*", true},
		{"import base64\nbase64.b64decode('iVBORw0KGgoAAAAN')", "<image/png, 12 bytes>", false},
		{"print('a picture')\n'<svg xmlns=\"http://www.w3.org/2000/svg\"/>'", "a picture|<image/svg+xml, 41 bytes>", false},
		{"'<?xml version=\"1.0\"?>\\n<svg/>'", "<image/svg+xml, 28 bytes>", false},
		{"[b'GIF89a...', b'\\xff\\xd8\\xff\\xe0', b'RIFF0000WEBPVP8 ']", "<image/gif, 9 bytes>|<image/jpeg, 4 bytes>|<image/webp, 16 bytes>", false},
		{"[b'GIF89a...', 1]", "=> [b'GIF89a...', 1]", false},
		{"[]", "=> []", false},
	} {
		r := run(t, client, c.code)
		if got := said(r); !matches(c.want, got) || r.IsError != c.failed {
			t.Errorf("%s\ngives %q, error %v; want %q", c.code, got, r.IsError, c.want)
		}
	}
	if got := said(call(t, client, "reset", nil)); got != "Python is as it was when it was new." {
		t.Error(got)
	}
	if got := said(run(t, client, "x")); !strings.HasSuffix(got, "NameError: name 'x' is not defined") {
		t.Error(got)
	}
	if r, err := client.CallTool(t.Context(), &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"kode": "1"}}); err == nil && !r.IsError {
		t.Error("a call without code is taken")
	}
}

// matches compares with a pattern in which * stands for anything.
func matches(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	if !strings.HasPrefix(text, parts[0]) || !strings.HasSuffix(text, parts[len(parts)-1]) {
		return false
	}
	for _, part := range parts {
		_, after, found := strings.Cut(text, part)
		if !found {
			return false
		}
		text = after
	}
	return true
}

// A client that gives a progress token is told, while the code runs, how long it has and what it has printed last.
func TestProgress(t *testing.T) {
	awaited := make(chan struct{}, 1)
	known, err := capabilities.NewRegistry(capabilities.Family{Name: "t", Doc: "t", Capabilities: []capabilities.Capability{
		capabilities.New(capabilities.Spec{Family: "t", Function: "wait", Signature: "()", Effects: capabilities.Pure},
			func(ctx context.Context, _ capabilities.Arguments) (any, error) {
				select {
				case <-awaited:
					return "told", nil
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("p.toml", []byte("policy = 1\nname = \"p\"\n[limits]\nwall_time = \"20s\"\n[grant.t]\nfunctions = [\"wait\"]\n"),
		policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: known, Audit: audit.Discard})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	s := mcpserver.New(mcpserver.Config{Host: h, Policy: policy})
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.ServeHTTP(ctx, listener) }()
	defer func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}()

	const code = "import t\nprint('begun')\nprint('\\tnearly \\x1b[31mred\\r\\n')\nt.wait()"
	for name, connect := range map[string]func(*mcp.ClientOptions) *mcp.ClientSession{
		"in this process": func(o *mcp.ClientOptions) *mcp.ClientSession { return connectWith(t, s, o) },
		"over HTTP": func(o *mcp.ClientOptions) *mcp.ClientSession {
			endpoint := "http://" + listener.Addr().String() + mcpserver.Path
			client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, o).Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { client.Close() })
			return client
		},
	} {
		t.Run(name, func(t *testing.T) {
			for len(awaited) > 0 {
				<-awaited
			}
			client := connect(&mcp.ClientOptions{ProgressNotificationHandler: func(_ context.Context, r *mcp.ProgressNotificationClientRequest) {
				if p := r.Params; p.ProgressToken != "mine" || p.Total != 20 || p.Progress < 0 {
					t.Errorf("told %+v", p)
				}
				if r.Params.Message == "nearly [31mred" {
					select {
					case awaited <- struct{}{}: // the code goes on
					default:
					}
				}
			}})
			params := &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"code": code}}
			params.SetProgressToken("mine")
			r, err := client.CallTool(t.Context(), params)
			if err != nil || !strings.HasSuffix(said(r), "=> 'told'") {
				t.Errorf("%v, %v", said(r), err)
			}
			// Without a token nobody is told.
			if got := said(run(t, client, "print('quiet')")); got != "quiet" {
				t.Error(got)
			}
		})
	}
}

func TestCancelAndForce(t *testing.T) {
	client := connect(t, newServer(t, 0))
	run(t, client, "kept = 1")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := client.CallTool(ctx, &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"code": "sum(range(10**15))"}}); err == nil {
		t.Error("not canceled")
	}
	if got := said(run(t, client, "kept")); got != "=> 1" {
		t.Errorf("after a run that had to be stopped by force: %s", got)
	}
}

func TestEachClientHasItsOwn(t *testing.T) {
	s := newServer(t, 2)
	a, b := connect(t, s), connect(t, s)
	run(t, a, "x = 'a'")
	if got := said(run(t, b, "x")); !strings.Contains(got, "NameError") {
		t.Error(got)
	}
	if r := run(t, connect(t, s), "1"); !r.IsError || !strings.Contains(said(r), "too many Python sessions") {
		t.Error(said(r))
	}
	a.Close()
	// Its Python session ends soon after it, and there is room for another.
	for {
		if r := run(t, connect(t, s), "1"); !r.IsError {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestHTTP(t *testing.T) {
	s := newServer(t, 0)
	listener, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.ServeHTTP(ctx, listener) }()
	endpoint := "http://" + listener.Addr().String() + mcpserver.Path
	var wg sync.WaitGroup
	for n := range 5 {
		wg.Go(func() {
			client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer client.Close()
			run(t, client, fmt.Sprintf("mine = %d", n))
			if got := said(run(t, client, "mine")); got != fmt.Sprintf("=> %d", n) {
				t.Errorf("client %d has %s", n, got)
			}
		})
	}
	wg.Wait()
	// A page of another origin, in a browser on this machine.
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Origin", "https://example.com")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("a request of another origin: %s", response.Status)
	}
	// One that computes for ever does not hold up the end.
	client, err := mcp.NewClient(&mcp.Implementation{Name: "test"}, nil).Connect(t.Context(), &mcp.StreamableClientTransport{Endpoint: endpoint, MaxRetries: -1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(t, client, "1")
	began := make(chan struct{})
	go func() {
		close(began)
		client.CallTool(context.Background(), &mcp.CallToolParams{Name: "run_python", Arguments: map[string]any{"code": "while True: pass"}})
	}()
	<-began
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
