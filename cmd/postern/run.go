package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

func (c *cli) run(args []string) int {
	f := c.newFlags(runUsage, `Runs Python under a policy. What the code prints is printed when it prints it; a traceback goes to stderr. Without --policy, the built-in
default policy holds: it grants the math and json families, and imports that touch nothing. As with python, values are not printed unless the
code prints them; --json has the value of the last expression, or of final_answer(x). With --session, variables, functions and imported
modules are those that the last run with the same file left behind. Where the policy says approve, you are asked on the terminal; if stdin is
none, such calls are denied.`)
	policyPath := f.String("policy", "", "the policy `FILE`")
	asJSON := f.Bool("json", false, "print one JSON object: value, output, error, usage, digests")
	code := f.String("c", "", "run `CODE` instead of a file")
	sessionPath := f.String("session", "", "go on with the session in `FILE`, and keep it there; a new one if there is no such file")
	linked := f.String("guest", "", "run a `MODULE` that you have linked with postern link, if its imports are the policy's grants")
	logger := f.logLevel()
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	given := false
	f.Visit(func(one *flag.Flag) { given = given || one.Name == "c" })

	program, err := c.program(rest, *code, given)
	if err != nil {
		return c.fail(err)
	}
	log, err := logger()
	if err != nil {
		return c.fail(usageError("", "%v", err))
	}
	h, err := c.newHost(*policyPath, *linked, c.approver(), log)
	if err != nil {
		return c.fail(err)
	}
	var shown *printer // with --json, output is in the object
	if !*asJSON {
		shown = &printer{cli: c}
	}
	result, saveErr, err := c.execute(h.Host, program, *sessionPath, shown.output())
	if err = errors.Join(err, h.Close()); err != nil {
		return c.fail(err)
	}
	if *asJSON {
		err = writeJSON(c.stdout, result)
	} else {
		err = shown.end(result)
	}
	if result.Restored && *sessionPath != "" {
		fmt.Fprintf(c.stderr, "postern: the code was stopped by force: %s is as it was before\n", *sessionPath)
	}
	if err = errors.Join(err, saveErr); err != nil {
		return c.fail(err)
	}
	return exitCode(result)
}

const runUsage = "run [--policy F] [--json] [--session F] [FILE | - | -c CODE]"

// A program is the code to run and what tracebacks call it.
type program struct{ code, name string }

func (c *cli) program(args []string, code string, inline bool) (program, error) {
	const hint = "usage: postern " + runUsage
	switch {
	case inline && len(args) > 0:
		return program{}, usageError(hint, "-c CODE and a file are both given")
	case inline:
		return program{code, "<string>"}, nil
	case len(args) == 0:
		return program{}, usageError(hint, "nothing to run")
	case len(args) > 1:
		return program{}, usageError("the code cannot have arguments: put what it needs into it", "more than one file: %s", strings.Join(args, " "))
	case args[0] == "-":
		text, err := readAll(c.stdin, "<stdin>", codeLimit)
		if err != nil {
			return program{}, err
		}
		code, err = checkProgram(text, "<stdin>")
		return program{code, "<stdin>"}, err
	}
	text, err := readFile(args[0], codeLimit)
	if err != nil {
		return program{}, err
	}
	code, err = checkProgram(text, args[0])
	return program{code, args[0]}, err
}

func checkProgram(text []byte, name string) (string, error) {
	if !utf8.Valid(text) {
		return "", usageError("save it as UTF-8", "%s is not UTF-8", name)
	}
	return string(text), nil
}

// newHost makes the host for a policy file. A nil approver is nobody to ask.
func (c *cli) newHost(policyPath, linkedPath string, approver host.Approver, log hclog.Logger) (*running, error) {
	policy, known, err := policyFor(policyPath, log)
	if err != nil {
		return nil, err
	}
	return c.hostFor(policy, known, linkedPath, approver, log)
}

// policyFor reads a policy, and logs its warnings.
func policyFor(path string, log hclog.Logger) (*policies.Policy, *capabilities.Registry, error) {
	known, err := registry()
	if err != nil {
		return nil, nil, err
	}
	policy, err := loadPolicy(path, known)
	if err != nil {
		return nil, nil, err
	}
	for _, w := range policy.WarningsAt(time.Now()) {
		log.Warn(w.Message, "policy", w.Position.String())
	}
	return policy, known, nil
}

// hostFor connects the policy's MCP servers, makes the host and says so when it takes long. A nil approver is nobody to ask.
func (c *cli) hostFor(policy *policies.Policy, known *capabilities.Registry, linkedPath string, approver host.Approver, log hclog.Logger) (*running, error) {
	known, servers, err := c.connect(c.ctx, policy, known, log)
	if err != nil {
		return nil, err
	}
	h, err := c.hostWith(host.Config{Policy: policy, Capabilities: known, Approver: approver, Logger: log}, linkedPath)
	if err != nil {
		servers.Close()
		return nil, err
	}
	return &running{h, servers}, nil
}

// hostWith makes the host of a configuration, with a linked module if one is named.
func (c *cli) hostWith(config host.Config, linkedPath string) (h *host.Host, err error) {
	policy := config.Policy
	if linkedPath != "" {
		if config.Linked, err = readFile(linkedPath, moduleLimit); err != nil {
			return nil, err
		}
	}
	done := c.progress(policy)
	defer done()
	h, err = host.New(c.ctx, config)
	switch {
	case errors.Is(err, host.ErrImports):
		return nil, usageError("`postern imports --policy F MODULE` lists the differences; `postern link` writes a module that fits", "%s: %w", linkedPath, err)
	case errors.Is(err, host.ErrSealed):
		return nil, usageError("`postern link` without --self-contained writes a module for this one", "%s: %w", linkedPath, err)
	case errors.Is(err, host.ErrRedact):
		return nil, usageError("redact in [audit] is about the parameters of functions, or \"return\"", "%s: %w", policy.File, err)
	case errors.Is(err, audit.ErrDamaged):
		return nil, &failure{err: err, code: exitInternal, hint: "`postern audit verify` says what is wrong; a log begins anew when its folder is moved away"}
	case errors.Is(err, host.ErrAudit):
		return nil, &failure{err: err, code: exitInternal, hint: "name a folder that can be written as log in [audit], or `log = \"none\"` to keep no log"}
	}
	return h, err
}

// progress prints a line when what follows takes longer than a start from the cache does; done ends it.
func (c *cli) progress(policy *policies.Policy) (done func()) {
	return c.slow(fmt.Sprintf("preparing the guest for policy %q; the next run starts from the cache …", policy.Name), "ready")
}

// slow says what is being done when it takes longer than nobody minds; done ends it, and says how long it took.
func (c *cli) slow(doing, ended string) (done func()) {
	begun := time.Now()
	shown := make(chan bool, 1)
	timer := time.AfterFunc(c.patience, func() {
		fmt.Fprintf(c.stderr, "postern: %s\n", doing)
		shown <- true
	})
	return func() {
		if timer.Stop() {
			return
		}
		<-shown
		fmt.Fprintf(c.stderr, "postern: %s in %.1f s\n", ended, time.Since(begun).Seconds())
	}
}

// execute runs the program in a new session, or in the one that a file keeps. That the session could not be kept is no reason not to
// show what came of the run: saveErr says so.
func (c *cli) execute(h *host.Host, p program, sessionPath string, output host.Output) (result *host.Result, saveErr, err error) {
	session, kept, err := c.session(h, sessionPath)
	if err != nil {
		return nil, nil, err
	}
	if kept != nil {
		defer kept.unlock()
	}
	result, err = session.Exec(c.ctx, p.code, host.ExecOptions{Filename: p.name, Output: output})
	if kept != nil && err == nil {
		saveErr = kept.save(session)
	}
	return result, saveErr, errors.Join(err, session.Close())
}

func writeJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(v)
}

// A printer does what python would: it writes what code prints, when it prints it, to stdout and stderr.
type printer struct {
	cli *cli
	err error // the first of writing
}

// output is nil for a nil printer.
func (p *printer) output() host.Output {
	if p == nil {
		return nil
	}
	return func(stream, text string) {
		to := p.cli.stdout
		if stream == host.Stderr {
			to = p.cli.stderr
		}
		p.write(to, text)
	}
}

func (p *printer) write(to io.Writer, text string) {
	if p.err == nil {
		p.cli.shown.Store(true)
		p.err = writeUntrusted(to, text)
	}
}

// end prints what is left to say when the code has ended: what it raised.
func (p *printer) end(r *host.Result) error {
	if r.Error == nil || p.err != nil {
		return p.err
	}
	text := r.Error.Traceback
	if r.Error.FromHost {
		// Not Python's words but the host's, with the interpreter's last ones before them.
		p.cli.errorf("%s", r.Error.Message)
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if p.write(p.cli.stderr, text); p.err != nil {
		return p.err
	}
	if r.Error.Limit != "" && (r.Error.FromHost || text != "") {
		if !r.Error.FromHost {
			p.cli.errorf("%s", r.Error.Figures)
		}
		p.cli.hintf("raise %s in [limits] of the policy if the code needs more", r.Error.Limit)
	}
	return nil
}

func exitCode(r *host.Result) int {
	switch {
	case r.Error == nil:
		return exitOK
	case r.Error.Limit != "":
		return exitLimit
	case r.Error.Denied:
		return exitDenied
	case r.Error.FromHost:
		return exitInternal // a crash
	}
	return exitRaised
}
