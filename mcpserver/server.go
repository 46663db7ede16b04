package mcpserver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// Config says what is served.
type Config struct {
	Host    *host.Host       // stays the caller's
	Policy  *policies.Policy // the host's
	Logger  hclog.Logger     // nil means none
	Version string

	// MaxSessions bounds Python sessions; 0 means 256.
	MaxSessions int
}

// A Server has the tools for all its MCP sessions. It is safe for concurrent use.
type Server struct {
	config Config
	mcp    *mcp.Server

	mu       sync.Mutex
	sessions map[*mcp.ServerSession]*session
}

// A session is the Python session of an MCP session.
type session struct {
	turn chan struct{} // held by whoever uses the fields below
	host *host.Session // nil before the first run
	over bool
}

// protocolVersions are those of MCP that have sessions. Later ones have none, and so no place for what code leaves behind.
var protocolVersions = []string{"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}

// New makes a server.
func New(config Config) *Server {
	if config.MaxSessions <= 0 {
		config.MaxSessions = 256
	}
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	s := &Server{config: config, sessions: make(map[*mcp.ServerSession]*session)}
	s.mcp = mcp.NewServer(
		&mcp.Implementation{Name: "postern", Title: "Postern", Version: config.Version},
		&mcp.ServerOptions{
			Instructions:              "Python in a sandbox, under the policy " + config.Policy.Name + ". Use run_python to compute and to call the functions that the policy grants.",
			SupportedProtocolVersions: protocolVersions,
		})
	mcp.AddTool(s.mcp, &mcp.Tool{
		Name: "run_python", Title: "Run Python", Description: describeTool(config),
		Annotations: &mcp.ToolAnnotations{OpenWorldHint: new(reachesOut(config))},
	}, s.runPython)
	mcp.AddTool(s.mcp, &mcp.Tool{
		Name: "reset", Title: "Reset Python", Description: "Forgets all variables, functions and imports of run_python.",
		Annotations: &mcp.ToolAnnotations{IdempotentHint: true, OpenWorldHint: new(false)},
	}, s.reset)
	mcp.AddTool(s.mcp, &mcp.Tool{
		Name: "describe_policy", Title: "Describe the policy", Description: "Says what run_python may do: functions, modules and limits.",
		Annotations: &mcp.ToolAnnotations{ReadOnlyHint: true, OpenWorldHint: new(false)},
	}, s.describePolicy)
	return s
}

// reachesOut tells clients whether code can touch more than itself.
func reachesOut(config Config) bool {
	for _, spec := range config.Host.Functions() {
		if spec.Effects != capabilities.Pure {
			return true
		}
	}
	return false
}

// Serve serves one client over a transport, until it goes or ctx ends.
func (s *Server) Serve(ctx context.Context, transport mcp.Transport) error {
	return s.mcp.Run(ctx, transport)
}

var (
	errOver     = errors.New("the MCP session is over")
	errTooMany  = errors.New("there are too many Python sessions on this server: try again later")
	errStopping = errors.New("the server is stopping")
)

// enter waits for the turn of an MCP session, and gives it its Python session, until leave is called.
func (s *Server) enter(ctx context.Context, of *mcp.ServerSession) (owner *session, leave func(), err error) {
	owner, err = s.sessionOf(of)
	if err != nil {
		return nil, nil, err
	}
	select {
	case owner.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	leave = func() { <-owner.turn }
	switch {
	case owner.over:
		err = errOver
	case owner.host == nil:
		owner.host, err = s.config.Host.NewSession(ctx)
	}
	if err != nil {
		leave()
		return nil, nil, err
	}
	return owner, leave, nil
}

func (s *Server) sessionOf(of *mcp.ServerSession) (*session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if owner, ok := s.sessions[of]; ok {
		return owner, nil
	}
	if len(s.sessions) >= s.config.MaxSessions {
		return nil, errTooMany
	}
	owner := &session{turn: make(chan struct{}, 1)}
	s.sessions[of] = owner
	go func() {
		of.Wait() // its error is the client's affair
		s.forget(of, owner)
	}()
	return owner, nil
}

// forget ends the Python session of an MCP session that is over.
func (s *Server) forget(of *mcp.ServerSession, owner *session) {
	owner.turn <- struct{}{} // what runs ends with its context
	defer func() { <-owner.turn }()
	owner.over = true
	if owner.host != nil {
		if err := owner.host.Close(); err != nil {
			s.config.Logger.Warn("closing a session", "session", owner.host.ID(), "error", err)
		}
	}
	s.mu.Lock()
	delete(s.sessions, of)
	s.mu.Unlock()
}

type runArguments struct {
	Code string `json:"code" jsonschema:"the Python program"`
}

func (s *Server) runPython(ctx context.Context, request *mcp.CallToolRequest, arguments runArguments) (*mcp.CallToolResult, any, error) {
	owner, leave, err := s.enter(ctx, request.Session)
	if err != nil {
		return nil, nil, toolError(err)
	}
	defer leave()
	output, done := s.follow(ctx, request)
	result, err := owner.host.Exec(ctx, arguments.Code, host.ExecOptions{Output: output})
	done()
	note := ""
	if owner.host.Lost() {
		note = "[what earlier calls had defined is gone: the code had to be stopped by force]"
		err = errors.Join(err, owner.host.Reset(context.WithoutCancel(ctx)))
	} else if err == nil {
		// What this run has defined is to survive if the next one must be stopped. It is not kept while files are open, nor when a tool remembers something.
		if keepErr := owner.host.Checkpoint(); keepErr != nil {
			s.config.Logger.Debug("no checkpoint", "session", owner.host.ID(), "error", keepErr)
		}
	}
	if err != nil {
		return nil, nil, toolError(err)
	}
	content, err := contentOf(result, note)
	if err != nil {
		return nil, nil, err
	}
	return &mcp.CallToolResult{Content: content, IsError: result.Error != nil}, nil, nil
}

type noArguments struct{}

func (s *Server) reset(ctx context.Context, request *mcp.CallToolRequest, _ noArguments) (*mcp.CallToolResult, any, error) {
	owner, leave, err := s.enter(ctx, request.Session)
	if err != nil {
		return nil, nil, toolError(err)
	}
	defer leave()
	if err := owner.host.Reset(ctx); err != nil {
		return nil, nil, toolError(err)
	}
	return text("Python is as it was when it was new."), nil, nil
}

func (s *Server) describePolicy(context.Context, *mcp.CallToolRequest, noArguments) (*mcp.CallToolResult, any, error) {
	return text(describePolicy(s.config)), nil, nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}

// toolError says what went wrong outside of the code, in words for the model.
func toolError(err error) error {
	switch {
	case errors.Is(err, host.ErrClosed):
		return errStopping
	case errors.Is(err, host.ErrTooLarge):
		return errors.New("the code is too large")
	case errors.Is(err, host.ErrAudit):
		return errors.New("refused: the audit log failed")
	}
	return fmt.Errorf("not run: %w", err)
}
