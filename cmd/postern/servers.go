package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/mcpclient"
	"github.com/postern-sandbox/postern/policies"
)

// A running is a host with the MCP servers that its policy names, which end after it.
type running struct {
	*host.Host
	servers *mcpclient.Servers
}

// Close closes the host, and ends its servers.
func (r *running) Close() error { return errors.Join(r.Host.Close(), r.servers.Close()) }

// connect connects the MCP servers of a policy, and gives the registry that has their functions too. The caller closes the servers.
func (c *cli) connect(ctx context.Context, policy *policies.Policy, known *capabilities.Registry, log hclog.Logger) (*capabilities.Registry, *mcpclient.Servers, error) {
	if len(policy.Servers) == 0 {
		return known, new(mcpclient.Servers), nil
	}
	names := make([]string, len(policy.Servers))
	for i := range policy.Servers {
		names[i] = policy.Servers[i].Name
	}
	done := c.slow("waiting for the MCP servers that the policy names: "+strings.Join(names, ", ")+" …", "connected")
	servers, err := mcpclient.Connect(ctx, policy, mcpclient.Config{Logger: log, Version: posternVersion()})
	done()
	if err != nil {
		return nil, nil, serverError(ctx, err)
	}
	known, err = capabilities.NewRegistry(append(known.Families(), servers.Families()...)...)
	if err != nil {
		return nil, nil, errors.Join(err, servers.Close())
	}
	return known, servers, nil
}

// serverError is a failure with the hint of the first server that cannot be used.
func serverError(ctx context.Context, err error) error {
	var failed *mcpclient.StartError
	if ctx.Err() != nil || !errors.As(err, &failed) {
		return err
	}
	return usageError(failed.Hint, "%w", err)
}

// serveServers connects the servers of the policy of a client of serve.
func (c *cli) serveServers(ctx context.Context, policy *policies.Policy, known *capabilities.Registry, log hclog.Logger) (*capabilities.Registry, io.Closer, error) {
	known, servers, err := c.connect(ctx, policy, known, log)
	if err != nil {
		return nil, nil, err
	}
	return known, servers, nil
}

// An offered is what a server has said of its tools, as `policy explain --connect` tells it.
type offered struct {
	Name   string        `json:"name"`
	Error  string        `json:"error,omitempty"` // why it cannot be used; then there is nothing else
	Tools  []offeredTool `json:"tools,omitempty"`
	SHA256 string        `json:"tools_sha256,omitempty"` // of those that are granted

	rule, position, hint string
}

type offeredTool struct {
	Name      string `json:"name"`      // in Python
	Original  string `json:"original"`  // the server's
	Signature string `json:"signature"` // in Python
	Doc       string `json:"doc,omitempty"`
	Granted   bool   `json:"granted"`
	Unusable  string `json:"unusable,omitempty"` // why it cannot be called, whatever the policy says
}

// lookAt asks the servers of a policy for their tools.
func (c *cli) lookAt(policy *policies.Policy) []offered {
	list := []offered{}
	log := hclog.New(&hclog.LoggerOptions{Name: "postern", Level: hclog.Warn, Output: c.stderr})
	for i := range policy.Servers {
		server := &policy.Servers[i]
		o := offered{Name: server.Name, rule: "mcp." + server.Name, position: server.Position.String()}
		done := c.slow("waiting for the MCP server "+server.Name+" …", "connected")
		offer, err := mcpclient.Look(c.ctx, server, mcpclient.Config{Logger: log, Version: posternVersion()})
		done()
		if err != nil {
			var failed *mcpclient.StartError
			if errors.As(err, &failed) {
				o.hint = failed.Hint
			}
			o.Error = err.Error()
			list = append(list, o)
			continue
		}
		o.SHA256 = offer.SHA256()
		for _, t := range offer.Tools {
			tool := offeredTool{Name: t.Name, Original: t.Original, Signature: t.Signature, Doc: t.Doc, Granted: t.Granted}
			if t.Unusable != nil {
				tool.Unusable = t.Unusable.Error()
			}
			o.Tools = append(o.Tools, tool)
		}
		list = append(list, o)
	}
	return list
}

// printOffers prints what servers have said.
func (c *cli) printOffers(list []offered) error {
	fmt.Fprintln(c.stdout, "\nTOOLS of the MCP servers, as they describe them themselves")
	for _, o := range list {
		if o.Error != "" {
			c.errorf("%s", o.Error)
			if o.hint != "" {
				c.hintf("%s", visibleName(o.hint))
			}
			continue
		}
		fmt.Fprintf(c.stdout, "\n%s  %s\n", o.rule, o.position)
		for _, granted := range []bool{true, false} {
			printed := false
			for _, t := range o.Tools {
				if t.Granted != granted {
					continue
				}
				if !printed {
					fmt.Fprintln(c.stdout, map[bool]string{true: "  granted", false: "  not granted"}[granted])
					printed = true
				}
				printOffered(c.stdout, t)
			}
		}
		if _, err := fmt.Fprintf(c.stdout, "  pins what is granted\n    tools_sha256 = %q\n", o.SHA256); err != nil {
			return err
		}
	}
	return nil
}

func printOffered(out io.Writer, t offeredTool) {
	name := t.Name + t.Signature
	if t.Original != t.Name {
		name += "  (" + t.Original + ")"
	}
	doc := t.Doc
	if t.Unusable != "" {
		doc = "cannot be used: " + t.Unusable
	}
	printFunction(out, name, doc)
}
