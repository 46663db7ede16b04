package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

func policyVerbs() []verb {
	return []verb{
		{"check", "say what is wrong with policies", (*cli).policyCheck},
		{"explain", "say in words what a policy permits, or why a call is allowed or denied", (*cli).policyExplain},
		{"diff", "say what one policy permits and another does not", (*cli).policyDiff},
		{"test", "ask a policy about calls and compare with what is expected", (*cli).policyTest},
		{"fmt", "print policies in the one form in which they are written", (*cli).policyFmt},
		{"init", "write a policy to begin with", (*cli).policyInit},
		{"learn", "run a program and write the smallest policy that permits what it tries", (*cli).policyLearn},
	}
}

func (c *cli) policy(args []string) int {
	return c.group("policy COMMAND FILE...", "Works on policies. Nothing is run, but by learn:", policyVerbs(), args)
}

func (c *cli) policyCheck(args []string) int {
	f := c.newFlags("policy check [--strict] [--json] FILE...", `Checks policies. Prints nothing and exits 0 when they are right; otherwise prints every mistake as
FILE:LINE:COL: message, with the line and a caret under the place, and exits 2. Warnings of what is allowed and can do harm are
printed too, and change nothing.`)
	strict := f.Bool("strict", false, "warnings are mistakes")
	asJSON := f.Bool("json", false, "print a JSON object and nothing else")
	files, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(files) == 0 {
		return c.fail(usageError("usage: postern policy check FILE", "no policy is named"))
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	look := &toolLook{cli: c}
	defer look.close()
	report := checkReport{OK: true, Files: []checkedFile{}}
	worst := exitOK
	for _, file := range files {
		checked := checkedFile{File: file, Mistakes: []finding{}, Warnings: []finding{}}
		var mistakes policies.Errors
		policy, err := lookPolicy(file, known)
		if err == nil {
			_, err = host.LoadPackages(policy, "", known)
		}
		if err == nil {
			_, err = look.tools(policy, known)
		}
		switch {
		case errors.As(err, &mistakes):
			checked.Mistakes = findings(mistakes)
		case err != nil && *asJSON:
			checked.Mistakes = []finding{{File: file, Message: err.Error()}}
		case err != nil:
			worst = max(worst, c.fail(err))
			continue
		default:
			warnings := policy.WarningsAt(time.Now())
			checked.Name, checked.Digest, checked.Warnings = policy.Name, policy.Digest, findings(warnings)
			if !*asJSON {
				c.warnings(warnings)
			}
		}
		if !*asJSON {
			c.mistakes(mistakes)
		}
		checked.OK = len(checked.Mistakes) == 0 && (!*strict || len(checked.Warnings) == 0)
		if !checked.OK {
			report.OK, worst = false, exitUsage
		}
		report.Files = append(report.Files, checked)
	}
	if *asJSON {
		if err := writeJSON(c.stdout, report); err != nil {
			return c.fail(err)
		}
	}
	return worst
}

// checkReport is the JSON of `postern policy check --json`.
type checkReport struct {
	OK    bool          `json:"ok"`
	Files []checkedFile `json:"files"`
}

type checkedFile struct {
	File     string    `json:"file"`
	OK       bool      `json:"ok"`
	Name     string    `json:"name,omitempty"`
	Digest   string    `json:"digest,omitempty"`
	Mistakes []finding `json:"mistakes"`
	Warnings []finding `json:"warnings"`
}

// finding is a mistake or a warning.
type finding struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Column  int    `json:"column,omitempty"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func findings(all policies.Errors) []finding {
	list := make([]finding, len(all))
	for i, e := range all {
		list[i] = finding{e.File, e.Line, e.Column, e.Message, e.Hint}
	}
	return list
}

// mistakes prints a policy's mistakes as compilers do: a line for each, then the line that it is about.
func (c *cli) mistakes(mistakes policies.Errors) {
	for _, m := range mistakes {
		printFinding(c.stderr, m)
	}
}

func (c *cli) warnings(warnings policies.Errors) {
	for _, w := range warnings {
		warning := *w
		warning.Message = "warning: " + warning.Message
		printFinding(c.stderr, &warning)
	}
}

func printFinding(w io.Writer, e *policies.Error) {
	fmt.Fprintln(w, e)
	if excerpt := e.Excerpt(); excerpt != "" {
		fmt.Fprintln(w, excerpt)
	}
}
