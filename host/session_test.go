package host_test

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

func TestLifeCycle(t *testing.T) {
	h := open(t, config(t))
	s := session(t, h)

	r := exec(t, s, "print hello\nvalue [1, 2]")
	if !r.OK || string(r.Value) != "[1, 2]" || r.Repr == nil || r.Stdout != "hello\n" || r.Error != nil {
		t.Errorf("result %+v", r)
	}
	if r.Usage.Fuel <= 0 || r.Usage.MemoryBytes < 1<<16 || r.Usage.HostCalls != 0 || r.Usage.WallMS <= 0 {
		t.Errorf("usage %+v", r.Usage)
	}

	if r, err := s.Set(t.Context(), map[string]any{"x": []any{int64(1), "é"}}); err != nil || !r.OK {
		t.Fatalf("set: %+v, %v", r, err)
	}
	if r := exec(t, s, "get x"); string(r.Value) != `[1,"é"]` {
		t.Errorf("x is %s", r.Value)
	}

	r, err := s.Call(t.Context(), "f", []any{1}, map[string]any{"k": 2.5}, host.CallOptions{})
	if err != nil || string(r.Value) != `["f", [1], {"k":2.5}]` {
		t.Errorf("call: %+v, %v", r, err)
	}

	r = exec(t, s, "raise ValueError no good")
	if r.OK || r.Error == nil || r.Error.Type != "ValueError" || r.Error.Message != "no good" || r.Error.Line == nil || *r.Error.Line != 1 {
		t.Errorf("raise: %+v", r.Error)
	}
	if r := exec(t, s, "final 7"); !r.IsFinalAnswer {
		t.Error("not a final answer")
	}
	if s.Lost() {
		t.Error("lost")
	}

	for range 2 {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := s.Exec(t.Context(), "value 1", host.ExecOptions{}); !errors.Is(err, host.ErrClosed) {
		t.Errorf("exec after close: %v", err)
	}
}

func TestHostCloseClosesSessions(t *testing.T) {
	h := open(t, config(t))
	s := session(t, h)
	for range 2 {
		if err := h.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	if _, err := s.Exec(t.Context(), "value 1", host.ExecOptions{}); !errors.Is(err, host.ErrClosed) {
		t.Errorf("exec: %v", err)
	}
	if _, err := h.NewSession(t.Context()); !errors.Is(err, host.ErrClosed) {
		t.Errorf("new session: %v", err)
	}
}

func TestHostCloseStopsWhatRuns(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	h := open(t, c)
	s := session(t, h)
	running := make(chan error)
	go func() {
		_, err := s.Exec(context.Background(), hostcall(tWait, `{}`)+"\nloop", host.ExecOptions{})
		running <- err
	}()
	log.await(t, audit.Decision)
	go h.Close()
	soon(t, func() {
		if err := <-running; !errors.Is(err, host.ErrClosed) {
			t.Errorf("exec: %v", err)
		}
	})
}

func TestResultJSON(t *testing.T) {
	h := open(t, config(t))
	r := exec(t, session(t, h), "value 1\nraise ValueError no")
	r.Usage = host.Usage{Fuel: 1, WallMS: 2.5, MemoryBytes: 3, HostCalls: 4}
	r.ID, r.Guest = "a", "sha256:g"
	got, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"id":"a","ok":false,"value":null,"repr":null,"is_final_answer":false,"stdout":"","stderr":"",` +
		`"error":{"type":"ValueError","message":"no","traceback":` + string(mustJSON(t, r.Error.Traceback)) + `,"line":2},` +
		`"usage":{"fuel":1,"wall_ms":2.5,"memory_bytes":3,"host_calls":4},"policy":"` + policy().Digest + `","guest":"sha256:g"}`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDecodedValue(t *testing.T) {
	h := open(t, config(t))
	v, err := exec(t, session(t, h), `value {"$tuple": [1, {"$bytes": "YQ=="}]}`).Decode()
	if err != nil {
		t.Fatal(err)
	}
	if got := format(v); got != "(1, b'a')" {
		t.Errorf("value %s", got)
	}
}

func TestConfiguration(t *testing.T) {
	c := config(t)
	c.Policy.Python.Imports = []string{"re"}
	c.Policy.Python.HashSeed = 7
	h := open(t, c)
	got := string(exec(t, session(t, h), "config").Value)
	for _, want := range []string{
		`"policy":"test"`, `"policy_path":"policy.toml"`, `"hash_seed":7`, `"imports":["re"]`,
		`"limits":{"output":65536,"result":1048576,"recursion":1000}`, `"withheld":["withheld"]`, `"exceptions":{"Bad":"ValueError"}`,
		`{"name":"echo","index":1,"signature":"(*args, **kwargs)","doc":"echo"}`, `"inf":{"$float":"inf"}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("configuration lacks %s:\n%s", want, got)
		}
	}
}

func TestFiles(t *testing.T) {
	c := config(t)
	c.Policy.Python.Imports = []string{"re"}
	var asked []string
	c.Guest.Files = func(imports []string) (fs.FS, error) {
		asked = imports
		return fstest.MapFS{"re.py": {Data: []byte("pass")}}, nil
	}
	s := session(t, open(t, c))
	if len(asked) != 1 || asked[0] != "re" {
		t.Errorf("asked for %q", asked)
	}
	if r := exec(t, s, "read re.py"); string(r.Value) != `"pass"` {
		t.Errorf("read %s", r.Value)
	}
	if r := exec(t, s, "read ../etc/passwd"); r.OK {
		t.Errorf("read %s", r.Value)
	}
}

func TestSessionsAreDeterministic(t *testing.T) {
	h := open(t, config(t))
	const code = "random 16\nclock\nspin 1000"
	first := exec(t, session(t, h), code)
	again := exec(t, session(t, h), code)
	if string(first.Value) != string(again.Value) || first.Usage.Fuel != again.Usage.Fuel {
		t.Errorf("%s for %d, then %s for %d", first.Value, first.Usage.Fuel, again.Value, again.Usage.Fuel)
	}
}

func TestInputIsBounded(t *testing.T) {
	h := open(t, config(t))
	s := session(t, h)
	huge := strings.Repeat("#", 17<<20)
	if _, err := s.Exec(t.Context(), huge, host.ExecOptions{}); !errors.Is(err, host.ErrTooLarge) {
		t.Errorf("exec: %v", err)
	}
	if _, err := s.Set(t.Context(), map[string]any{"x": huge}); !errors.Is(err, host.ErrTooLarge) {
		t.Errorf("set: %v", err)
	}
	if _, err := s.Call(t.Context(), "f", []any{huge}, nil, host.CallOptions{}); !errors.Is(err, host.ErrTooLarge) {
		t.Errorf("call: %v", err)
	}
	if _, err := s.Exec(t.Context(), "\xff", host.ExecOptions{}); err == nil {
		t.Error("took code that is not UTF-8")
	}
	if r := exec(t, s, "value 1"); !r.OK {
		t.Errorf("afterwards: %+v", r.Error)
	}
}

func TestTwoAtOnce(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	s := session(t, open(t, c))
	ctx, cancel := context.WithCancel(t.Context())
	first := make(chan error)
	go func() {
		_, err := s.Exec(ctx, hostcall(tWait, `{}`), host.ExecOptions{})
		first <- err
	}()
	log.await(t, audit.Decision)
	if _, err := s.Exec(t.Context(), "value 1", host.ExecOptions{}); !errors.Is(err, host.ErrBusy) {
		t.Errorf("second: %v", err)
	}
	if err := s.Close(); !errors.Is(err, host.ErrBusy) {
		t.Errorf("close: %v", err)
	}
	cancel()
	if err := <-first; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("first: %v", err)
	}
}

func TestGuestWithoutModule(t *testing.T) {
	files := func([]string) (fs.FS, error) { return fstest.MapFS{}, nil }
	if _, err := host.New(t.Context(), host.Config{Guest: host.Guest{Files: files}}); err == nil || !strings.HasPrefix(err.Error(), "host: ") {
		t.Errorf("error %v", err)
	}
}
