package toy_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/fstest"

	extism "github.com/extism/go-sdk"
	"github.com/tetratelabs/wazero"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

// session is one instance of the toy, linked for two functions: a_echo answers with what it got, b_zero with nothing.
type session struct {
	t      *testing.T
	plugin *extism.Plugin
}

func start(t *testing.T) session {
	t.Helper()
	wasm, err := link.Link(toy.Wasm(), link.Options{Functions: []string{"b_zero", "a_echo"}})
	if err != nil {
		t.Fatal(err)
	}
	echo := extism.NewHostFunctionWithStack("a_echo", func(_ context.Context, p *extism.CurrentPlugin, stack []uint64) {
		request, err := p.ReadBytes(stack[0])
		if err != nil {
			t.Error(err)
		}
		stack[0], err = p.WriteBytes(request)
		if err != nil {
			t.Error(err)
		}
	}, []extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
	zero := extism.NewHostFunctionWithStack("b_zero", func(_ context.Context, _ *extism.CurrentPlugin, stack []uint64) {
		stack[0] = 0
	}, []extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
	files := fstest.MapFS{"hello.txt": &fstest.MapFile{Data: []byte("hello \"file\"\n")}}
	plugin, err := extism.NewPlugin(t.Context(), extism.Manifest{Wasm: []extism.Wasm{extism.WasmData{Data: wasm}}},
		extism.PluginConfig{
			EnableWasi:   true,
			ModuleConfig: wazero.NewModuleConfig().WithFS(files),
		}, []extism.HostFunction{echo, zero})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { plugin.Close(context.Background()) })
	return session{t, plugin}
}

type result struct {
	OK            bool
	Value         any
	Repr          *string
	IsFinalAnswer bool `json:"is_final_answer"`
	Stdout        string
	Error         *struct {
		Type, Message string
		Line          int
	}
}

func (s session) call(export, input string) (int, string, error) {
	code, output, err := s.plugin.Call(export, []byte(input))
	return int(code), string(output), err
}

func (s session) exec(code string) result {
	s.t.Helper()
	request, _ := json.Marshal(map[string]string{"code": code})
	status, output, err := s.call("exec", string(request))
	if err != nil || status != 0 {
		s.t.Fatalf("exec %q: %d, %v", code, status, err)
	}
	var r result
	if err := json.Unmarshal([]byte(output), &r); err != nil {
		s.t.Fatalf("exec %q gave %q: %v", code, output, err)
	}
	return r
}

func TestValues(t *testing.T) {
	for _, test := range []struct {
		code string
		want any
	}{
		{"", nil},
		{"# a comment", nil},
		{"value [1, \"two\"]", []any{1.0, "two"}},
		{"value 1\n\nvalue 2", 2.0},
		{"hostcall 0 {\"args\": [1]}", `{"args": [1]}`},
		{"hostcall 0 exactly8", "exactly8"},
		{"grow 2", 23.0},
		{"random 10", "afcd1d7b39a820e2f465"},
		{"clock", 1735689600000000000.0},
		{"sleep 5", 1.0},
		{"read hello.txt", "hello \"file\"\n"},
		{"write out", 3.0},
		{"spin 10\nvalue true", true},
	} {
		r := start(t).exec(test.code)
		got, _ := json.Marshal(r.Value)
		want, _ := json.Marshal(test.want)
		if !r.OK || string(got) != string(want) {
			t.Errorf("%q: value %s, want %s (error %v)", test.code, got, want, r.Error)
		}
		if (r.Repr == nil) != (test.want == nil) {
			t.Errorf("%q: repr %v", test.code, r.Repr)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct {
		code, kind, message string
		line                int
	}{
		{"value 1\nraise ValueError no \"good\"", "ValueError", `no "good"`, 2},
		{"get x", "NameError", "x", 1},
		{"grow 65536", "MemoryError", "", 1},
		{"read none.txt", "OSError", "errno 44", 1},
		{"hostcall 1 {}", "RuntimeError", "the host gave no answer", 1},
		{"dance", "SyntaxError", "dance", 1},
	} {
		r := start(t).exec(test.code)
		if r.OK || r.Error == nil || r.Error.Type != test.kind || r.Error.Message != test.message || r.Error.Line != test.line {
			t.Errorf("%q: %+v", test.code, r.Error)
		}
		if r.Value != nil {
			t.Errorf("%q: value %v with an error", test.code, r.Value)
		}
	}
}

func TestPrintAndFinal(t *testing.T) {
	r := start(t).exec("print a\tb\nprint \u00e9\nfinal 7\nvalue 8")
	if r.Stdout != "a\tb\n\u00e9\n" || !r.IsFinalAnswer || r.Value != 7.0 {
		t.Errorf("%+v", r)
	}
}

func TestStateLasts(t *testing.T) {
	s := start(t)
	for _, variables := range []string{`{"a": {"b": [1, "}"]}, "c": 2}`, `{}`, `{"c": "three"}`} {
		if status, output, err := s.call("set", `{"variables": `+variables+`}`); status != 0 || err != nil || !strings.Contains(output, `"ok": true`) {
			t.Fatalf("set %s: %d %s %v", variables, status, output, err)
		}
	}
	got, _ := json.Marshal(s.exec("get a").Value)
	if want := `{"b":[1,"}"]}`; string(got) != want {
		t.Errorf("a is %s, want %s", got, want)
	}
	if got := s.exec("get c").Value; got != "three" {
		t.Errorf("c is %v", got)
	}
}

func TestConfigureAndCall(t *testing.T) {
	s := start(t)
	if status, output, err := s.call("configure", `{"policy": "p"}`); status != 0 || err != nil || output != `{"ok": true, "abi": 1, "python": "toy"}` {
		t.Errorf("configure: %d %s %v", status, output, err)
	}
	if got, _ := json.Marshal(s.exec("config").Value); string(got) != `{"policy":"p"}` {
		t.Errorf("config: %s", got)
	}
	_, output, err := s.call("call", `{"function": "f", "args": [1], "kwargs": {"k": 2}}`)
	if err != nil || !strings.Contains(output, `"value": ["f", [1], {"k": 2}]`) {
		t.Errorf("call: %s %v", output, err)
	}
}

func TestMisbehaviour(t *testing.T) {
	for _, test := range []struct {
		code    string
		status  int
		output  string
		message string // part of the error; empty: none
	}{
		{"badjson", 0, `{"ok": tru`, ""},
		{"raw anything", 0, "anything", ""},
		{"error no", 1, "", "no"},
		{"return 3", 3, "", ""},
		{"trap", 0, "", "unreachable"},
		{"exit 0", 0, "", "unreachable"},
		{"recurse", 0, "", "out of bounds"}, // the C stack is below everything else
		{"hostcall 2 {}", 0, "", "unreachable"},
	} {
		s := start(t)
		request, _ := json.Marshal(map[string]string{"code": test.code})
		status, output, err := s.call("exec", string(request))
		if test.message == "" {
			if err != nil || status != test.status || output != test.output {
				t.Errorf("%q: %d %q %v", test.code, status, output, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), test.message) {
			t.Errorf("%q: error %v, want %q", test.code, err, test.message)
		}
	}
}

func TestRequestsThatAreRefused(t *testing.T) {
	s := start(t)
	for export, input := range map[string]string{"exec": `{"code": 1}`, "set": `{"variables": []}`, "call": `[]`} {
		if status, _, err := s.call(export, input); status != 1 || err == nil || !strings.HasPrefix(err.Error(), "toy: "+export) {
			t.Errorf("%s %s: %d %v", export, input, status, err)
		}
	}
}

func TestWasmIsACopy(t *testing.T) {
	toy.Wasm()[0] = 1
	if toy.Wasm()[0] != 0 {
		t.Error("a caller changed the embedded module")
	}
}
