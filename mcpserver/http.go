package mcpserver

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

const (
	idleTime  = 30 * time.Minute // after which an MCP session without requests is over
	bodyLimit = 16 << 20
)

// Path is where the streamable HTTP endpoint is.
const Path = "/mcp"

// ServeHTTP serves clients over streamable HTTP, until ctx ends. It closes the listener. There is no authentication: who reaches the listener can
// run code under the policy. Pages of other origins in a browser are refused.
func (s *Server) ServeHTTP(ctx context.Context, listener net.Listener) error {
	endpoint := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return s.mcp },
		&mcp.StreamableHTTPOptions{SessionTimeout: idleTime, MaxRequestBodyBytes: bodyLimit})
	mux := http.NewServeMux()
	mux.Handle(Path, http.NewCrossOriginProtection().Handler(endpoint))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server := &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		<-ctx.Done()
		for session := range s.mcp.Sessions() {
			session.Close()
		}
		server.Close()
	}()
	err := server.Serve(listener)
	cancel()
	<-stopped
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
