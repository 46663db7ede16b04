package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

const explainUsage = "policy explain [--json] [--connect] [--args JSON] [FILE] [FAMILY.FUNCTION]"

func (c *cli) policyExplain(args []string) int {
	f := c.newFlags(explainUsage, `Says in words what a policy lets the agent do: without FILE, the default policy. With FAMILY.FUNCTION, says whether a call of it is
allowed, which part of the policy decides and where that stands, and what would be permitted; the answer is the one that a host gives
to the first call of a session. Where it depends on the arguments, --args has them: '[2.0]' by place or '{"url": "…"}' by name, in the
JSON of docs/abi.md, or as the audit log has them.

With --connect, the policy's MCP servers are started or reached, and asked for their tools: which there are, what they are called in
Python, which the policy grants, and the digest that pins them. No tool is called. It is the only thing that explain does besides reading.

Exit codes: 0; with a call, 3 unless it is allowed as it is (a human would have to be asked, or it depends on arguments that are not given).`)
	arguments := f.String("args", "", "the call's arguments, in `JSON`")
	asJSON := f.Bool("json", false, "print a JSON object and nothing else")
	connect := f.Bool("connect", false, "ask the policy's MCP servers for their tools")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	file, capability, err := explained(rest, known.Functions())
	if err != nil {
		return c.fail(err)
	}
	if *arguments != "" && capability == "" {
		return c.fail(usageError("usage: postern "+explainUsage, "--args without a FAMILY.FUNCTION"))
	}
	if *connect && capability != "" {
		return c.fail(usageError("usage: postern "+explainUsage, "--connect is about all of a policy, and %s is one function", capability))
	}
	policy, err := lookPolicy(file, known)
	if err != nil {
		return c.fail(err)
	}
	look := &toolLook{cli: c}
	defer look.close()
	seen, err := look.tools(policy, known)
	var unusable policies.Errors
	if err != nil && !errors.As(err, &unusable) {
		return c.fail(err)
	}
	if !*asJSON {
		c.warnings(unusable)
	}
	if capability == "" {
		return c.explainPolicy(policy, seen, *connect, *asJSON)
	}
	if message, hint := seen.missing(policy, capability); message != "" {
		return c.fail(usageError(hint, "%s", message))
	}
	call, err := explainCall(policy, capability, *arguments)
	if err != nil {
		return c.fail(err)
	}
	if *asJSON {
		err = writeJSON(c.stdout, call)
	} else {
		err = c.printCall(call)
	}
	if err != nil {
		return c.fail(err)
	}
	if call.Decision != "allow" {
		return exitDenied
	}
	return exitOK
}

// explainPolicy explains all of a policy, with the functions of its tools, and with connect what its MCP servers have.
func (c *cli) explainPolicy(policy *policies.Policy, seen *seenTools, connect, asJSON bool) int {
	e := explainedPolicy{Explanation: policy.Explain(time.Now())}
	for i := range e.Tools {
		seen.explain(policy, &e.Tools[i])
	}
	all := true
	if connect {
		e.Connected = c.lookAt(policy)
		all = !slices.ContainsFunc(e.Connected, func(o offered) bool { return o.Error != "" })
	}
	var err error
	if asJSON {
		err = writeJSON(c.stdout, e)
	} else {
		err = c.printExplanation(e.Explanation)
	}
	if err == nil && len(e.Connected) > 0 && !asJSON {
		err = c.printOffers(e.Connected)
	}
	switch {
	case err != nil:
		return c.fail(err)
	case !all:
		return exitUsage
	}
	return exitOK
}

// explain adds to a tool what its granted functions are. Their names and texts are the plugin's.
func (s *seenTools) explain(policy *policies.Policy, e *policies.ExplainedGrant) {
	family, _ := s.family(e.Family)
	grant := policy.Grant(e.Family)
	e.Doc = family.Doc
	for _, c := range family.Capabilities {
		spec := c.Spec()
		if !grant.Names(spec.Function) {
			continue
		}
		f := policies.ExplainedFunction{Name: spec.Function, Signature: spec.Signature, Effects: spec.Effects.String(), Doc: spec.Doc, Position: e.Position}
		if i := slices.Index(grant.Functions, f.Name); i >= 0 {
			f.Position = grant.Positions[i].String()
		}
		if file := s.files[e.Family]; file != nil {
			f.Signature = "(…)"
			if i := slices.IndexFunc(file.Functions, func(other host.PythonFunction) bool { return other.Name == f.Name }); i >= 0 {
				f.Signature, f.Doc = file.Functions[i].Signature, file.Functions[i].Doc
			}
		}
		e.Functions = append(e.Functions, f)
	}
}

// explainedPolicy is the JSON of `postern policy explain --json FILE`.
type explainedPolicy struct {
	*policies.Explanation
	Connected []offered `json:"connected,omitempty"` // with --connect
}

var capabilityGrammar = regexp.MustCompile(`^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$`)

// explained tells a policy file and a capability apart.
func explained(args []string, families map[string][]string) (file, capability string, err error) {
	switch len(args) {
	case 0:
		return "", "", nil
	case 1:
		family, _, _ := strings.Cut(args[0], ".")
		_, statErr := os.Stat(args[0])
		if capabilityGrammar.MatchString(args[0]) && !strings.HasSuffix(args[0], ".toml") && (families[family] != nil || statErr != nil) {
			return "", args[0], nil
		}
		return args[0], "", nil
	case 2:
		if !capabilityGrammar.MatchString(args[1]) {
			return "", "", usageError("write for example math.sqrt", "%q is not FAMILY.FUNCTION", args[1])
		}
		return args[0], args[1], nil
	}
	return "", "", usageError("usage: postern "+explainUsage, "more than a policy and a function")
}

// explainedCall is the JSON of `postern policy explain --json FILE FAMILY.FUNCTION`.
type explainedCall struct {
	Capability string `json:"capability"`
	Arguments  string `json:"arguments,omitempty"` // as in Python
	Decision   string `json:"decision"`            // allow, deny, ask or depends
	Rule       string `json:"rule,omitempty"`
	By         string `json:"by,omitempty"` // the key of the rule that decided
	Position   string `json:"position,omitempty"`
	Reason     string `json:"reason"`
	Hint       string `json:"hint,omitempty"`

	// Fits says why the function would not take the arguments of a call that the policy allows.
	Fits string `json:"type_error,omitempty"`

	Grant *policies.ExplainedGrant `json:"grant,omitempty"` // all terms of the grant

	policy, at string
	signature  string
}

func explainCall(p *policies.Policy, capability, arguments string) (*explainedCall, error) {
	e := &explainedCall{Capability: capability, policy: p.Name, at: p.File}
	family, name, _ := strings.Cut(capability, ".")
	explanation := p.Explain(time.Now())
	for _, grant := range explanation.Grants {
		if i := slices.IndexFunc(grant.Functions, func(f policies.ExplainedFunction) bool { return f.Name == name }); grant.Family == family && i >= 0 {
			e.Grant, e.signature = &grant, grant.Functions[i].Signature
		}
	}
	for _, grant := range append(explanation.Tools, explanation.Servers...) {
		if grant.Family == family && p.Grant(family).Names(name) {
			e.Grant = &grant
		}
	}
	call := policies.Call{Capability: capability, Now: time.Now(), Usage: new(policies.Usage), Rates: new(policies.Rates)}
	var written policies.Written
	if arguments == "" {
		if e.Grant != nil && p.Grant(family).NeedsArguments() {
			e.Decision, e.Rule, e.Position = "depends", e.Grant.Rule, e.Grant.Position
			e.Reason = "the decision depends on the arguments"
			e.Hint = "give them with --args, for example --args " + exampleArguments(p, family, name)
			return e, nil
		}
	} else {
		var err error
		if written, err = policies.ParseWritten([]byte(arguments)); err != nil {
			return nil, usageError(`write for example --args '[2.0]' or --args '{"x": 2.0}'`, "--args: %w", err)
		}
		written = p.Arrange(capability, written)
		e.Arguments = written.String()
	}
	d := p.Ask(call, written)
	e.Decision = outcomeOf(d)
	e.Rule, e.By, e.Position, e.Reason, e.Hint = d.Rule, d.By, d.Position.String(), d.Reason, d.Hint
	if arguments != "" && d.Allow {
		if err := p.Fits(capability, written); err != nil {
			e.Fits = err.Error()
		}
	}
	return e, nil
}

func outcomeOf(d policies.Decision) string {
	switch {
	case d.Allow:
		return "allow"
	case d.Ask:
		return "ask"
	}
	return "deny"
}

// exampleArguments shows the form of a call's arguments by the names of the parameters.
func exampleArguments(p *policies.Policy, family, name string) string {
	for _, f := range p.Vocabulary().Families[family].Functions {
		if f.Name == name && len(f.Parameters) > 0 {
			return fmt.Sprintf(`'{"%s": …}'`, f.Parameters[0].Name)
		}
	}
	if g := p.Grant(family); g != nil && g.Open() {
		return `'{"NAME": …}'`
	}
	return "'[]'"
}

func (c *cli) printExplanation(e *policies.Explanation) error {
	out := c.stdout
	fmt.Fprintf(out, "policy %q  %s\n%s\n\n", e.Name, e.File, e.Digest)
	for _, sentence := range e.Summary {
		fmt.Fprintln(out, sentence)
	}
	if len(e.Grants)+len(e.Tools)+len(e.Servers) > 0 {
		fmt.Fprintln(out, "\nGRANTS")
	}
	grants := slices.Clone(e.Grants)
	for _, tool := range e.Tools {
		grants = append(append(grants, tool), tool.Grants...)
	}
	for _, g := range append(grants, e.Servers...) {
		fmt.Fprintln(out)
		if err := printGrant(out, &g, e.File, g.Rule == "tool."+g.Family); err != nil {
			return err
		}
	}
	fmt.Fprintln(out, "\nLIMITS of one run")
	table := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	for _, l := range e.Limits {
		where := "default"
		if l.Position != "" {
			where = strings.TrimPrefix(l.Position, e.File+":")
			if l.Value != l.Default {
				where += " (default " + l.Default + ")"
			}
		}
		fmt.Fprintf(table, "  %s\t%s\t%s\n", l.Key, l.Value, where)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if len(e.Imports) > 0 {
		fmt.Fprintf(out, "\nIMPORTS\n%s\n", wrap(strings.Join(e.Imports, ", "), 100, "  "))
	}
	return nil
}

// printFunction prints a function with what its provider says of it.
func printFunction(out io.Writer, call, doc string) {
	fmt.Fprintf(out, "    %s\n", visibleName(call))
	if doc != "" {
		fmt.Fprintln(out, wrap(visibleName(doc), 100, "        "))
	}
}

// printGrant prints a grant as a table: its functions by their effects, those of a tool with signatures, then its terms with their places.
func printGrant(out io.Writer, g *policies.ExplainedGrant, file string, signatures bool) error {
	fmt.Fprintf(out, "%s  %s\n", g.Rule, g.Position)
	for _, effects := range []string{"pure", "reads", "writes", "reads and writes", "unknown"} {
		functions := slices.DeleteFunc(slices.Clone(g.Functions), func(f policies.ExplainedFunction) bool { return f.Effects != effects })
		if effects == "unknown" {
			effects = "what these do, their provider knows"
		}
		switch {
		case len(functions) == 0:
			continue
		case signatures:
			fmt.Fprintf(out, "  %s\n", effects)
			for _, f := range functions {
				printFunction(out, f.Name+f.Signature, f.Doc)
			}
		default:
			names := make([]string, len(functions))
			for i, f := range functions {
				names[i] = f.Name
			}
			fmt.Fprintf(out, "  %s\n%s\n", effects, wrap(strings.Join(names, ", "), 100, "    "))
		}
	}
	return printTerms(out, g.Terms, file, "  ")
}

// printTerms prints each term behind its place, of which the file is left out where it is the policy's own.
func printTerms(out io.Writer, terms []policies.ExplainedTerm, file, indent string) error {
	table := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	for _, t := range terms {
		where := "default"
		if t.Position != "" {
			where = strings.TrimPrefix(t.Position, file+":")
		}
		fmt.Fprintf(table, "%s%s\t%s\n", indent, where, t.Text)
	}
	return table.Flush()
}

// printCall prints the decision, and with it all terms of the grant: a call that is allowed now may not be the next time.
func (c *cli) printCall(e *explainedCall) error {
	call := e.Capability + "(" + e.Arguments + ")"
	if e.Arguments == "" && e.Decision == "depends" {
		call = e.Capability + e.signature
	}
	mark := map[string]string{"allow": "allow", "deny": "DENY", "ask": "ASK", "depends": "DEPENDS"}[e.Decision]
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  under policy %q\n", mark, visibleName(call), e.policy)
	fmt.Fprintf(&b, "  because    %s\n", e.Reason)
	switch {
	case e.Rule == "":
		fmt.Fprintf(&b, "  policy     %s\n", e.Position)
	case e.By == "" || e.By == "functions":
		fmt.Fprintf(&b, "  decided by [%s] at %s\n", e.Rule, e.Position)
	default:
		fmt.Fprintf(&b, "  decided by %s of [%s] at %s\n", e.By, e.Rule, e.Position)
	}
	if e.Hint != "" {
		fmt.Fprintf(&b, "  instead    %s\n", visibleName(e.Hint))
	}
	if e.Fits != "" {
		fmt.Fprintf(&b, "  but        the function does not take these arguments: %s\n", visibleName(e.Fits))
	}
	if _, err := fmt.Fprint(c.stdout, b.String()); err != nil {
		return err
	}
	if e.Grant == nil || len(e.Grant.Terms) == 0 {
		return nil
	}
	fmt.Fprintln(c.stdout, "  terms")
	return printTerms(c.stdout, e.Grant.Terms, e.at, "    ")
}

// wrap breaks a text at blanks into lines of at most so many characters, each begun with the indent.
func wrap(text string, width int, indent string) string {
	var lines []string
	line := indent
	for _, word := range strings.Fields(text) {
		if line != indent && len(line)+len(word) >= width {
			lines, line = append(lines, line), indent
		}
		if line != indent {
			line += " "
		}
		line += word
	}
	return strings.Join(append(lines, line), "\n")
}
