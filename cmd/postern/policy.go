package main

import "github.com/postern-sandbox/postern/policies"

func (c *cli) policy(args []string) int {
	verbs := []verb{{"check", "say what is wrong with a policy", (*cli).policyCheck}}
	if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
		f := c.newFlags("policy check FILE...", "Works on policies without running anything:\n\n  check      "+verbs[0].summary)
		if len(args) == 0 {
			f.help(c.stderr)
			return exitUsage
		}
		f.help(c.stdout)
		return exitOK
	}
	return c.dispatch("policy ", verbs, args)
}

func (c *cli) policyCheck(args []string) int {
	f := c.newFlags("policy check FILE...", `Checks policies. Prints nothing and exits 0 when they are right; otherwise prints every mistake as
FILE:LINE:COL: message and exits 2. Warnings are printed too, and change nothing.`)
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
	worst := exitOK
	for _, file := range files {
		policy, err := loadPolicy(file, known)
		if err != nil {
			worst = max(worst, c.fail(err))
			continue
		}
		c.warnings(policy)
	}
	return worst
}

func (c *cli) warnings(policy *policies.Policy) {
	for _, w := range policy.Warnings {
		warning := *w
		warning.Message = "warning: " + warning.Message
		c.mistakes(policies.Errors{&warning})
	}
}
