package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/serve"
)

func (c *cli) serve(args []string) int {
	f := c.newFlags("serve --stdio [--policy F]", `Runs Python for a program in any language, which starts this command and speaks JSON-RPC 2.0 with it, one message
a line: docs/protocol.md has the messages. The program brings a policy, or the default policy holds; with --policy, that one holds and no other.
It can register functions of its own as tools, which Python code calls if the policy grants them in [grant.tools]. The command ends when its
stdin does.`)
	stdio := f.Bool("stdio", false, "speak over stdin and stdout (needed: there is no other way yet)")
	policyPath := f.String("policy", "", "the policy `FILE`; the program cannot bring its own")
	inline := f.Bool("inline-policies", false, "let the program bring a policy of its own in place of --policy")
	clientTools := f.Bool("client-tools", false, "let the program grant its own tools, if --policy has no [grant.tools]")
	sessions := f.Int("max-sessions", 256, "how many sessions there can be at once, `N`")
	message := f.Int("max-message", 32, "the longest message, in `MiB`")
	logger := f.logLevel()
	rest, exit, ok := f.parse(args)
	switch {
	case !ok:
		return exit
	case len(rest) > 0:
		return c.fail(usageError("usage: postern "+f.Name(), "serve takes no arguments: %q", rest[0]))
	case !*stdio:
		return c.fail(usageError("`postern serve --stdio` speaks over stdin and stdout", "serve needs to be told how to speak"))
	case *inline && *policyPath == "":
		return c.fail(usageError("without --policy, the program may bring one anyway", "--inline-policies is for use with --policy"))
	case *sessions < 1 || *sessions > 100_000:
		return c.fail(usageError("", "--max-sessions: %d is not between 1 and 100000", *sessions))
	case *message < 1 || *message > 1024:
		return c.fail(usageError("", "--max-message: %d is not between 1 and 1024", *message))
	}
	log, err := logger()
	if err != nil {
		return c.fail(usageError("", "%v", err))
	}
	name, text, err := policyText(*policyPath)
	if err != nil {
		return c.fail(err)
	}
	modules, err := guest.Modules()
	if err != nil {
		return c.fail(err)
	}
	config := serve.Config{
		Families: families(),
		Modules:  modules,
		Parse: func(p serve.PolicyText, r *capabilities.Registry) (*policies.Policy, error) {
			return parsePolicy(p.Name, p.Text, r)
		},
		ReadPolicy:  func(file string) ([]byte, error) { return readFile(file, policyLimit) },
		Policy:      serve.PolicyText{Name: name, Text: text},
		Fixed:       *policyPath != "" && !*inline,
		ClientTools: *clientTools,
		Host:        host.Config{Logger: log},
		Connect: func(ctx context.Context, policy *policies.Policy, known *capabilities.Registry) (*capabilities.Registry, io.Closer, error) {
			return c.serveServers(ctx, policy, known, log)
		},
		Preparing:   c.progress,
		Version:     posternVersion(),
		MaxMessage:  *message << 20,
		MaxSessions: *sessions,
	}
	err = serve.Serve(c.ctx, c.stdin, c.stdout, config)
	switch {
	case c.ctx.Err() != nil:
		return exitInterrupted
	case err != nil && !errors.Is(err, context.Canceled):
		return c.fail(fmt.Errorf("serve: %w", err))
	}
	return exitOK
}
