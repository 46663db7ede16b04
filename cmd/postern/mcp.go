package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/mcpserver"
)

func (c *cli) mcp(args []string) int {
	f := c.newFlags("mcp [--policy F] [--http ADDRESS]", `Serves the Model Context Protocol: the model of an MCP client runs Python under a policy, with the tools run_python,
reset and describe_policy. It speaks over stdin and stdout with the client that has started it, or with --http over streamable HTTP at http://ADDRESS`+mcpserver.Path+`.
Each MCP session has a Python session of its own. Clients that give a progress token are told how long their code has run, and the last line that it
has printed. examples/mcp has configurations for clients.`)
	policyPath := f.String("policy", "", "the policy `FILE`")
	address := f.String("http", "", "listen on `ADDRESS`, such as localhost:8080")
	expose := f.Bool("expose", false, "allow an address that other machines can reach: there is no authentication")
	sessions := f.Int("max-sessions", 256, "how many sessions there can be at once, `N`")
	logger := f.logLevel()
	rest, exit, ok := f.parse(args)
	switch {
	case !ok:
		return exit
	case len(rest) > 0:
		return c.fail(usageError("usage: postern "+f.Name(), "mcp takes no arguments: %q", rest[0]))
	case *sessions < 1 || *sessions > 100_000:
		return c.fail(usageError("", "--max-sessions: %d is not between 1 and 100000", *sessions))
	}
	log, err := logger()
	if err != nil {
		return c.fail(usageError("", "%v", err))
	}
	var listener net.Listener
	if *address != "" {
		if listener, err = listen(*address, *expose); err != nil {
			return c.fail(err)
		}
		defer listener.Close()
	}
	policy, known, err := policyFor(*policyPath, log)
	if err != nil {
		return c.fail(err)
	}
	h, err := c.hostFor(policy, known, "", nil, log)
	if err != nil {
		return c.fail(err)
	}
	server := mcpserver.New(mcpserver.Config{
		Host: h.Host, Policy: policy, Logger: log, Version: posternVersion(), MaxSessions: *sessions,
	})
	if listener != nil {
		fmt.Fprintf(c.stderr, "postern: policy %q at http://%s%s\n", policy.Name, listener.Addr(), mcpserver.Path)
		err = server.ServeHTTP(c.ctx, listener)
	} else {
		err = c.serveMCP(server)
	}
	if err = errors.Join(err, h.Close()); err != nil && c.ctx.Err() == nil {
		return c.fail(fmt.Errorf("mcp: %w", err))
	}
	if c.ctx.Err() != nil {
		return exitInterrupted
	}
	return exitOK
}

// listen refuses what other machines can reach, unless that is wanted.
func listen(address string, expose bool) (net.Listener, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, usageError("", "--http: %v", err)
	}
	if at, ok := listener.Addr().(*net.TCPAddr); !expose && (!ok || !at.IP.IsLoopback()) {
		listener.Close()
		return nil, usageError("name a local address such as localhost:8080, and put a proxy that authenticates in front of it; or say --expose",
			"--http: other machines can reach %s, and there is no authentication", address)
	}
	return listener, nil
}

// serveMCP serves the client at stdin and stdout. When it goes, what it has started is stopped.
func (c *cli) serveMCP(server *mcpserver.Server) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	err := server.Serve(ctx, &mcp.IOTransport{Reader: &ending{c.stdin, cancel}, Writer: nopWriteCloser{c.stdout}})
	if errors.Is(err, context.Canceled) || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// ending calls ended when reading ends.
type ending struct {
	io.Reader
	ended func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil {
		e.ended()
	}
	return n, err
}

func (e *ending) Close() error { return nil } // a read that has begun is not waited for

type nopWriteCloser struct{ io.Writer }

func (nopWriteCloser) Close() error { return nil }
