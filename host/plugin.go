package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	extism "github.com/extism/go-sdk"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/plugins"
)

// A pluginRunner runs a tool that is a WebAssembly module: an Extism plugin in any language. It is linked, metered and detached from its memory
// as the guest is, and started once, so that a fresh instance is one that was put back to what the plugin was when it had started.
type pluginRunner struct {
	tool   *tool
	broken error // why the plugin did not start; nil if it did
}

// openModule makes a tool ready that is a WebAssembly module.
func (h *Host) openModule(ctx context.Context, t *tool, wasm []byte, files pluginFiles) (err error) {
	if err := t.describeModule(wasm, files); err != nil {
		return err
	}
	t.host = h.newToolHost(t)
	p := t.host
	p.bounds = pluginBounds(p.limits)
	p.program.memoryLimit = uint64(p.limits.Memory)
	if p.functions, err = t.reach(p.registry); err != nil {
		return err
	}
	if err := redactions(p.policy, p.registry, p.functions); err != nil {
		return err
	}
	r := &pluginRunner{tool: t}
	t.runner = r
	if h.config.Replay != nil {
		return nil // nothing runs when calls are replayed
	}
	m, image := r.fromCache()
	p.program.image = image
	if m == nil {
		if m, err = r.linkModule(wasm); err != nil {
			return err
		}
	}
	if p.program.compiled, err = p.compile(ctx, m); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrPlugin, t.Plugin, err)
	}
	if image != nil {
		return nil
	}
	if r.broken = r.start(ctx, m); r.broken != nil {
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("start plugin: %w", context.Cause(ctx)), t.close())
		}
		// It is pinned by its digest, so it will never start. Calls say so: one broken tool is no reason to do without all others.
		h.logger.Warn("a plugin does not start", "tool", t.Name, "error", r.broken)
	}
	return nil
}

// linkModule makes of the plugin the module that runs.
func (r *pluginRunner) linkModule(wasm []byte) (*module, error) {
	linked, err := r.tool.link(wasm, r.tool.host.registry)
	if err != nil {
		return nil, err
	}
	detached, err := link.Detach(linked)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrPlugin, r.tool.Plugin, err)
	}
	return &module{
		wasm: detached.Module, memory: detached.Memory, state: detached.State, hidden: detached.Hidden, foreign: true, linked: audit.Digest(linked),
	}, nil
}

// paths are where the cache keeps the module and the image: by all that they are made from. What a plugin does when it starts can depend on how much memory
// it gets.
func (r *pluginRunner) paths() (module, image string) {
	folder := r.tool.host.cache.folder
	parts := [][]byte{[]byte("plugin"), fmt.Appendf(nil, "%d %d", link.Version, r.tool.host.limits.Memory), []byte(r.tool.digest), []byte(strings.Join(Symbols(r.tool.Policy()), "\n"))}
	return filepath.Join(folder, "modules", cacheKey(append(parts, []byte(moduleMagic))...)),
		filepath.Join(folder, "images", cacheKey(append(parts, []byte(imageMagic))...))
}

// fromCache finds the module and its image as an earlier host has left them.
func (r *pluginRunner) fromCache() (*module, *image) {
	if r.tool.host.cache == nil {
		return nil, nil
	}
	path, imagePath := r.paths()
	m, err := readModule(path)
	if err != nil || link.CheckPlugin(m.wasm, Symbols(r.tool.Policy())) != nil {
		return nil, nil
	}
	i, err := loadImage(imagePath, m.state)
	if err != nil {
		return nil, nil
	}
	now := time.Now()
	os.Chtimes(imagePath, now, now) // for pruneImages
	m.foreign = true
	return m, i
}

// keep makes an image of what the plugin is now, in the cache if there is one.
func (r *pluginRunner) keep(m *module, memory []byte, state []uint64) (*image, error) {
	if r.tool.host.cache != nil {
		path, imagePath := r.paths()
		pruneImages(filepath.Dir(imagePath))
		i, err := saveImage(imagePath, memory, state)
		if err == nil {
			err = m.save(path)
		}
		if err != nil {
			r.tool.host.logger.Warn("not keeping the started plugin", "error", err)
		}
		if i != nil {
			return i, nil
		}
	}
	return anonymousImage(memory, state)
}

// link makes the plugin fit to run under its grants.
func (t *tool) link(wasm []byte, known *capabilities.Registry) ([]byte, error) {
	linked, err := link.Plugin(wasm, Symbols(t.Policy()))
	if wrong := (*link.ImportError)(nil); errors.As(err, &wrong) && len(wrong.Missing) == 0 {
		return nil, t.importsTooMuch(wrong.Extra, known)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrPlugin, t.Plugin, err)
	}
	return linked, nil
}

// importsTooMuch says of imports that the plugin must not have what they are to the policy.
func (t *tool) importsTooMuch(extra []link.ExtraImport, known *capabilities.Registry) error {
	const shown = 8
	var wants, adds []string
	for _, x := range extra[:min(len(extra), shown)] {
		family, function, ok := capabilityOf(x.Import, known)
		if !ok || slices.Contains(Symbols(t.Policy()), x.Name) { // of a wrong type
			wants = append(wants, fmt.Sprintf("%v (%s)", x.Import, x.Reason))
			continue
		}
		wants = append(wants, fmt.Sprintf("%s.%s, which it is not granted", family, function))
		add := fmt.Sprintf("add [tool.%s.grant.%s] with functions = [%q]", t.Name, family, function)
		if t.Policy().Grant(family) != nil {
			add = fmt.Sprintf("add %q to functions of [tool.%s.grant.%s]", function, t.Name, family)
		}
		adds = append(adds, add)
	}
	if len(extra) > shown {
		wants = append(wants, fmt.Sprintf("%d more", len(extra)-shown))
	}
	return &unusableError{message: t.Plugin + " imports " + strings.Join(wants, "; "), hint: strings.Join(adds, "; ")}
}

// capabilityOf finds the capability that an import is.
func capabilityOf(i link.Import, known *capabilities.Registry) (family, function string, ok bool) {
	if i.Module != link.UserModule {
		return "", "", false
	}
	for family, functions := range known.Functions() {
		for _, function := range functions {
			if symbol(family, function) == i.Name {
				return family, function, true
			}
		}
	}
	return "", "", false
}

// describeModule reads what the plugin has to offer, and checks that it exports it.
func (t *tool) describeModule(wasm []byte, files pluginFiles) error {
	var sidecar []byte
	if t.Schema != "" {
		var err error
		if sidecar, err = files.read(t.Schema, maxSchema); err != nil {
			return fmt.Errorf("%w: %w", ErrPlugin, err)
		}
		t.schema = audit.Digest(sidecar)
		if want := "sha256:" + t.SchemaSHA256; t.SchemaSHA256 != "" && t.schema != want {
			at, _ := files.policy.Where("tool." + t.Name + ".schema_sha256")
			return wrongFile(at, t.Schema, t.schema, want)
		}
	}
	description, err := plugins.Describe(wasm, t.Schema, sidecar)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPlugin, err)
	}
	exports, err := link.Exports(wasm)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrPlugin, t.Plugin, err)
	}
	types := make(map[string]string)
	for _, e := range exports {
		types[e.Name] = e.Type
	}
	t.doc = description.Doc
	for _, f := range description.Functions {
		switch types[f.Original] {
		case "() -> i32", "() -> ()":
		case "":
			return fmt.Errorf("%w: %s describes a function %q and does not export it", ErrPlugin, t.Plugin, f.Original)
		default:
			return fmt.Errorf("%w: %s exports %q as %s: a plugin's function takes nothing and returns an i32", ErrPlugin, t.Plugin, f.Original, types[f.Original])
		}
		t.functions = append(t.functions, toolFunction{
			name: f.Name, signature: f.Signature, doc: f.Doc, export: f.Original, input: f.Input, output: f.Output,
		})
	}
	return nil
}

// start makes the image that instances begin with: the module after its start function and its initialiser.
func (r *pluginRunner) start(ctx context.Context, m *module) (err error) {
	p := r.tool.host.program
	in, err := p.instantiate(ctx, nil, &guestMemory{initial: m.memory, limit: p.memoryLimit})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.close(context.WithoutCancel(ctx))) }()
	ctx, deadline := r.tool.host.deadline(ctx, r.tool.host.limits.WallTime)
	defer deadline.stop()
	x := &execution{session: &Session{host: r.tool.host}, instance: in, journal: journal{log: audit.Discard}, deadline: deadline, starting: true}
	ctx = x.context(ctx)
	if err := in.introduce(ctx, r.says); err != nil {
		return err
	}
	before, state, err := in.everything(m)
	if err != nil {
		return err
	}
	if left, failure := in.begins(ctx, r.tool.host.limits.Fuel); failure != nil {
		_, message := r.explain(ctx, x, left, failure)
		return errors.New("the plugin does not start: " + message)
	}
	if !m.hidden { // or else each instance begins by itself: see call
		if before, state, err = in.everything(m); err != nil {
			return err
		}
	}
	p.image, err = r.keep(m, before, state)
	return err
}

// everything copies the memory and the globals.
func (in *instance) everything(m *module) (memory []byte, state []uint64, err error) {
	globals, err := stateGlobals(in.module, m.state)
	if err != nil {
		return nil, nil, err
	}
	state = make([]uint64, len(globals))
	for i, global := range globals {
		state[i] = global.Get()
	}
	return append([]byte(nil), in.memory.bytes()...), state, nil
}

// begins calls a plugin's start function and its initialiser, if it has them.
func (in *instance) begins(ctx context.Context, fuel int64) (left int64, err error) {
	for _, export := range []string{link.StartFunction, link.InitializeFunction} {
		if in.module.ExportedFunction(export) == nil {
			continue
		}
		if _, fuel, err = in.runForeign(ctx, export, nil, fuel); err != nil {
			return fuel, err
		}
	}
	in.begun = true
	return fuel, nil
}

// says gets what the plugin logs.
func (r *pluginRunner) says(level extism.LogLevel, message string) {
	r.tool.host.logger.Debug("a plugin says", "level", level.String(), "message", shortened(strings.ToValidUTF8(message, "\ufffd")))
}

// run implements runner.
func (r *pluginRunner) run(ctx context.Context, caller *execution, f *toolFunction, args capabilities.Arguments) (any, error) {
	t := r.tool
	if r.broken != nil {
		return nil, t.fail(f, "", r.broken.Error())
	}
	input, err := f.input(ctx, args, t.host.bounds.input)
	if err != nil {
		return nil, err
	}
	outer := ctx
	ctx, x := t.enter(ctx, caller)
	defer x.leave()
	if x.instance, err = r.take(x.context(ctx), caller.session); err != nil {
		return nil, err
	}
	answer, failed := r.call(x.context(ctx), x, f, input)
	if err := t.release(caller.session, x.instance); err != nil {
		t.host.logger.Warn("closing a plugin", "error", err)
	}
	switch {
	case failed != nil && outer.Err() != nil:
		return nil, outer.Err() // the caller's time is over, and not the tool's alone
	case failed != nil:
		return nil, failed
	}
	value, err := f.output(outer, answer)
	switch {
	case err != nil && outer.Err() != nil:
		return nil, outer.Err()
	case err != nil:
		return nil, t.fail(f, "", err.Error())
	}
	return value, nil
}

// call calls the export and returns the bytes of its answer, or the exception for what went wrong.
func (r *pluginRunner) call(ctx context.Context, x *execution, f *toolFunction, input []byte) ([]byte, error) {
	t, in := r.tool, x.instance
	code, left, err := int32(0), t.host.limits.Fuel, error(nil)
	if in.hidden && !in.begun { // what it has put into its tables is in no image
		x.starting = true
		left, err = in.begins(ctx, left)
		x.starting = false
	}
	if err == nil {
		code, left, err = in.runForeign(ctx, f.export, input, left)
	}
	if err != nil {
		limit, message := r.explain(ctx, x, left, err)
		return nil, t.fail(f, limit, message)
	}
	said := in.errorText()
	switch {
	case in.memory.refused && (code != 0 || said != ""):
		return nil, t.exceeded(f, "memory", Usage{MemoryBytes: int64(in.memory.size())})
	case said != "":
		return nil, t.fail(f, "", said)
	case code != 0:
		return nil, t.fail(f, "", fmt.Sprintf("the plugin failed without saying why (it returned %d)", code))
	}
	answer, err := in.output(t.host.bounds.output)
	if err != nil {
		return nil, t.fail(f, "", "the plugin's answer is not there, or longer than "+fmt.Sprint(t.host.bounds.output)+" bytes")
	}
	return answer, nil
}

// explain says what ended a plugin, and which limit that was, if it was one.
func (r *pluginRunner) explain(ctx context.Context, x *execution, left int64, err error) (limit, message string) {
	in, h := x.instance, r.tool.host
	words := strings.TrimSpace(in.stdio.take())
	usage := Usage{Fuel: h.limits.Fuel - max(left, 0), WallMS: float64(h.limits.WallTime) / float64(time.Millisecond), MemoryBytes: int64(in.memory.size())}
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), errWallTime):
		limit = "wall_time"
	case left < 0:
		limit = "fuel"
	case in.memory.refused, errors.Is(err, errKernelFull):
		limit = "memory"
	}
	if limit != "" {
		return limit, "tool." + r.tool.Name + "." + h.figures(limit, usage)
	}
	message = strings.Replace(crashText(err), "the guest", "the plugin", 1)
	if words != "" {
		r.tool.host.logger.Debug("a plugin's last words", "words", words)
		message += " (" + oneLine(shortened(words)) + ")"
	}
	return "", message
}

// take returns the instance for a call: the session's own, if the tool is stateful, or else one that is as if it had just started.
func (r *pluginRunner) take(ctx context.Context, s *Session) (*instance, error) {
	if in := s.plugins[r.tool]; in != nil {
		return in, nil
	}
	in, err := r.tool.host.program.newInstance(ctx, nil)
	if err != nil {
		return nil, err
	}
	if in.module == nil {
		if err := in.introduce(ctx, r.says); err != nil {
			return nil, errors.Join(err, in.close(context.WithoutCancel(ctx)))
		}
	}
	return in, nil
}

// introduce gets hold of the module of a plugin's new instance, before any of its code has run, by calling a function of it that link has added.
func (in *instance) introduce(ctx context.Context, logger func(extism.LogLevel, string)) error {
	if x := executionOf(ctx); x != nil && x.instance == nil {
		x.instance = in
	}
	if _, _, err := in.plugin.CallWithContext(ctx, link.RefuelFunction, nil); err != nil {
		return fmt.Errorf("host: start plugin: %w", err)
	}
	if in.module == nil {
		return errors.New("host: the plugin was never entered")
	}
	in.plugin.SetLogger(logger)
	return nil
}

// runForeign is run for a plugin: its input is given as it is, and what it returns is a code.
func (in *instance) runForeign(ctx context.Context, export string, input []byte, fuel int64) (code int32, left int64, err error) {
	in.broken, in.memory.refused = true, false
	if _, err := checkKernel(in.plugin.Memory()); err != nil {
		return 0, fuel, err
	}
	in.meter.start(ctx, fuel)
	code, err = in.invoke(ctx, export, input)
	in.meter.end()
	in.broken = err != nil
	return code, in.meter.left(), err
}

// kernelError is where Extism's kernel keeps the handle of the error.
const kernelError = 25

// errorText is what the plugin has set as its error, and takes it away.
func (in *instance) errorText() string {
	header, ok := in.kernel.Memory().Read(kernelError, 8)
	if !ok || binary.LittleEndian.Uint64(header) == 0 {
		return ""
	}
	text, err := readBlock(in.kernel.Memory(), binary.LittleEndian.Uint64(header), textLimit)
	clear(header)
	switch {
	case errors.Is(err, errTooLarge):
		return "the plugin's error is longer than can be shown"
	case err != nil:
		return "the plugin's error is not there"
	case !utf8.Valid(text) || len(text) == 0:
		return "the plugin's error is no text"
	}
	return string(text)
}
