package host

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// A tool is one [tool.NAME] of the policy, made ready: a plugin in a host of its own, whose policy is what the tool itself may do. So its
// limits, grants and quotas are kept as those of agents are, and what it calls goes through the same gate. To the agent its functions are a family
// of capabilities: calls of them are decided and recorded as any others.
type tool struct {
	*policies.Tool
	host      *Host  // runs the plugin
	digest    string // of the plugin
	schema    string // digest of its description, if that is not in the plugin
	doc       string
	effects   capabilities.Effects
	functions []toolFunction
	runner    runner
}

// A runner runs the functions of one plugin. An error that is neither a Python exception nor that of ctx is a fault of the host.
type runner interface {
	run(ctx context.Context, caller *execution, f *toolFunction, args capabilities.Arguments) (any, error)
}

// A toolFunction is one function of a tool, as its plugin describes it.
type toolFunction struct {
	name, signature, doc string
	parsed               *capabilities.Signature

	export string // of a module
	input  func(ctx context.Context, args capabilities.Arguments, limit int) ([]byte, error)
	output func(ctx context.Context, answer []byte) (any, error)
}

// maxPlugin is how long a plugin may be, in bytes, and maxSchema its description.
const (
	maxPlugin = 64 * mib
	maxSchema = mib
)

// toolError is the class of what goes wrong in a tool, in the module that has its functions.
const toolError = "Error"

// openTools makes the tools of the policy ready, each with its own host.
func (h *Host) openTools(ctx context.Context) error {
	var unusable toolsError
	var errs []error
	for i := range h.policy.Tools {
		t := &tool{Tool: &h.policy.Tools[i]}
		switch err := h.openTool(ctx, t); {
		case errors.Is(err, ErrPlugin):
			unusable.add(h.policy, t, err)
		case err != nil:
			errs = append(errs, fmt.Errorf("host: %v: tool %q: %w", t.Position, t.Name, err))
		default:
			h.tools = append(h.tools, t)
		}
	}
	if unusable.mistakes != nil {
		errs = append(errs, &unusable)
	}
	return errors.Join(errs...)
}

// A toolsError says which tools of a policy cannot be used: to whom it matters, they are mistakes of the policy.
type toolsError struct {
	mistakes policies.Errors
	causes   []error
}

func (e *toolsError) Error() string   { return e.mistakes.Error() }
func (e *toolsError) Unwrap() []error { return append(e.causes, e.mistakes) }

// add adds why a tool cannot be used.
func (e *toolsError) add(policy *policies.Policy, t *tool, err error) {
	if several := (unusableErrors)(nil); errors.As(err, &several) {
		for _, one := range several {
			e.add(policy, t, one)
		}
		return
	}
	at, hint := t.Position, ""
	if why := (*unusableError)(nil); errors.As(err, &why) {
		hint = why.hint
		if why.at.Line > 0 {
			at = why.at
		}
	}
	e.mistakes = append(e.mistakes, policy.Mistake(at, fmt.Sprintf("tool %q: %v", t.Name, err), hint))
	e.causes = append(e.causes, err)
	slices.SortStableFunc(e.mistakes, func(a, b *policies.Error) int { return cmp.Compare(a.Line, b.Line) })
}

// An unusableError is an [ErrPlugin] with what to do about it, and perhaps the place in the policy that it is about.
type unusableError struct {
	at            policies.Position
	message, hint string
}

func (e *unusableError) Error() string { return ErrPlugin.Error() + ": " + e.message }
func (e *unusableError) Unwrap() error { return ErrPlugin }

// unusableErrors are several reasons at once.
type unusableErrors []*unusableError

func (e unusableErrors) Error() string { return errors.Join(e.Unwrap()...).Error() }

func (e unusableErrors) Unwrap() []error {
	errs := make([]error, len(e))
	for i := range e {
		errs[i] = e[i]
	}
	return errs
}

func (h *Host) openTool(ctx context.Context, t *tool) error {
	files := pluginFiles{h.policy, h.config.Plugins}
	plugin, err := t.read(files)
	if err != nil {
		return err
	}
	if t.IsPython() {
		err = h.openPython(ctx, t, plugin)
	} else {
		err = h.openModule(ctx, t, plugin, files)
	}
	if err != nil {
		return err
	}
	return t.checkFunctions()
}

// read reads the plugin, which must be the one that the policy means.
func (t *tool) read(files pluginFiles) ([]byte, error) {
	plugin, err := files.read(t.Plugin, maxPlugin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPlugin, err)
	}
	t.digest = audit.Digest(plugin)
	if want := "sha256:" + t.SHA256; t.digest != want {
		return nil, wrongFile(policies.Position{}, t.Plugin, t.digest, want)
	}
	return plugin, nil
}

// wrongFile says that a file is not the one that the policy means.
func wrongFile(at policies.Position, file, digest, want string) error {
	return &unusableError{at, fmt.Sprintf("%s has %s, and the policy wants %s", file, digest, want), "if it is the one that you mean, write its digest"}
}

// checkFunctions checks that what the plugin describes makes sense to Python, and that it has what the policy names.
func (t *tool) checkFunctions() (err error) {
	for i := range t.functions {
		f := &t.functions[i]
		if f.parsed, err = capabilities.ParseSignature(f.signature); err != nil {
			return errors.Join(fmt.Errorf("%w: function %q: %w", ErrPlugin, f.name, err), t.close())
		}
	}
	var lacking unusableErrors
	for i, name := range t.Functions {
		if !slices.ContainsFunc(t.functions, func(f toolFunction) bool { return f.name == name }) {
			lacking = append(lacking, t.lacks(i, t.functionNames(), ""))
		}
	}
	if lacking != nil {
		return errors.Join(lacking, t.close())
	}
	return nil
}

// lacks says that the plugin does not have a function which the policy names, but others.
func (t *tool) lacks(i int, others, hint string) *unusableError {
	message := fmt.Sprintf("it has no function %q", t.Functions[i])
	if others != "" {
		message += ", only " + others
	}
	return &unusableError{t.Positions[i], message, hint}
}

func (t *tool) functionNames() string {
	names := make([]string, len(t.functions))
	for i := range t.functions {
		names[i] = t.functions[i].name
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// pluginFiles are the files that a policy names for its tools.
type pluginFiles struct {
	policy *policies.Policy
	open   func(path string) ([]byte, error) // nil: those on the disk
}

// read reads a file of at most so many bytes.
func (f pluginFiles) read(path string, most int64) ([]byte, error) {
	path = besidePolicy(f.policy, path)
	if f.open != nil {
		data, err := f.open(path)
		if err == nil && int64(len(data)) > most {
			err = fmt.Errorf("%s has more than %d bytes", path, most)
		}
		return data, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%s has more than %d bytes", path, most)
	}
	return data, err
}

// newToolHost makes the host of a tool, without a program. It ends with h, and records in the journals of the sessions that call the tool.
func (h *Host) newToolHost(t *tool) *Host {
	p := &Host{
		config: Config{
			Policy: t.Policy(), Capabilities: h.config.Capabilities, Guest: h.config.Guest,
			Approver: h.config.Approver, ApprovalTimeout: h.config.ApprovalTimeout, Spare: h.config.Spare,
		},
		policy: t.Policy(), logger: h.logger.With("tool", t.Name), limits: t.Policy().Limits.WithDefaults(),
		program: &program{spareLimit: h.config.spareInstances()},
		closing: h.closing, stop: func() {}, registry: h.config.Capabilities,
		tool: t, sessions: make(map[*Session]struct{}),
	}
	if h.cache != nil {
		var err error
		if p.cache, err = openCache(h.cache.folder); err != nil {
			h.logger.Warn("working without a cache", "tool", t.Name, "error", err)
		}
	}
	return p
}

// family describes the tool to the policy, the guest and the gate.
func (t *tool) family() capabilities.Family {
	family := capabilities.Family{Name: t.Name, Doc: cmp.Or(t.doc, "Functions of the tool "+t.Name+"."), Exceptions: map[string]string{toolError: "RuntimeError"}}
	for i := range t.functions {
		family.Capabilities = append(family.Capabilities, &toolCapability{tool: t, function: &t.functions[i]})
	}
	return family
}

// reach finds what the tool may call itself, and sets what effects that can have; a tool that remembers does not give equal results for equal arguments.
func (t *tool) reach(known *capabilities.Registry) ([]*granted, error) {
	functions, err := grantedFunctions(t.Policy(), known)
	t.effects = 0
	for _, g := range functions {
		t.effects |= g.capability.Spec().Effects &^ capabilities.Pure
	}
	if t.Stateful {
		t.effects |= capabilities.Reads
	}
	if t.effects == 0 {
		t.effects = capabilities.Pure
	}
	return functions, err
}

func (t *tool) close() error {
	if t.host == nil {
		return nil
	}
	errs := []error{t.host.program.closeSpare(), t.host.program.close()}
	if t.host.cache != nil {
		errs = append(errs, t.host.cache.code.Close(context.Background()))
	}
	return errors.Join(errs...)
}

// A toolCapability is one function of a tool as a capability.
type toolCapability struct {
	tool     *tool
	function *toolFunction
}

// Spec implements [capabilities.Capability].
func (c *toolCapability) Spec() capabilities.Spec {
	return capabilities.Spec{
		Family: c.tool.Name, Function: c.function.name, Signature: c.function.signature, Doc: c.function.doc, Effects: c.tool.effects,
	}
}

// Call implements [capabilities.Capability]. Only the gate calls it: ctx has the execution that calls.
func (c *toolCapability) Call(ctx context.Context, call *capabilities.Call) (any, error) {
	args, err := c.function.parsed.Bind(c.tool.Name, c.function.name, call)
	if err != nil {
		return nil, err
	}
	caller := executionOf(ctx)
	if caller == nil {
		return nil, errors.New("host: a tool was called by no session")
	}
	return c.tool.runner.run(ctx, caller, c.function, args)
}

// fail is the exception for a call of a tool that came to nothing. limit is the key of [tool.NAME.limits] that ended it; it may be empty.
func (t *tool) fail(f *toolFunction, limit, message string) error {
	attributes := map[string]any{"tool": t.Name, "limit": nil}
	if limit != "" {
		attributes["limit"] = limit
	}
	return &capabilities.PythonError{Type: t.Name + "." + toolError, Message: t.Name + "." + f.name + ": " + message, Attributes: attributes}
}

// exceeded says which limit of the tool ended a call.
func (t *tool) exceeded(f *toolFunction, limit string, usage Usage) error {
	return t.fail(f, limit, "tool."+t.Name+"."+t.host.figures(limit, usage))
}

// enter begins a call of the tool: an execution in its own host, whose records are the caller's. The caller of enter sets the instance and calls
// leave.
func (t *tool) enter(ctx context.Context, caller *execution) (context.Context, *execution) {
	s := &Session{host: t.host, id: caller.session.id, usage: caller.session.usage.Tool(t.Name).Clone()}
	x := &execution{session: s, journal: caller.journal, caller: caller}
	x.journal.common.Tool, x.journal.common.Within = t.Name, int(caller.calls)
	ctx, x.deadline = t.host.deadline(ctx, t.host.limits.WallTime)
	return ctx, x
}

// leave ends what enter began: what was used of the tool's quotas, and of the room in records, is the caller's to know.
func (x *execution) leave() {
	x.deadline.stop()
	*x.caller.session.usage.Tool(x.session.host.tool.Name) = x.session.usage
	x.caller.journal.room = x.journal.room
}

// release gives back the instance that a call had. A plugin that was stopped begins anew the next time.
func (t *tool) release(s *Session, in *instance) error {
	switch {
	case in.broken:
		delete(s.plugins, t)
		return in.close(context.Background())
	case t.Stateful:
		if s.plugins == nil {
			s.plugins = make(map[*tool]*instance)
		}
		s.plugins[t] = in
		return nil
	}
	return t.host.program.retire(in)
}

// statefulTools are the names of the tools that remember something for the session.
func (s *Session) statefulTools() []string {
	var names []string
	for t := range s.plugins {
		names = append(names, t.Name)
	}
	slices.Sort(names)
	return names
}

// dropPlugins ends the plugins that remember for the session.
func (s *Session) dropPlugins() error {
	var errs []error
	for t, in := range s.plugins {
		errs = append(errs, t.host.program.retire(in))
	}
	s.plugins = nil
	return errors.Join(errs...)
}

// Tools describes the tools of a policy as far as that can be done without running anything: as families whose functions cannot be called. Plugins are read as
// [Config.Plugins] says, and python reads those in Python, if it is not nil. The functions of such a plugin are those that the policy names or,
// if it names none, those that python finds, without their parameters; the family of one of which neither says any is empty.
//
// A plugin that is not the one that the policy means, wants more than it is granted, cannot be parsed, or does not have what it describes or the policy names is a
// mistake of the policy: the error is of type [policies.Errors], and the families are those of the other tools.
func Tools(policy *policies.Policy, known *capabilities.Registry, read func(path string) ([]byte, error), python ReadPython) ([]capabilities.Family, error) {
	var families []capabilities.Family
	var unusable toolsError
	for i := range policy.Tools {
		t := &tool{Tool: &policy.Tools[i]}
		switch err := t.foresee(pluginFiles{policy, read}, known, python); {
		case errors.Is(err, errReader):
			return nil, err
		case err != nil:
			unusable.add(policy, t, err)
		default:
			families = append(families, t.family())
		}
	}
	if unusable.mistakes != nil {
		return families, unusable.mistakes
	}
	return families, nil
}

// ReadPython reads a tool's file of Python, with a [PythonReader]. path is that of the policy's folder joined with what the policy says.
type ReadPython func(t *policies.Tool, path string, source []byte) (*PythonFile, error)

// errReader says that a file of Python was not read, for no fault of the file's.
var errReader = errors.New("host: Python is not read")

// foresee finds out what can be known of a tool that does not run.
func (t *tool) foresee(files pluginFiles, known *capabilities.Registry, python ReadPython) error {
	plugin, err := t.read(files)
	if err != nil {
		return err
	}
	if _, err := t.reach(known); err != nil {
		return err
	}
	if t.IsPython() {
		return t.foreseePython(besidePolicy(files.policy, t.Plugin), plugin, python)
	}
	if err := t.describeModule(plugin, files); err != nil {
		return err
	}
	if _, err := t.link(plugin, known); err != nil {
		return err
	}
	return t.checkFunctions()
}

// foreseePython finds out what a file of Python has.
func (t *tool) foreseePython(path string, source []byte, python ReadPython) error {
	names := t.Functions
	if python != nil {
		file, err := python(t.Tool, path, source)
		if err != nil {
			return fmt.Errorf("%w: %w", errReader, err)
		}
		if err := file.check(t); err != nil {
			return err
		}
		t.doc = file.Doc
		if len(names) == 0 {
			for _, f := range file.Functions {
				names = append(names, f.Name)
			}
		}
	}
	for _, name := range names {
		t.functions = append(t.functions, toolFunction{name: name, signature: "(*args, **kwargs)"})
	}
	return t.checkFunctions()
}
