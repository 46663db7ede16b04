package conformance_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	extism "github.com/extism/go-sdk"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// foreignConfig is the policy of extism/, whose programs run under Postern's host and under others.
func foreignConfig(t testing.TB) host.Config {
	t.Helper()
	text, err := os.ReadFile("extism/policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	return configOf(t, string(text))
}

func configOf(t testing.TB, policy string) host.Config {
	t.Helper()
	known, err := registry()
	if err != nil {
		t.Fatal(err)
	}
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := policies.Parse("policy.toml", []byte(policy), policies.Vocabulary{Families: known.Vocabulary(), Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	return host.Config{Policy: parsed, Capabilities: known, Audit: audit.Discard}
}

// foreignPrograms are those of extism/programs.txtar, of the suite and of testdata/programs.
func foreignPrograms(t *testing.T) []txtar.File {
	t.Helper()
	archive, err := txtar.ParseFile("extism/programs.txtar")
	if err != nil {
		t.Fatal(err)
	}
	programs := archive.Files
	files, err := filepath.Glob("testdata/programs/*.py")
	if err != nil {
		t.Fatal(err)
	}
	suite, err := filepath.Glob("suite/*.py")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range append(files, suite...) {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		programs = append(programs, txtar.File{Name: file, Data: code})
	}
	if len(programs) < 80 {
		t.Fatalf("%d programs", len(programs))
	}
	return programs
}

// sealed is the guest of a policy, self-contained.
func sealed(t testing.TB, config host.Config) []byte {
	t.Helper()
	module, err := host.Seal(background, config)
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// serve makes host functions for Extism's Go SDK of the capabilities that a policy grants: as anybody would who serves a linked guest.
func serve(config host.Config) []extism.HostFunction {
	var functions []extism.HostFunction
	handle := []extism.ValueType{extism.ValueTypeI64}
	for _, symbol := range host.Symbols(config.Policy) {
		capability, _ := config.Capabilities.Lookup(strings.Replace(symbol, "_", ".", 1))
		functions = append(functions, extism.NewHostFunctionWithStack(symbol, func(ctx context.Context, plugin *extism.CurrentPlugin, stack []uint64) {
			request, err := plugin.ReadBytes(stack[0])
			if err != nil {
				panic(err)
			}
			if stack[0], err = plugin.WriteBytes(answerOf(ctx, capability, request)); err != nil {
				panic(err)
			}
		}, handle, handle))
	}
	return functions
}

// answerOf calls a capability and gives the answer of docs/abi.md.
func answerOf(ctx context.Context, capability capabilities.Capability, request []byte) []byte {
	const limit = 1 << 20
	args, kwargs, err := values.DecodeCall(request)
	var result any
	if err == nil {
		result, err = capability.Call(ctx, &capabilities.Call{Args: args, Kwargs: kwargs})
	}
	var answer []byte
	var raised *capabilities.PythonError
	if errors.As(err, &raised) {
		answer, err = values.AppendError(nil, raised.Type, raised.Message, raised.Attributes, limit)
	} else if err == nil {
		answer, err = values.AppendOK(nil, result, limit)
	}
	if err != nil {
		panic(err)
	}
	return answer
}

// answer is the result of docs/abi.md, as a guest gives it.
type answer struct {
	OK            bool            `json:"ok"`
	Value         json.RawMessage `json:"value"`
	Repr          *string         `json:"repr"`
	IsFinalAnswer bool            `json:"is_final_answer"`
	Stdout        string          `json:"stdout"`
	Stderr        string          `json:"stderr"`
	Error         *answerError    `json:"error"`
	Withheld      []host.Withheld `json:"withheld"`
}

type answerError struct {
	Type      string  `json:"type"`
	Message   string  `json:"message"`
	Traceback string  `json:"traceback"`
	Line      *int    `json:"line"`
	Denied    bool    `json:"denied"`
	Limit     *string `json:"limit"`
}

// answerUnderPostern is what a guest under Postern's host has answered, with what the host adds taken away: figures of a limit.
func answerUnderPostern(r *host.Result) answer {
	a := answer{r.OK, r.Value, r.Repr, r.IsFinalAnswer, r.Stdout, r.Stderr, nil, r.Withheld}
	if e := r.Error; e != nil {
		a.Error = &answerError{Type: e.Type, Message: strings.TrimSuffix(e.Message, " ("+e.Figures+")"), Traceback: e.Traceback, Line: e.Line, Denied: e.Denied}
		if e.Limit != "" {
			a.Error.Limit = &e.Limit
		}
		if e.Figures == e.Message && e.Limit != "host_calls" {
			a.Error.Message = "" // the guest had none
		}
	}
	return a
}

func text(t testing.TB, a answer) string {
	t.Helper()
	indented, err := json.MarshalIndent(a, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(indented)
}

// ask calls an export of an instance under the Go SDK and reads what it answers, of which it understands each member.
func ask(t testing.TB, p *extism.Plugin, export string, request any) answer {
	t.Helper()
	input, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	_, output, err := p.Call(export, input)
	if err != nil {
		t.Fatal(err)
	}
	var a answer
	decoder := json.NewDecoder(bytes.NewReader(output))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&a); err != nil {
		t.Fatalf("%v: %s", err, output)
	}
	return a
}

// compiledPlugin is a plugin for Extism's Go SDK with WASI or without: a sealed guest does not ask.
func compiledPlugin(t testing.TB, manifest extism.Manifest, wasi bool, functions []extism.HostFunction) *extism.CompiledPlugin {
	t.Helper()
	compiled, err := extism.NewCompiledPlugin(background, manifest, extism.PluginConfig{EnableWasi: wasi}, functions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { compiled.Close(background) })
	return compiled
}

func instance(t testing.TB, compiled *extism.CompiledPlugin) *extism.Plugin {
	t.Helper()
	p, err := compiled.Instance(background, extism.PluginInstanceConfig{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(background) })
	return p
}

func manifest(module []byte) extism.Manifest {
	return extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: module}}}
}

// foreignGuest is the sealed guest of extism/, compiled once.
var foreignGuest struct {
	once     sync.Once
	module   []byte
	compiled *extism.CompiledPlugin
}

func foreignPlugin(t testing.TB) *extism.CompiledPlugin {
	t.Helper()
	config := foreignConfig(t)
	foreignGuest.once.Do(func() {
		var err error
		if foreignGuest.module, err = host.Seal(background, config); err != nil {
			t.Fatal(err)
		}
		if foreignGuest.compiled, err = extism.NewCompiledPlugin(background, manifest(foreignGuest.module), extism.PluginConfig{}, serve(config)); err != nil {
			t.Fatal(err)
		}
	})
	if foreignGuest.compiled == nil {
		t.Fatal("it could not be made")
	}
	return foreignGuest.compiled
}

// TestSealedGuestAnswersAsUnderPostern: whole answers, of a new session and of a new instance under Extism's Go SDK.
func TestSealedGuestAnswersAsUnderPostern(t *testing.T) {
	h, err := host.New(background, foreignConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	compiled := foreignPlugin(t)
	for _, program := range foreignPrograms(t) {
		t.Run(program.Name, func(t *testing.T) {
			here, err := sessionOf(t, h).Exec(background, string(program.Data), host.ExecOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := text(t, answerUnderPostern(here))
			got := text(t, ask(t, instance(t, compiled), "exec", map[string]string{"code": string(program.Data)}))
			compareLines(t, "the sealed guest", got, want)
		})
	}
}

// TestSealedGuestKeepsItsState: what one call leaves behind, the next one finds, as in a session.
func TestSealedGuestKeepsItsState(t *testing.T) {
	h, err := host.New(background, foreignConfig(t))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	s, p := sessionOf(t, h), instance(t, foreignPlugin(t))
	compare := func(got answer, r *host.Result, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		compareLines(t, "the sealed guest", text(t, got), text(t, answerUnderPostern(r)))
	}
	r, err := s.Set(background, map[string]any{"x": 20.0, "names": []any{"a", nil}})
	compare(ask(t, p, "set", map[string]any{"variables": json.RawMessage(`{"x": 20.0, "names": ["a", null]}`)}), r, err)
	const code = "import math\ndef root(y, *, more=0):\n    return math.sqrt(x + y) + more\nraise ValueError(names)"
	r, err = s.Exec(background, code, host.ExecOptions{Filename: "agent.py"})
	compare(ask(t, p, "exec", map[string]any{"code": code, "filename": "agent.py"}), r, err)
	r, err = s.Call(background, "root", []any{5.0}, map[string]any{"more": 1.0}, host.CallOptions{})
	compare(ask(t, p, "call", map[string]any{"function": "root", "args": json.RawMessage("[5.0]"), "kwargs": json.RawMessage(`{"more": 1.0}`)}), r, err)
	r, err = s.Call(background, "nobody", nil, nil, host.CallOptions{})
	compare(ask(t, p, "call", map[string]any{"function": "nobody"}), r, err)
	// Each call has its own count of host calls.
	for range 3 {
		const code = "for i in range(15): math.sqrt(i)"
		r, err = s.Exec(background, code, host.ExecOptions{})
		compare(ask(t, p, "exec", map[string]any{"code": code}), r, err)
	}
	if _, _, err := p.Call("exec", []byte("no JSON")); err == nil {
		t.Error("a request that is none was understood")
	}
	compareLines(t, "after that", text(t, ask(t, p, "exec", map[string]any{"code": "x"})), text(t, answer{OK: true, Value: []byte("20.0"), Repr: new("20.0"), Withheld: []host.Withheld{}}))
}

// TestSealedGuestStops: when its fuel is used up, and then for ever.
func TestSealedGuestStops(t *testing.T) {
	config := configOf(t, "policy = 1\nname = \"short\"\n[limits]\nfuel = 20_000_000\n")
	p := instance(t, compiledPlugin(t, manifest(sealed(t, config)), false, nil))
	for range 3 { // each call has its own
		if a := ask(t, p, "exec", map[string]any{"code": "for i in range(200_000): pass"}); a.Error != nil {
			t.Fatal(a.Error.Traceback)
		}
	}
	if _, output, err := p.Call("exec", []byte(`{"code":"while True: pass"}`)); err == nil || !strings.Contains(err.Error(), "unreachable") {
		t.Errorf("a loop without an end: %s, %v", output, err)
	}
	for range 2 {
		const want = "limits.fuel exceeded: an earlier call of this instance used up its 20000000; it cannot be used any more: make a new instance"
		if _, output, err := p.Call("exec", []byte(`{"code":"1"}`)); err == nil || err.Error() != want {
			t.Errorf("after it: %s, %v", output, err)
		}
	}
}

// TestSealedGuestNeedsNothing: it imports Extism's kernel and what is granted, and that alone.
func TestSealedGuestNeedsNothing(t *testing.T) {
	foreignPlugin(t)
	imports, err := link.Imports(foreignGuest.module)
	if err != nil {
		t.Fatal(err)
	}
	var user []string
	for _, i := range imports {
		switch i.Module {
		case link.UserModule:
			user = append(user, i.Name)
		case "extism:host/env":
		default:
			t.Errorf("it imports %v", i)
		}
	}
	if got, want := strings.Join(user, " "), "json_dumps json_loads math_floor math_pow math_sqrt"; got != want {
		t.Errorf("functions %s, want %s", got, want)
	}
	if form, err := link.FormOf(foreignGuest.module); err != nil || form != link.FormSealed {
		t.Errorf("it says that it is a %v, %v", form, err)
	}
}

// TestSealIsDeterministic: also without what earlier hosts have left in the cache.
func TestSealIsDeterministic(t *testing.T) {
	foreignPlugin(t)
	config := foreignConfig(t)
	config.Cache = host.NoCache
	if again := sealed(t, config); !bytes.Equal(again, foreignGuest.module) {
		t.Errorf("%d bytes, then %d others", len(foreignGuest.module), len(again))
	}
}

// TestLinkedGuestWithItsFilesMounted: one that is not self-contained needs WASI, its library as files, and to be configured. docs/extism.md says so.
func TestLinkedGuestWithItsFilesMounted(t *testing.T) {
	root := t.TempDir()
	library := filepath.Join(root, "lib", "python3.13")
	archive, err := zip.OpenReader("../guest/dist/stdlib.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if err := os.CopyFS(root, archive); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(library, os.DirFS("../guest/src/lib")); err != nil {
		t.Fatal(err)
	}
	config := foreignConfig(t)
	base, err := guest.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	linked, err := link.Link(base, link.Options{Functions: host.Symbols(config.Policy), Meter: true})
	if err != nil {
		t.Fatal(err)
	}
	m := manifest(linked)
	m.AllowedPaths = map[string]string{"ro:" + root: "/"}
	p := instance(t, compiledPlugin(t, m, true, serve(config)))
	// Indices are places in the order of the imports: json_dumps json_loads math_floor math_pow math_sqrt.
	const configuration = `{"policy": "by hand", "imports": ["string"], "families": [
		{"name": "math", "functions": [{"name": "sqrt", "index": 4, "signature": "(x, /)", "doc": "root"}], "withheld": ["cos"]}]}`
	if _, output, err := p.Call("configure", []byte(configuration)); err != nil || !strings.HasPrefix(string(output), `{"ok":true,"abi":1,`) {
		t.Fatalf("configure: %s, %v", output, err)
	}
	got := ask(t, p, "exec", map[string]any{"code": "import math, string\n[math.sqrt(125), string.digits]"})
	if string(got.Value) != `[11.180339887498949,"0123456789"]` {
		t.Error(text(t, got))
	}
	for code, want := range map[string]string{"import os": "import of 'os' is not authorized by policy 'by hand'", "math.cos(1)": "math.cos is not granted by policy 'by hand'"} {
		if got := ask(t, p, "exec", map[string]any{"code": code}); got.Error == nil || !strings.HasPrefix(got.Error.Message, want) || !got.Error.Denied {
			t.Errorf("%s: %s", code, text(t, got))
		}
	}
}
