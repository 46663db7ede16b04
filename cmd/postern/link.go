package main

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
)

const linkUsage = "link [--policy F] [--self-contained] -o OUT.wasm [--stubs STUBS.wasm [--answer NAME=JSON …]]"

func (c *cli) link(args []string) int {
	f := c.newFlags(linkUsage, `Writes the guest whose imports are exactly the functions that a policy grants, as an Extism plugin. The same policy gives the
same bytes. `+"`postern imports OUT.wasm`"+` says what they are.

With --self-contained the module is started and configured, and has its files inside: any Extism host can run it as it is, without mounts,
WASI or configuration. It keeps the policy's fuel, host_calls, memory, output, result and recursion by itself. wall_time, the terms of grants and the audit
log are Postern's host's alone: elsewhere, what serves the granted functions decides (docs/extism.md).

--stubs writes a second module that serves the granted functions, for hosts that take none of yours, such as Extism's command line: each
answers what --answer says, or is denied. The JSON is a value as in docs/abi.md, or @FILE.

  postern link --policy F --self-contained -o agent.wasm --stubs stubs.wasm --answer math.sqrt=11.18
  extism call agent.wasm exec --link extism:host/user=stubs.wasm --input '{"code": "import math; math.sqrt(125)"}'`)
	policyPath := f.String("policy", "", "the policy `FILE`; without it, the default policy")
	out := f.String("o", "", "the `FILE` to write; - is stdout")
	contained := f.Bool("self-contained", false, "write a module that any Extism host can run as it is")
	stubs := f.String("stubs", "", "write a module that serves the granted functions, into a `FILE`")
	var answers list
	f.Var(&answers, "answer", "what a granted function answers in --stubs: `NAME=JSON`, or NAME=@FILE; again for each function")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	const hint = "usage: postern " + linkUsage
	switch {
	case len(rest) > 0:
		return c.fail(usageError(hint, "unexpected argument %q", rest[0]))
	case *out == "":
		return c.fail(usageError(hint, "where to write the guest is not given: -o OUT.wasm"))
	case len(answers) > 0 && *stubs == "":
		return c.fail(usageError(hint, "--answer without --stubs: there is no module to put answers in"))
	case *stubs == *out:
		return c.fail(usageError(hint, "the guest and its stubs are both to be written to %s", *out))
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	policy, err := lookPolicy(*policyPath, known)
	if err != nil {
		return c.fail(err)
	}
	known, servers, err := c.connect(c.ctx, policy, known, hclog.NewNullLogger())
	if err != nil {
		return c.fail(err)
	}
	defer servers.Close() // what they have is known
	functions, err := grantedSymbols(policy, known)
	if err != nil {
		return c.fail(err)
	}
	// Mistakes in the answers are found before anything is written.
	var stubModule []byte
	if *stubs != "" {
		if stubModule, err = stubsFor(policy.Name, functions, answers); err != nil {
			return c.fail(err)
		}
	}
	linked, err := c.linkFor(policy, known, functions, *contained)
	if err != nil {
		return c.fail(err)
	}
	if err := c.writeModule(*out, linked, plural(int64(len(functions)), "granted function", "granted functions")); err != nil {
		return c.fail(err)
	}
	if *stubs != "" {
		if err := c.writeModule(*stubs, stubModule, stubsSummary(len(answers), len(functions))); err != nil {
			return c.fail(err)
		}
	}
	if *contained {
		c.noteNotKept(policy)
	}
	return exitOK
}

// grantedSymbols are the imports that a policy's grants are, those of its tools too, and of its MCP servers, whose functions are known.
func grantedSymbols(policy *policies.Policy, known *capabilities.Registry) ([]string, error) {
	tools, err := describedTools(policy, known)
	if err != nil {
		return nil, err
	}
	for i := range policy.Servers {
		if family, ok := known.Family(policy.Servers[i].Name); ok {
			tools = append(tools, family)
		}
	}
	return host.Symbols(policy, tools...), nil
}

// describedTools describes the tools of a policy, all of whose functions must be known.
func describedTools(policy *policies.Policy, known *capabilities.Registry) ([]capabilities.Family, error) {
	tools, err := host.Tools(policy, known, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	for _, family := range tools {
		if len(family.Capabilities) == 0 {
			return nil, usageError(fmt.Sprintf("name them: functions = [\"…\"] in [tool.%s]", family.Name),
				"tool %q is written in Python: which functions it has is known only when it runs", family.Name)
		}
	}
	return tools, nil
}

// linkFor makes the module for a policy, which grants the functions.
func (c *cli) linkFor(policy *policies.Policy, known *capabilities.Registry, functions []string, contained bool) ([]byte, error) {
	if contained {
		done := c.progress(policy)
		defer done()
		return host.Seal(c.ctx, host.Config{Policy: policy, Capabilities: known})
	}
	base, err := guest.Wasm()
	if err != nil {
		return nil, err
	}
	return link.Link(base, link.Options{Functions: functions, Meter: true})
}

// writeModule writes a module and says on stderr what it is.
func (c *cli) writeModule(path string, module []byte, what string) error {
	if path == "-" {
		_, err := c.stdout.Write(module)
		return err
	}
	if err := os.WriteFile(path, module, 0o644); err != nil {
		return usageError("", "%v", err)
	}
	fmt.Fprintf(c.stderr, "%s: %s, %s, %s\n", visibleName(path), byteSize(len(module)), what, audit.Digest(module))
	return nil
}

// noteNotKept says which terms of a policy a sealed guest leaves to whoever serves its functions.
func (c *cli) noteNotKept(policy *policies.Policy) {
	fmt.Fprintln(c.stderr, "note: another host keeps no limits.wall_time and no audit log; its own functions decide about each call")
	explanation := policy.Explain(time.Now())
	for _, grant := range slices.Concat(explanation.Grants, explanation.Tools, explanation.Servers) {
		var keys []string
		for _, term := range grant.Terms {
			switch {
			case slices.Contains([]string{"as", "note", "plugin", "command", "url", "start_timeout"}, term.Key): // nothing that is decided
			case term.Key == "approve" && term.Value == `"never"`:
			default:
				keys = append(keys, term.Key)
			}
		}
		if len(keys) > 0 {
			fmt.Fprintf(c.stderr, "note: nor the terms of [%s]: %s\n", grant.Rule, strings.Join(keys, ", "))
		}
	}
}
