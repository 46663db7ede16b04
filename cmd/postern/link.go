package main

import (
	"fmt"
	"os"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/link"
)

func (c *cli) link(args []string) int {
	f := c.newFlags("link [--policy F] -o OUT.wasm", `Writes the guest whose imports are exactly the functions that a policy grants, as an ordinary Extism plugin. The same
policy gives the same bytes. `+"`wasm-objdump -x -j import OUT.wasm`"+` or `+"`postern imports OUT.wasm`"+` shows them.`)
	policyPath := f.String("policy", "", "the policy `FILE`; without it, the default policy")
	out := f.String("o", "", "the `FILE` to write; - is stdout")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	switch {
	case len(rest) > 0:
		return c.fail(usageError("usage: postern link [--policy F] -o OUT.wasm", "unexpected argument %q", rest[0]))
	case *out == "":
		return c.fail(usageError("usage: postern link [--policy F] -o OUT.wasm", "where to write the guest is not given: -o OUT.wasm"))
	}
	functions, _, err := c.symbols(*policyPath)
	if err != nil {
		return c.fail(err)
	}
	base, err := guest.Wasm()
	if err != nil {
		return c.fail(err)
	}
	linked, err := link.Link(base, link.Options{Functions: functions, Meter: true})
	if err != nil {
		return c.fail(err)
	}
	if *out == "-" {
		if _, err := c.stdout.Write(linked); err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	if err := os.WriteFile(*out, linked, 0o644); err != nil {
		return c.fail(usageError("", "%v", err))
	}
	noun := "functions"
	if len(functions) == 1 {
		noun = "function"
	}
	fmt.Fprintf(c.stderr, "%s: %.1f MB, %d granted %s, %s\n", *out, float64(len(linked))/1e6, len(functions), noun, audit.Digest(linked))
	return exitOK
}

// symbols returns the import names of what a policy grants, and the policy's name.
func (c *cli) symbols(policyPath string) (functions []string, name string, err error) {
	known, err := registry()
	if err != nil {
		return nil, "", err
	}
	policy, err := loadPolicy(policyPath, known)
	if err != nil {
		return nil, "", err
	}
	return host.Symbols(policy), policy.Name, nil
}
