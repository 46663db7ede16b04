package main

import (
	"fmt"

	"github.com/postern-sandbox/postern/policies"
)

func (c *cli) policyDiff(args []string) int {
	const usage = "policy diff [--assert-narrower] [--json] OLD NEW"
	f := c.newFlags(usage, `Lists what the policy NEW permits and OLD does not ("+"), and what it no longer permits ("-"). Prints nothing when they permit the
same. Where two conditions or two plugins differ, it cannot be decided which permits more: both lists then say so ("?").`)
	narrower := f.Bool("assert-narrower", false, "exit 3 unless NEW certainly permits nothing that OLD does not")
	asJSON := f.Bool("json", false, "print a JSON object and nothing else")
	files, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(files) != 2 {
		return c.fail(usageError("usage: postern "+usage, "two policies must be named"))
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	var both [2]*policies.Policy
	for i, file := range files {
		if both[i], err = lookPolicy(file, known); err != nil {
			return c.fail(err)
		}
	}
	gained, lost := policies.Diff(both[0], both[1])
	if *asJSON {
		err = writeJSON(c.stdout, diffReport{len(gained) == 0, differences(gained), differences(lost)})
	} else {
		err = c.printDiff(gained, lost)
	}
	if err != nil {
		return c.fail(err)
	}
	if *narrower && len(gained) > 0 {
		first := gained[0]
		c.errorf("%s is not narrower than %s: %v", files[1], files[0], first)
		if first.Hint != "" {
			c.hintf("%s", first.Hint)
		}
		return exitDenied
	}
	return exitOK
}

// diffReport is the JSON of `postern policy diff --json`.
type diffReport struct {
	Narrower bool         `json:"narrower"` // the new policy permits nothing that the old one does not
	Gained   []difference `json:"gained"`
	Lost     []difference `json:"lost"`
}

type difference struct {
	policies.Difference
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func differences(all []policies.Difference) []difference {
	list := make([]difference, len(all))
	for i, d := range all {
		list[i] = difference{d, d.Position.File, d.Position.Line, d.Position.Column}
	}
	return list
}

func (c *cli) printDiff(gained, lost []policies.Difference) error {
	for i, list := range [][]policies.Difference{lost, gained} {
		for _, d := range list {
			mark := [...]string{"-", "+"}[i]
			if d.Undecided {
				mark += "?"
			}
			if _, err := fmt.Fprintf(c.stdout, "%-2s %v  (%v)\n", mark, d, d.Position); err != nil {
				return err
			}
		}
	}
	return nil
}
