package serve

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// protocolVersion is the version of docs/protocol.md.
const protocolVersion = 1

// A start is one initialize. Its fields are there when done is closed.
type start struct {
	done    chan struct{}
	host    *host.Host // nil if it failed
	servers io.Closer  // of MCP; nil if there are none
	prelude string     // what each new session runs first
}

// initializeParams are what the client asks for.
type initializeParams struct {
	protocol int
	policy   *policyParam
	tools    []Tool
	grant    bool
}

type policyParam struct {
	File string  `json:"file"`
	Text *string `json:"text"`
	Name string  `json:"name"`
}

func (c *connection) initialize(r *request, params json.RawMessage) *Error {
	var p initializeParams
	var client struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	wrong := readParams(params, map[string]any{
		"protocol": &p.protocol, "client": &client, "policy": &p.policy, "tools": &p.tools, "grant_tools": &p.grant,
	}, "client", "policy", "tools", "grant_tools")
	if wrong != nil {
		return wrong
	}
	if p.protocol != protocolVersion {
		return errorf(codeInvalidParams, "protocol %d is not spoken here: this server speaks %d", p.protocol, protocolVersion)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.starting != nil {
		return errorf(codeNotInitialized, "initialize was called before")
	}
	s := &start{done: make(chan struct{})}
	c.starting = s
	go func() {
		result, err := c.start(r, s, p)
		if err != nil {
			c.mu.Lock()
			c.starting = nil // the client may try again
			c.mu.Unlock()
			close(s.done)
			c.finish(r, nil, errorOf(err))
			return
		}
		close(s.done)
		c.finish(r, result, nil)
	}()
	return nil
}

// start makes the host that the client asks for.
func (c *connection) start(r *request, s *start, p initializeParams) (*initialized, error) {
	known, err := c.registry(p.tools)
	if err != nil {
		return nil, err
	}
	policy, err := c.policy(p, known)
	if err != nil {
		return nil, err
	}
	if known, s.servers, err = c.connect(r.ctx, policy, known); err != nil {
		return nil, err
	}
	if c.config.Preparing != nil {
		defer c.config.Preparing(policy)()
	}
	config := c.config.Host
	config.Policy, config.Capabilities = policy, known
	if s.host, err = host.New(r.ctx, config); err != nil {
		err = errors.Join(err, s.close())
		if r.ctx.Err() != nil {
			return nil, errorf(codeCanceled, "canceled")
		}
		return nil, err
	}
	s.prelude = prelude(policy, p.tools)
	return c.initialized(policy, s.host), nil
}

// connect connects the policy's MCP servers.
func (c *connection) connect(ctx context.Context, policy *policies.Policy, known *capabilities.Registry) (*capabilities.Registry, io.Closer, error) {
	if len(policy.Servers) == 0 {
		return known, nil, nil
	}
	if c.config.Connect == nil {
		return nil, nil, errorf(codePolicy, "the policy names MCP servers, and this server connects to none")
	}
	known, servers, err := c.config.Connect(ctx, policy, known)
	switch mistakes := policies.Errors(nil); {
	case err == nil:
		return known, servers, nil
	case ctx.Err() != nil:
		return nil, nil, errorf(codeCanceled, "canceled")
	case errors.As(err, &mistakes):
		return nil, nil, err
	}
	return nil, nil, errorf(codePolicy, "%v", err)
}

// close closes the host, and ends its servers.
func (s *start) close() error {
	var errs []error
	if s.host != nil {
		errs = append(errs, s.host.Close())
	}
	if s.servers != nil {
		errs = append(errs, s.servers.Close())
	}
	return errors.Join(errs...)
}

// registry has all that there is to grant.
func (c *connection) registry(tools []Tool) (*capabilities.Registry, error) {
	families := slices.Clone(c.config.Families)
	if len(tools) > 0 {
		family, err := c.toolFamily(tools)
		if err != nil {
			return nil, err
		}
		families = append(families, family)
	}
	registry, err := capabilities.NewRegistry(families...)
	if err != nil {
		return nil, errorf(codeInvalidParams, "tools: %v", err)
	}
	return registry, nil
}

// policy decides whose policy holds, and reads it.
func (c *connection) policy(p initializeParams, known *capabilities.Registry) (*policies.Policy, error) {
	text := c.config.Policy
	if p.policy != nil {
		if c.config.Fixed {
			return nil, errorf(codePolicy, "the server's policy is fixed: clients cannot bring one")
		}
		var err error
		if text, err = c.clientPolicy(*p.policy); err != nil {
			return nil, err
		}
	}
	policy, err := c.config.Parse(text, known)
	if err != nil || !p.grant || len(p.tools) == 0 || grants(policy, ToolsFamily) {
		return policy, err
	}
	if c.config.Fixed && !c.config.ClientTools {
		return nil, errorf(codePolicy, "the server's policy is fixed and has no [grant.tools]: clients cannot grant their own tools")
	}
	text.Text = slices.Concat(text.Text, grantOf(p.tools))
	return c.config.Parse(text, known)
}

// clientPolicyName is what messages call a policy that came without a name. The parentheses tell the guest that it is no file.
const clientPolicyName = "(client policy)"

func (c *connection) clientPolicy(p policyParam) (PolicyText, error) {
	switch {
	case (p.File != "") == (p.Text != nil):
		return PolicyText{}, errorf(codeInvalidParams, `policy: give a "file" or the "text"`)
	case p.File != "" && p.Name != "":
		return PolicyText{}, errorf(codeInvalidParams, `policy: "name" is for a "text"`)
	case p.Text != nil && p.Name == "":
		p.Name = clientPolicyName
	}
	if p.Text != nil {
		return PolicyText{p.Name, []byte(*p.Text)}, nil
	}
	if c.config.ReadPolicy == nil {
		return PolicyText{}, errorf(codePolicy, "this server reads no files for clients: send the policy's text")
	}
	text, err := c.config.ReadPolicy(p.File)
	if err != nil {
		return PolicyText{}, errorf(codePolicy, "the policy cannot be read: %v", err)
	}
	return PolicyText{p.File, text}, nil
}

func grants(policy *policies.Policy, family string) bool {
	return slices.ContainsFunc(policy.Grants, func(g policies.Grant) bool { return g.Family == family })
}

// initialized is the result of initialize.
type initialized struct {
	Protocol int           `json:"protocol"`
	Server   serverInfo    `json:"server"`
	Policy   policyInfo    `json:"policy"`
	Guest    string        `json:"guest"`
	Imports  []string      `json:"imports"`
	Granted  []function    `json:"granted"`
	Limits   limitsInfo    `json:"limits"`
	Bounds   boundsOfAPeer `json:"bounds"`
}

type serverInfo struct {
	Name    string `json:"name"`
	Version string `json:"version"`
}

type policyInfo struct {
	Name     string   `json:"name"`
	Digest   string   `json:"digest"`
	Warnings []string `json:"warnings"`
}

type function struct {
	Name      string `json:"name"` // "math.sqrt"
	Signature string `json:"signature"`
	Doc       string `json:"doc"`
	Effects   string `json:"effects"`
}

type limitsInfo struct {
	WallTimeMS float64 `json:"wall_time_ms"`
	Fuel       int64   `json:"fuel"`
	Memory     int64   `json:"memory"`
	Output     int64   `json:"output"`
	Result     int64   `json:"result"`
	HostCalls  int64   `json:"host_calls"`
	Recursion  int64   `json:"recursion"`
}

// boundsOfAPeer is what the server takes from its client.
type boundsOfAPeer struct {
	Message  int `json:"message"`
	Sessions int `json:"sessions"`
	Requests int `json:"requests"`
}

func (c *connection) initialized(policy *policies.Policy, h *host.Host) *initialized {
	l := policy.Limits.WithDefaults()
	result := &initialized{
		Protocol: protocolVersion,
		Server:   serverInfo{"postern", c.config.Version},
		Policy:   policyInfo{Name: policy.Name, Digest: policy.Digest, Warnings: []string{}},
		Guest:    cmp.Or(c.config.Host.Guest.Digest, guest.Digest()),
		Imports:  append([]string{}, policy.Python.Imports...),
		Granted:  []function{},
		Limits: limitsInfo{
			WallTimeMS: float64(l.WallTime.Microseconds()) / 1e3, Fuel: l.Fuel, Memory: l.Memory,
			Output: l.Output, Result: l.Result, HostCalls: l.HostCalls, Recursion: l.Recursion,
		},
		Bounds: boundsOfAPeer{c.config.MaxMessage, c.config.MaxSessions, c.config.MaxRequests},
	}
	for _, w := range policy.WarningsAt(time.Now()) {
		result.Policy.Warnings = append(result.Policy.Warnings, w.Error())
	}
	for _, f := range h.Functions() {
		result.Granted = append(result.Granted, describeFunction(f.Spec))
	}
	return result
}

func describeFunction(s capabilities.Spec) function {
	return function{s.Name(), s.Signature, s.Doc, s.Effects.String()}
}

// description is the result of server.describe: what a policy could name.
type description struct {
	Protocol int        `json:"protocol"`
	Server   serverInfo `json:"server"`
	Modules  []string   `json:"modules"`
	Families []family   `json:"families"`
}

type family struct {
	Name      string     `json:"name"`
	Doc       string     `json:"doc"`
	Functions []function `json:"functions"`
}

func (c *connection) describe(r *request, params json.RawMessage) *Error {
	if wrong := readParams(params, nil); wrong != nil {
		return wrong
	}
	d := description{
		Protocol: protocolVersion, Server: serverInfo{"postern", c.config.Version},
		Modules: append([]string{}, c.config.Modules...), Families: []family{},
	}
	for _, f := range c.config.Families {
		described := family{f.Name, f.Doc, []function{}}
		for _, capability := range f.Capabilities {
			described.Functions = append(described.Functions, describeFunction(capability.Spec()))
		}
		d.Families = append(d.Families, described)
	}
	c.finish(r, d, nil)
	return nil
}
