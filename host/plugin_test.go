package host_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// A toolbox is a host of the toy guest whose policy has one tool, x, a module of testdata/plugins.
type toolbox struct {
	*host.Host
	functions []string // sorted: their places are the indices of the toy's hostcall
}

// rawSchema describes functions that take a text, or nothing, and answer any JSON.
func rawSchema(functions ...string) string {
	text := "version: v1-draft\nexports:\n"
	for _, f := range functions {
		text += "  " + f + ":\n    description: " + f + "\n"
		if f == "raw" || slices.Contains([]string{"ask", "twice", "often"}, f) {
			text += "    input: {contentType: text/plain, type: string}\n"
		}
		switch f {
		case "quiet":
		case "random":
			text += "    output: {contentType: application/x-binary, type: buffer}\n"
		case "raw", "ask", "twice", "often", "forged":
			text += "    output: {contentType: application/json, type: object}\n"
		default:
			text += "    output: {contentType: application/json, type: integer}\n"
		}
	}
	return text
}

// toolPolicy is the policy of a toolbox whose tool is a module.
func toolPolicy(t testing.TB, wasm []byte, more string) *policies.Policy {
	t.Helper()
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("policy = 1\nname = \"p\"\n[tool.x]\nplugin = \"x.wasm\"\nschema = \"x.yaml\"\nsha256 = %q\n%s", audit.Digest(wasm), more)
	policy, err := policies.Parse("p.toml", []byte(text), policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	return policy
}

// toolConfig is the configuration of a toolbox. more is what the policy says besides.
func toolConfig(t testing.TB, module, more string, functions ...string) host.Config {
	t.Helper()
	wasm, err := os.ReadFile(filepath.Join("testdata", "plugins", module+".wasm"))
	if err != nil {
		t.Fatal(err)
	}
	return moduleConfig(t, wasm, more, functions...)
}

// moduleConfig is toolConfig for any module.
func moduleConfig(t testing.TB, wasm []byte, more string, functions ...string) host.Config {
	t.Helper()
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	policy := toolPolicy(t, wasm, more)
	return host.Config{
		Policy: policy, Capabilities: known, Cache: host.NoCache, Audit: audit.Discard,
		Guest: host.Guest{Wasm: func() ([]byte, error) { return toy.Wasm(), nil }},
		Plugins: func(path string) ([]byte, error) {
			if path == "x.yaml" {
				return []byte(rawSchema(functions...)), nil
			}
			return wasm, nil
		},
	}
}

func openTools(t testing.TB, c host.Config, functions ...string) *toolbox {
	t.Helper()
	return &toolbox{open(t, c), slices.Sorted(slices.Values(functions))}
}

// call calls a function of the tool, and returns the answer that the guest got.
func (b *toolbox) call(t *testing.T, s *host.Session, function, request string) string {
	t.Helper()
	var got string
	soon(t, func() { got = answer(t, s, slices.Index(b.functions, function), request) })
	return got
}

// misdeeds are what the functions of hostile.wasm do, and what the agent is told of it.
var misdeeds = []struct{ function, request, want string }{
	{"quiet", `{}`, `{"ok":null}`},
	{"loop", `{}`, `tool.x.limits.fuel exceeded: 60000000 of 60000000`},
	{"recurse", `{}`, `the plugin stopped: stack overflow`},
	{"bomb", `{}`, `tool.x.limits.memory exceeded: 7405568 of 8388608 bytes, and more was asked for`},
	{"bomb_says", `{}`, `tool.x.limits.memory exceeded: 7405568 of 8388608 bytes, and more was asked for`},
	{"bomb_at_once", `{}`, `tool.x.limits.memory exceeded: `},
	{"bomb_blocks", `{}`, `tool.x.limits.memory exceeded: `},
	{"bomb_small_blocks", `{}`, `x.bomb_small_blocks: `},
	{"bomb_variables", `{}`, `x.bomb_variables: `},
	{"exit", `{}`, `the plugin exited with code 3`},
	{"exit_well", `{}`, `the plugin exited with code 0`},
	{"trap", `{}`, `the plugin stopped: wasm error: unreachable (last words)`},
	{"fail", `{}`, `no such thing`},
	{"fail_well", `{}`, `no such thing`},
	{"fail_silently", `{}`, `the plugin failed without saying why (it returned 7)`},
	{"error_forged", `{}`, `the plugin failed without saying why (it returned 1)`},
	{"error_empty", `{}`, `x.error_empty: `},
	{"output_far", `{}`, `x.output_far: answered nothing`},
	{"output_long", `{}`, `x.output_long: answered nothing`},
	{"output_all", `{}`, `x.output_all: `},
	{"forge", `{}`, `the plugin stopped: host: Extism's memory is corrupt`},
	{"forge_root", `{}`, `the plugin stopped: host: Extism's memory is corrupt`},
	{"free_input", `{}`, `x.free_input`},
	{"log", `{}`, `x.log: `},
	{"log_forged", `{}`, `x.log_forged: `},
	{"log_always", `{}`, `tool.x.limits.`},
	{"fetch", `{}`, `the plugin stopped: wasm error: unreachable`},
	{"sleep", `{}`, `tool.x.limits.`},
	{"raw", `{"args": ["{"]}`, `x.raw: `},
	{"raw", `{"args": [""]}`, `x.raw: `},
	{"raw", `{"args": ["1 2"]}`, `x.raw: `},
	{"raw", `{"args": ["{\"a\": 1, \"a\": 2}"]}`, `x.raw: `},
	{"raw", `{"args": ["` + strings.Repeat("[", 10_000) + `"]}`, `x.raw: `},
	{"raw", `{"args": ["NaN"]}`, `x.raw: `},
	{"raw", `{"args": ["{\"$bytes\": \"AAAA\"}"]}`, `{"ok":{"$dict":[["$bytes","AAAA"]]}}`},
	{"raw", `{"args": ["{\"a\": [1, 2.5, \"x\", null, true]}"]}`, `{"ok":{"a":[1,2.5,"x",null,true]}}`},
	{"raw", `{"args": ["17"]}`, `x.raw: `},
	{"raw", `{"args": [1]}`, `"type":"TypeError"`},
	{"raw", `{"args": []}`, `"type":"TypeError"`},
	{"raw", `{"args": ["1"], "kwargs": {"more": 2}}`, `"type":"TypeError"`},
	{"world", `{}`, `{"ok":0}`},
	{"count", `{}`, `{"ok":1}`},
}

func hostileFunctions() []string {
	var names []string
	for _, m := range misdeeds {
		if !slices.Contains(names, m.function) {
			names = append(names, m.function)
		}
	}
	return append(names, "grow", "random")
}

// Whatever a plugin does, its call is all that it hurts: the next call of each function answers as if nothing had been.
func TestHostilePlugin(t *testing.T) {
	endless := []string{"bomb_small_blocks", "bomb_variables", "log_always"} // they use hardly any fuel
	for _, test := range []struct {
		stateful, endless bool
		time              string
	}{{false, false, "50s"}, {true, false, "50s"}, {false, true, "100ms"}, {true, true, "100ms"}} {
		names, stateful := hostileFunctions(), test.stateful
		c := toolConfig(t, "hostile", fmt.Sprintf("stateful = %v\nlimits = { fuel = 60_000_000, memory = \"8MiB\", wall_time = %q }\n[limits]\nwall_time = \"60s\"\n", stateful, test.time), names...)
		log := &memoryLog{}
		c.Audit = log
		b := openTools(t, c, names...)
		s := session(t, b.Host)
		for range 2 {
			for _, m := range misdeeds {
				if stateful && m.function == "count" || slices.Contains(endless, m.function) != test.endless {
					continue
				}
				got := b.call(t, s, m.function, m.request)
				if !strings.Contains(got, m.want) {
					t.Errorf("stateful %v: %s%.60s: %.400s\nwant %s", stateful, m.function, m.request, got, m.want)
				}
				if strings.Contains(got, ".go:") || strings.Contains(got, "goroutine") || strings.Contains(got, "\\n\\t") {
					t.Errorf("%s: the answer shows the host's insides: %s", m.function, got)
				}
				if strings.HasPrefix(got, `{"error"`) && !strings.Contains(got, `"type":"TypeError"`) && (!strings.Contains(got, `"type":"x.Error"`) || !strings.Contains(got, "x."+m.function)) {
					t.Errorf("%s: the error does not name the tool: %s", m.function, got)
				}
			}
		}
		if r := exec(t, s, "value 1"); !r.OK {
			t.Errorf("the session: %+v", r.Error)
		}
		for _, r := range log.all() {
			if r.Kind == audit.Outcome && r.Error == "" && r.Result == nil && r.Answer == nil {
				t.Errorf("call %d of %s has no outcome", r.Call, r.Capability)
			}
		}
	}
}

func TestPluginState(t *testing.T) {
	names := []string{"count", "fail", "trap", "grow", "random"}
	for _, test := range []struct {
		stateful bool
		steps    []string // function, answer
	}{
		{false, []string{"count", `{"ok":1}`, "count", `{"ok":1}`, "grow", `{"ok":2}`, "grow", `{"ok":2}`, "count", `{"ok":1}`}},
		{true, []string{"count", `{"ok":1}`, "count", `{"ok":2}`, "fail", "no such thing", "grow", `{"ok":2}`, "count", `{"ok":3}`, "trap", "unreachable", "count", `{"ok":1}`}},
	} {
		b := openTools(t, toolConfig(t, "hostile", fmt.Sprintf("stateful = %v\n", test.stateful), names...), names...)
		first, second := session(t, b.Host), session(t, b.Host)
		for i := 0; i < len(test.steps); i += 2 {
			if got := b.call(t, first, test.steps[i], "{}"); !strings.Contains(got, test.steps[i+1]) {
				t.Errorf("stateful %v: step %d, %s: %s, want %s", test.stateful, i/2, test.steps[i], got, test.steps[i+1])
			}
		}
		if got := b.call(t, second, "count", "{}"); got != `{"ok":1}` {
			t.Errorf("stateful %v: another session: %s", test.stateful, got)
		}
		b.call(t, first, "count", "{}")
		if err := first.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := b.call(t, first, "count", "{}"); got != `{"ok":1}` {
			t.Errorf("stateful %v: after a reset: %s", test.stateful, got)
		}
		err := first.Checkpoint()
		if (err != nil) != test.stateful || err != nil && !errors.Is(err, host.ErrToolState) {
			t.Errorf("stateful %v: checkpoint: %v", test.stateful, err)
		}
		if one, other := b.call(t, first, "random", "{}"), b.call(t, second, "random", "{}"); one != other {
			t.Errorf("stateful %v: entropy differs: %s, %s", test.stateful, one, other)
		}
	}
}

// A start function and a constructor run once, under the tool's limits; tables that cannot be put back are made anew.
func TestPluginStarts(t *testing.T) {
	b := openTools(t, toolConfig(t, "initialised", "", "state"), "state")
	s := session(t, b.Host)
	for range 3 {
		if got := b.call(t, s, "state", "{}"); got != `{"ok":4}` {
			t.Errorf("state: %s", got)
		}
	}
	for module, want := range map[string]string{
		"startloop":   "the plugin does not start: tool.x.limits.fuel exceeded: 50000 of 50000",
		"initialtrap": "the plugin does not start: the plugin stopped: wasm error: unreachable",
	} {
		var logged lines
		c := toolConfig(t, module, "limits.fuel = 50_000\n", "quiet")
		c.Logger = logger(&logged)
		var b *toolbox
		soon(t, func() { b = openTools(t, c, "quiet") })
		s := session(t, b.Host)
		if got := b.call(t, s, "quiet", "{}"); !strings.Contains(got, want) || !strings.Contains(got, `"type":"x.Error"`) {
			t.Errorf("%s: %s", module, got)
		}
		if r := exec(t, s, "value 1"); !r.OK || !strings.Contains(logged.String(), "a plugin does not start") {
			t.Errorf("%s: %+v, logged %s", module, r.Error, logged.String())
		}
	}
}

// What a plugin calls goes through the gate under the grants of its own table, and is in the log as the tool's.
func TestPluginCalls(t *testing.T) {
	names := []string{"ask", "twice", "often", "forged"}
	c := toolConfig(t, "calls", "grant.math = { functions = [\"sqrt\"], calls = 4, when = 'args.x < 100.0' }\nlimits.host_calls = 3\n", names...)
	log := &memoryLog{}
	c.Audit = log
	b := openTools(t, c, names...)
	s := session(t, b.Host)
	for _, step := range []struct{ function, request, want string }{
		{"ask", `{"args": ["{\"args\": [16]}"]}`, `{"ok":{"ok":4.0}}`},
		{"ask", `{"args": ["{\"args\": [160]}"]}`, `math.sqrt is denied by policy \"p/x\": the condition does not hold`},
		{"ask", `{"args": ["nonsense"]}`, `the request is malformed`},
		{"twice", `{"args": ["{\"args\": [9]}"]}`, `{"ok":{"ok":3.0}}`},
		{"forged", `{}`, `x.forged`},
		{"often", `{"args": ["{\"args\": [9]}"]}`, `tool.x.limits.`},
		{"ask", `{"args": ["{\"args\": [16]}"]}`, `the session has made all of its 4 calls`},
	} {
		if got := b.call(t, s, step.function, step.request); !strings.Contains(got, step.want) {
			t.Errorf("%s: %s\nwant %s", step.function, got, step.want)
		}
	}
	var within []string
	for _, r := range log.all() {
		if r.Within > 0 && len(within) < 5 {
			within = append(within, fmt.Sprintf("%s %s %d.%d.%d %s %s", r.Kind, r.Tool, r.Exec, r.Within, r.Call, r.Capability, r.Rule))
		}
	}
	want := []string{
		"decision x 1.1.1 math.sqrt tool.x.grant.math", "outcome x 1.1.1 math.sqrt ",
		"decision x 2.1.1 math.sqrt tool.x.grant.math", "decision x 3.1.1 math.sqrt tool.x.grant.math", "decision x 4.1.1 math.sqrt tool.x.grant.math",
	}
	if !slices.Equal(within, want) {
		t.Errorf("records %q, want %q", within, want)
	}
	opened := log.all()[0]
	if len(opened.Tools) != 1 || opened.Tools[0].Name != "x" || !strings.HasPrefix(opened.Tools[0].Plugin, "sha256:") || opened.Tools[0].Schema == "" {
		t.Errorf("tools %+v", opened.Tools)
	}
}

func TestPluginsThatCannotBeUsed(t *testing.T) {
	for _, test := range []struct{ name, module, more, function, want string }{
		{"wants what is not granted", "calls", "", "ask", `x.wasm imports math.sqrt, which it is not granted (add [tool.x.grant.math] with functions = ["sqrt"])`},
		{"wants more than is granted", "calls", "grant.math.functions = [\"floor\"]\n", "ask", `(add "sqrt" to functions of [tool.x.grant.math])`},
		{"does not have what it describes", "hostile", "", "missing", `describes a function "missing" and does not export it`},
		{"describes what is no function", "hostile", "", "memory", `describes a function "memory" and does not export it`},
		{"lacks a function that the policy names", "hostile", "functions = [\"quiet\", \"quite\"]\n", "quiet", `p.toml:7:23: tool "x": the plugin cannot be used: it has no function "quite", only quiet`},
		{"has no room", "hostile", "limits.memory = \"1MiB\"\n", "quiet", ""},
	} {
		h, err := host.New(t.Context(), toolConfig(t, test.module, test.more, test.function))
		if err == nil {
			h.Close()
		}
		if (err == nil) != (test.want == "") || err != nil && (!strings.Contains(err.Error(), test.want) || !strings.Contains(err.Error(), `tool "x"`)) {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
		var mistakes policies.Errors
		if err != nil && (!errors.Is(err, host.ErrPlugin) || !errors.As(err, &mistakes) || len(mistakes) != 1) {
			t.Errorf("%s: %#v is not ErrPlugin with one mistake of the policy", test.name, err)
		}
	}
	c := toolConfig(t, "hostile", "", "quiet")
	c.Plugins = func(string) ([]byte, error) { return []byte("another"), nil }
	if _, err := host.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "the policy wants sha256:") {
		t.Errorf("another module: %v", err)
	}
}

// A plugin's functions may be called as functions of Extism's kernel and of a guest are.
func TestPluginWithOthersNames(t *testing.T) {
	names := []string{"configure", "exec", "length", "reset"}
	b := openTools(t, toolConfig(t, "names", "", names...), names...)
	s := session(t, b.Host)
	for name, want := range map[string]string{"reset": `{"ok":1}`, "length": `{"ok":2}`, "exec": `{"ok":3}`, "configure": `{"ok":4}`} {
		if got := b.call(t, s, name, "{}"); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// What a plugin puts into its tables when it starts is there in each instance of it, also when it comes out of the cache.
func TestPluginStartsWithTables(t *testing.T) {
	cache := t.TempDir()
	for _, test := range []struct {
		stateful bool
		want     []string
	}{{false, []string{"7", "7", "7"}}, {false, []string{"7", "7"}}, {true, []string{"7", "9", "9"}}} {
		c := toolConfig(t, "tables", fmt.Sprintf("stateful = %v\n", test.stateful), "count")
		c.Cache = cache
		b := openTools(t, c, "count")
		s := session(t, b.Host)
		for i, want := range test.want {
			if got := b.call(t, s, "count", "{}"); got != `{"ok":`+want+`}` {
				t.Errorf("stateful %v: call %d: %s, want %s", test.stateful, i, got, want)
			}
		}
	}
}

// What a plugin became under one policy's limits is not what it is under another's.
func TestPluginOfOtherLimitsInTheCache(t *testing.T) {
	for _, order := range [][]string{{"64MiB", "1MiB", "64MiB"}, {"1MiB", "64MiB", "1MiB"}} {
		cache := t.TempDir()
		for _, memory := range order {
			c := toolConfig(t, "grows", fmt.Sprintf("limits.memory = %q\n", memory), "count")
			c.Cache = cache
			b := openTools(t, c, "count")
			want := map[string]string{"1MiB": `{"ok":0}`, "64MiB": `{"ok":1}`}[memory]
			if got := b.call(t, session(t, b.Host), "count", "{}"); got != want {
				t.Errorf("%v: %s: %s, want %s", order, memory, got, want)
			}
		}
	}
}

// straightModule is a plugin with a function count, which for ever calls one that takes so many square roots in a row.
func straightModule(roots int) []byte {
	part := func(id byte, contents []byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(contents))), contents...)
	}
	body := func(code []byte) []byte {
		code = append([]byte{0}, code...) // no locals
		return append(binary.AppendUvarint(nil, uint64(len(code))), code...)
	}
	straight := append(append([]byte{0x20, 0}, bytes.Repeat([]byte{0x9f}, roots)...), 0x0b)
	loop := []byte{0x03, 0x40, 0x44, 0, 0, 0, 0, 0, 0, 4, 0x40, 0x10, 0, 0x1a, 0x0c, 0, 0x0b, 0x41, 0, 0x0b}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		part(1, []byte{2, 0x60, 1, 0x7c, 1, 0x7c, 0x60, 0, 1, 0x7f}),
		part(3, []byte{2, 0, 1}), part(5, []byte{1, 0, 1}), part(7, append([]byte{1, 5}, "count\x00\x01"...)),
		part(10, append([]byte{2}, slices.Concat(body(straight), body(loop))...)))
}

// Code without a loop takes no fuel however long it is, and a plugin's author can make it long.
func TestPluginOfMuchStraightCodeIsStopped(t *testing.T) {
	b := openTools(t, moduleConfig(t, straightModule(1_000_000), "limits.wall_time = \"50ms\"\n", "count"), "count")
	if got := b.call(t, session(t, b.Host), "count", "{}"); !strings.Contains(got, "tool.x.limits.wall_time exceeded") {
		t.Errorf("%s", got)
	}
}

// The time of the run is that of its tools too, and the caller can end it.
func TestPluginIsStoppedWithTheRun(t *testing.T) {
	names := []string{"loop", "count"}
	c := toolConfig(t, "hostile", "limits = { fuel = 1_000_000_000_000, wall_time = \"1h\" }\n[limits]\nwall_time = \"100ms\"\n", names...)
	b := openTools(t, c, names...)
	s := session(t, b.Host)
	soon(t, func() {
		if r := exec(t, s, hostcall(slices.Index(b.functions, "loop"), "{}")); r.Error == nil || r.Error.Limit != "wall_time" {
			t.Errorf("the run: %+v", r.Error)
		}
	})
	other := session(t, b.Host)
	ctx, cancel := context.WithCancel(t.Context())
	soon(t, func() {
		cancel()
		if _, err := other.Exec(ctx, hostcall(slices.Index(b.functions, "loop"), "{}"), host.ExecOptions{}); err == nil {
			t.Error("no error")
		}
	})
	if got := b.call(t, session(t, b.Host), "count", "{}"); got != `{"ok":1}` {
		t.Errorf("another session: %s", got)
	}
}

// slowToCompile is a plugin whose one function takes wazero seconds to compile: many branches over many variables.
func slowToCompile() []byte {
	body := []byte{1, 50, 0x7f} // 50 locals of type i32
	for range 6000 {
		body = append(body, 0x20, 0, 0x04, 0x40, 0x20, 1, 0x21, 2, 0x0b) // if (local 0) { local 2 = local 1 }
	}
	body = append(body, 0x41, 0, 0x0b)
	section := func(id byte, contents ...byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(contents))), contents...)
	}
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"), section(1, 1, 0x60, 0, 1, 0x7f), section(3, 1, 0), section(5, 1, 0, 1),
		section(7, append([]byte{1, 5}, "quiet\x00\x00"...)...), section(10, append(binary.AppendUvarint([]byte{1}, uint64(len(body))), body...)...))
}

// A plugin that is slow to compile does not keep the host from ending when its caller wants it to.
func TestPluginThatIsSlowToCompile(t *testing.T) {
	c := toolConfig(t, "hostile", "", "quiet")
	slow := slowToCompile()
	c.Policy = toolPolicy(t, slow, "")
	schema := c.Plugins
	c.Plugins = func(path string) ([]byte, error) {
		if path == "x.wasm" {
			return slow, nil
		}
		return schema(path)
	}
	for _, cached := range []bool{false, true} {
		if cached {
			c.Cache = t.TempDir()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		soon(t, func() {
			h, err := host.New(ctx, c)
			if err == nil {
				h.Close()
				t.Skip("this machine compiles it at once")
			}
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("cached %v: %v", cached, err)
			}
		})
		cancel()
	}
}
