// Package process is the capability family "process": programs of this machine that a policy names, with the arguments that it
// permits.
//
// A program runs outside of the sandbox, with the rights of the process that Postern is part of. What code chooses are values for the
// places that a command's template has, of the types that it gives them. No shell is involved. See docs/capabilities.md for what
// bounds a program, and what does not.
package process

import (
	"context"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

const (
	mib = 1 << 20

	// maxOutput is the most that max_output can be: stdout and stderr cross to the guest together, in any encoding.
	maxOutput = 3 * mib
	maxInput  = 7 * mib
)

// Family gives the family.
func Family() capabilities.Family {
	return capabilities.Family{
		Name:       "process",
		Doc:        "Programs of the host that the policy names",
		Warning:    "programs run outside of the sandbox, with the rights of this process",
		Scopes:     scopes(),
		Decide:     decide,
		Exceptions: map[string]string{"ExitError": "OSError", "TooLarge": "OSError"},
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{
				Family: "process", Function: "run", Signature: "(command: str, /, *, stdin=None, **arguments)",
				Doc: "Run a command of the policy: r.returncode, r.stdout, r.stderr.", Effects: capabilities.Reads | capabilities.Writes,
			}, run),
		},
	}
}

func scopes() []policies.ScopeKey {
	return []policies.ScopeKey{
		{
			Name: "commands", Type: policies.ScopeMap, Check: checkTemplate, CheckName: checkCommand, Min: 1, Max: 100,
			Doc:      "Which commands there are: for each name the program and its arguments, with places for what code chooses: {n:int}, {n:1..100}, {s:name}, {s:text}, {s:file}, {s:raw}, or a choice.",
			Required: `write for example commands = { wc = "/usr/bin/wc -l {text:file}" }`,
			Example:  `{ wc = "/usr/bin/wc -l {text:file}", head = "/usr/bin/head -n {lines:1..100}" }`,
		},
		{
			Name: "max_input", Type: policies.ScopeSize, Default: "1MiB", Max: maxInput, Example: `"64KiB"`,
			Doc: "How large stdin and the contents of files may be, all together.",
		},
		{
			Name: "max_output", Type: policies.ScopeSize, Default: "256KiB", Max: maxOutput, Example: `"1MiB"`,
			Doc: "How large stdout may be, and stderr, and each file that the program writes.",
		},
		{
			Name: "memory", Type: policies.ScopeSize, Default: "256MiB", Min: mib, Max: 1 << 40, Example: `"1GiB"`,
			Doc: "How much address space each process of the program may have.",
		},
	}
}

func run(ctx context.Context, args capabilities.Arguments) (any, error) {
	switch p := args.Canonical().(type) {
	case error:
		return nil, p
	case *plan:
		return p.run(ctx, args.Scope())
	}
	return nil, capabilities.Raise("RuntimeError", "process: the call was not decided")
}
