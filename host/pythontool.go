package host

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// A pythonRunner runs a tool that is written in Python: in an interpreter of its own, under the tool's own policy. The file is run once; each call begins
// with what the interpreter was then.
type pythonRunner struct {
	tool  *tool
	ready *delta // what the interpreter is when the file has run
}

// describeTool asks the interpreter of a tool for the functions that its file offers.
//
//go:embed describe_tool.py
var describeTool string

// openPython makes a tool ready that is a file of Python.
func (h *Host) openPython(ctx context.Context, t *tool, source []byte) (err error) {
	if !utf8.Valid(source) {
		return fmt.Errorf("%w: %s is not UTF-8", ErrPlugin, t.Plugin)
	}
	t.host = h.newToolHost(t)
	p := t.host
	if p.cache == nil {
		p.config.Cache = NoCache
	}
	p.bounds = boundsOf(p.limits)
	p.config.Audit = audit.Discard // what it records is in the journal of the session that calls it
	if _, err := t.reach(p.registry); err != nil {
		return err
	}
	if err := p.prepare(ctx); err != nil {
		return errors.Join(err, t.close())
	}
	r := &pythonRunner{tool: t}
	t.runner = r
	if err := r.start(ctx, string(source)); err != nil {
		return errors.Join(err, t.close())
	}
	return nil
}

// start runs the file, and reads what functions it has.
func (r *pythonRunner) start(ctx context.Context, source string) (err error) {
	p := r.tool.host
	s := &Session{host: p, journal: journal{log: audit.Discard}}
	if s.instance, err = p.program.newInstance(ctx, nil); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.instance.close(context.WithoutCancel(ctx))) }()
	name := filepath.Base(r.tool.Plugin)
	for _, step := range []struct{ code, filename string }{{source, name}, {describeTool, "<describe>"}} {
		request, err := execRequest(step.code, ExecOptions{Filename: step.filename})
		if err != nil {
			return err
		}
		x := &execution{session: s, instance: s.instance, journal: s.journal, starting: true}
		result, err := x.run(ctx, "exec", request)
		if err != nil {
			return err
		}
		if result.Error != nil {
			where := ""
			if result.Error.Line != nil {
				where = fmt.Sprintf(":%d", *result.Error.Line)
			}
			hint := ""
			if result.Error.Type == "ImportError" && len(result.Withheld) > 0 {
				hint = fmt.Sprintf("; what it may import is in [tool.%s.python]", r.tool.Name)
			}
			return fmt.Errorf("%w: %s%s: %s%s", ErrPlugin, name, where, result.Error.Error(), hint)
		}
		if step.code == describeTool {
			if err := r.read(result); err != nil {
				return err
			}
			continue
		}
		if r.ready, err = s.instance.capture(); err != nil {
			return err
		}
	}
	return nil
}

// read reads what describeTool says, which a hostile file can make anything.
func (r *pythonRunner) read(result *Result) error {
	answer, err := result.Decode()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPlugin, err)
	}
	list, ok := answer.([]any)
	if !ok || len(list) == 0 {
		return fmt.Errorf("%w: %s has no public function", ErrPlugin, r.tool.Plugin)
	}
	for _, entry := range list {
		parts, ok := entry.([]any)
		if !ok || len(parts) != 3 {
			return fmt.Errorf("%w: %s does not describe its functions", ErrPlugin, r.tool.Plugin)
		}
		var text [3]string
		for i := range parts {
			if text[i], ok = parts[i].(string); !ok || !utf8.ValidString(text[i]) {
				return fmt.Errorf("%w: %s does not describe its functions", ErrPlugin, r.tool.Plugin)
			}
		}
		r.tool.functions = append(r.tool.functions, toolFunction{name: text[0], signature: text[1], doc: shortened(strings.Join(strings.Fields(text[2]), " "))})
	}
	return nil
}

// run implements runner.
func (r *pythonRunner) run(ctx context.Context, caller *execution, f *toolFunction, args capabilities.Arguments) (any, error) {
	t := r.tool
	request, err := toolRequest(f, args, t.host.bounds.input)
	if err != nil {
		return nil, err
	}
	outer := ctx
	ctx, x := t.enter(ctx, caller)
	defer x.leave()
	in := caller.session.plugins[t]
	if in == nil {
		if in, err = t.host.program.newInstance(ctx, r.ready); err != nil {
			return nil, err
		}
	}
	x.instance = in
	result, err := x.within(ctx, "call", request)
	if outer.Err() != nil {
		in.broken = true
		err = outer.Err()
	}
	if closeErr := t.release(caller.session, in); closeErr != nil {
		t.host.logger.Warn("closing a plugin", "error", closeErr)
	}
	switch {
	case err != nil:
		return nil, err
	case result.Stdout+result.Stderr != "":
		t.host.logger.Debug("a plugin prints", "stdout", shortened(result.Stdout), "stderr", shortened(result.Stderr))
	}
	if result.Error != nil {
		t.host.logger.Debug("a plugin raises", "traceback", shortened(result.Error.Traceback))
		return nil, t.raise(f, result.Error)
	}
	value, err := result.Decode()
	if err != nil {
		return nil, t.fail(f, "", "the answer is not a value: "+err.Error())
	}
	return value, nil
}

// toolRequest is the request to call a function of a Python file. Arguments that were not given are not sent: the function has its own defaults.
func toolRequest(f *toolFunction, args capabilities.Arguments, bound int) ([]byte, error) {
	var list []any
	kwargs := make(map[string]any)
	gap := false // a place was left out: what follows goes by name
	for i, p := range f.parsed.Parameters() {
		if !args.Given(i) {
			gap = gap || p.Kind == capabilities.Positional
			continue
		}
		switch {
		case p.Kind == capabilities.PositionalOnly, p.Kind == capabilities.Positional && !gap:
			list = append(list, args.At(i))
		case p.Kind == capabilities.Rest:
			rest, _ := args.At(i).(values.Tuple)
			list = append(list, rest...)
		case p.Kind == capabilities.RestKeywords:
			rest, _ := args.At(i).(*values.Dict)
			for k, v := range rest.All() {
				if name, ok := k.(string); ok {
					kwargs[name] = v
				}
			}
		default:
			kwargs[p.Name] = args.At(i)
		}
	}
	return callRequest(f.name, list, kwargs, bound)
}

// raise is the exception of the caller for one of the tool. Builtin classes stay what they are.
func (t *tool) raise(f *toolFunction, e *Error) error {
	switch {
	case e.Limit != "":
		message := e.Message
		if e.Figures != "" {
			message = e.Figures
		}
		return t.fail(f, e.Limit, "tool."+t.Name+"."+message)
	case !e.FromHost && slices.Contains(builtinErrors, e.Type):
		message := e.Message
		if n := len(message); e.Type == "KeyError" && n > 1 && message[0] == '\'' && message[n-1] == '\'' {
			message = message[1 : n-1] // str() of a KeyError is the repr of its key
		}
		return &capabilities.PythonError{Type: e.Type, Message: message}
	}
	return t.fail(f, "", e.Type+": "+e.Message)
}

// builtinErrors are the classes of exceptions that a tool in Python raises in its caller as they are.
var builtinErrors = strings.Fields(`ArithmeticError AssertionError AttributeError BufferError EOFError FloatingPointError IndexError KeyError LookupError
	NameError NotImplementedError OverflowError RuntimeError TypeError UnicodeError ValueError ZeroDivisionError`)
