package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/postern-sandbox/postern/link"
)

func (c *cli) imports(args []string) int {
	f := c.newFlags("imports [--policy F] [--json] MODULE.wasm", `Lists what a WebAssembly module imports: all that it can reach. With --policy, compares the functions under
`+link.UserModule+` with what the policy grants, and exits 3 when the module wants more.`)
	policyPath := f.String("policy", "", "the policy `FILE` to compare with")
	asJSON := f.Bool("json", false, "print a JSON object")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) != 1 {
		return c.fail(usageError("usage: postern imports [--policy F] MODULE.wasm", "one module must be named"))
	}
	module, err := readFile(rest[0], moduleLimit)
	if err != nil {
		return c.fail(err)
	}
	imports, err := link.Imports(module)
	if err != nil {
		return c.fail(usageError("", "%s: %w", rest[0], err))
	}
	report := importReport{Imports: []importLine{}}
	for _, i := range imports {
		report.Imports = append(report.Imports, importLine{Module: i.Module, Name: i.Name, Kind: i.Kind, Type: i.Type})
	}
	if *policyPath != "" {
		functions, name, err := c.symbols(*policyPath)
		if err != nil {
			return c.fail(err)
		}
		report.compare(name, functions)
		// What is not a granted function can be too much as well: network, variables, real files.
		var differences *link.ImportError
		if errors.As(link.Check(module, functions), &differences) {
			for _, extra := range differences.Extra {
				if extra.Import.Module != link.UserModule {
					report.NotGranted = append(report.NotGranted, extra.Import.Module+"::"+extra.Import.Name)
				}
			}
		}
	}
	if *asJSON {
		err = writeJSON(c.stdout, report)
	} else {
		err = report.print(c)
	}
	if err != nil {
		return c.fail(err)
	}
	if len(report.NotGranted) > 0 {
		return exitDenied
	}
	return exitOK
}

// importReport is the JSON of `postern imports --json`.
type importReport struct {
	Imports    []importLine `json:"imports"`
	Policy     string       `json:"policy,omitempty"`      // name of the policy compared with
	NotGranted []string     `json:"not_granted,omitempty"` // imported, and not granted
	NotUsed    []string     `json:"not_used,omitempty"`    // granted, and not imported
}

type importLine struct {
	Module  string `json:"module"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Type    string `json:"type"`
	Granted *bool  `json:"granted,omitempty"`
}

func (r *importReport) compare(policy string, functions []string) {
	r.Policy = policy
	left := slices.Clone(functions)
	for i := range r.Imports {
		line := &r.Imports[i]
		if line.Module != link.UserModule {
			continue
		}
		granted := slices.Contains(functions, line.Name)
		line.Granted = &granted
		if !granted {
			r.NotGranted = append(r.NotGranted, capabilityName(line.Name))
		}
		left = slices.DeleteFunc(left, func(name string) bool { return name == line.Name })
	}
	for _, name := range left {
		r.NotUsed = append(r.NotUsed, capabilityName(name))
	}
}

// capabilityName is the name in policies of an import: a family's name has no underscore.
func capabilityName(symbol string) string { return strings.Replace(symbol, "_", ".", 1) }

func (r *importReport) print(c *cli) error {
	table := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	for _, i := range r.Imports {
		mark := ""
		if i.Granted != nil {
			mark = "granted"
			if !*i.Granted {
				mark = "NOT GRANTED"
			}
		}
		fmt.Fprintln(table, strings.TrimRight(strings.Join([]string{visibleName(i.Module), visibleName(i.Name), i.Type, mark}, "\t"), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(r.NotGranted) > 0 {
		c.errorf("policy %q does not grant %s", r.Policy, visibleName(strings.Join(r.NotGranted, ", ")))
	}
	if len(r.NotUsed) > 0 {
		fmt.Fprintf(c.stderr, "note: policy %q also grants %s, which the module does not import\n", r.Policy, strings.Join(r.NotUsed, ", "))
	}
	return nil
}
