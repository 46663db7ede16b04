package host_test

import (
	_ "embed"
	"errors"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

func TestGuestThatMisbehaves(t *testing.T) {
	h := open(t, config(t))
	const proper = `{"ok":true,"value":1,"repr":"1","is_final_answer":false,"stdout":"","stderr":"","error":null,"withheld":[]}`
	failed := func(e string) string {
		return `raw {"ok":false,"value":null,"repr":null,"is_final_answer":false,"stdout":"","stderr":"","error":` + e + `,"withheld":[]}`
	}
	if r := exec(t, session(t, h), "raw "+proper); !r.OK {
		t.Fatalf("the proper result: %+v", r.Error)
	}
	for _, code := range []string{
		"trap", "exit 0", "exit 3", "recurse", "badjson", "error no", "return 3", "hostcall 99 {}",
		"output-len 0 0", "output-len 0 4294967295", "output-len 4294967295 4294967295", "output-len 18446744073709551615 18446744073709551615",
		"output-len 65 1000", "return 0",
		"raw", "raw null", "raw []", "raw 1", "raw " + proper + proper, "raw " + proper + " x",
		"raw " + strings.Replace(proper, `"ok":true`, `"ok":false`, 1),
		"raw " + strings.Replace(proper, `"ok":true`, `"ok":1`, 1),
		"raw " + strings.Replace(proper, `"ok":true`, `"OK":true`, 1),
		"raw " + strings.Replace(proper, `"ok":true`, `"ok":true,"ok":true`, 1),
		"raw " + strings.Replace(proper, `"ok":true`, `"ok":true,"usage":{}`, 1),
		"raw " + strings.Replace(proper, `,"withheld":[]`, "", 1),
		"raw " + strings.Replace(proper, `"value":1`, `"value":{"$int":1}`, 1),
		"raw " + strings.Replace(proper, `"value":1`, `"value":`+strings.Repeat("[", 300)+strings.Repeat("]", 300), 1),
		failed(`{}`), failed(`"E"`),
		failed(`{"type":"E","message":"","traceback":"","line":1.5,"denied":false,"limit":null}`),
		failed(`{"type":"E","message":"","traceback":"","line":null,"denied":false,"limit":"fuel"}`),
	} {
		s := session(t, h)
		var r *host.Result
		soon(t, func() { r = exec(t, s, code) })
		if r.OK || r.Error == nil || r.Error.Type != host.GuestCrashed {
			t.Errorf("%.80s: %+v %s", code, r.Error, r.Value)
			continue
		}
		if strings.Contains(r.Error.Message, "\n") || strings.Contains(r.Error.Message, ".go") {
			t.Errorf("%.80s: message %q", code, r.Error.Message)
		}
		if !r.Restored || s.Lost() || !exec(t, s, "value 1").OK {
			t.Errorf("%.80s: restored %v, lost %v", code, r.Restored, s.Lost())
		}
	}
	if r := exec(t, session(t, h), "value 1"); !r.OK {
		t.Errorf("another session: %+v", r.Error)
	}
}

//go:embed testdata/forger.wasm
var forger []byte

// The forger's tricks are in testdata/forger.wat. Each would make Extism's kernel walk for ever, or worse.
func TestGuestThatForgesBlocks(t *testing.T) {
	c := config(t)
	c.Policy.Grants[0].Functions = []string{"echo"}
	c.Policy.Limits.Memory = 1 << 30
	c.Guest.Wasm = func() ([]byte, error) { return forger, nil }
	h := open(t, c)
	if r := exec(t, session(t, h), "x"); !r.OK {
		t.Fatalf("without tricks: %+v", r.Error)
	}
	for trick, name := range map[string]string{
		"a": "alloc", "f": "free", "l": "length", "h": "host call", "o": "output", "m": "memory", "w": "blocks",
	} {
		s := session(t, h)
		soon(t, func() {
			if r := exec(t, s, trick); r.OK || r.Error.Type != host.GuestCrashed || !r.Restored {
				t.Errorf("%s: %+v", name, r.Error)
			}
		})
	}
	for trick, name := range map[string]string{"p": "position", "b": "block"} {
		s := session(t, h)
		soon(t, func() {
			exec(t, s, trick)
			if s.Lost() {
				return // found out at once
			}
			r, err := s.Exec(t.Context(), "x", host.ExecOptions{})
			if err != nil {
				t.Errorf("%s, the next exec: %v", name, err)
			} else if r.OK {
				return // reset has mended it
			} else if r.Error.Type != host.GuestCrashed {
				t.Errorf("%s, the next exec: %+v", name, r.Error)
			}
		})
	}
}

// A walk over many blocks takes hardly any fuel and much time. The deadline holds all the same.
func TestGuestThatMakesTheKernelSlow(t *testing.T) {
	c := config(t)
	c.Policy.Grants[0].Functions = []string{"echo"}
	c.Policy.Limits.WallTime = 100 * time.Millisecond
	c.Guest.Wasm = func() ([]byte, error) { return forger, nil }
	s := session(t, open(t, c))
	soon(t, func() { wantLimit(t, exec(t, s, "k"), "wall_time") })
}

func TestWithheldIsBounded(t *testing.T) {
	h := open(t, config(t))
	entry := `{"kind":"import","name":"os"}`
	result := func(withheld string) string {
		return `raw {"ok":true,"value":1,"repr":"1","is_final_answer":false,"stdout":"","stderr":"","error":null,"withheld":[` + withheld + `]}`
	}
	if r := exec(t, session(t, h), result(strings.Repeat(entry+",", 99)+entry)); !r.OK || len(r.Withheld) != 100 {
		t.Errorf("a hundred: %+v", r.Error)
	}
	for name, withheld := range map[string]string{
		"one more": strings.Repeat(entry+",", 100) + entry, "empty": "{}", "another kind": `{"kind":"x","name":"os"}`,
		"no name": `{"kind":"call","name":""}`, "a long name": `{"kind":"call","name":"` + strings.Repeat("x", 1001) + `"}`,
	} {
		if r := exec(t, session(t, h), result(withheld)); r.Error == nil || !r.Error.FromHost || r.Error.Type != host.GuestCrashed {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestGuestsWordsStayInside(t *testing.T) {
	var logged lines
	c := config(t)
	c.Logger = logger(&logged)
	s := session(t, open(t, c))
	out := captureStdout(t, func() {
		exec(t, s, "write fatal words")
		r := exec(t, s, "write "+strings.Repeat("x", 5000)+"last words\ntrap")
		if !strings.HasSuffix(r.Error.Traceback, "last words") || len(r.Error.Traceback) > 4096 {
			t.Errorf("attached %d bytes: %.20q…", len(r.Error.Traceback), r.Error.Traceback)
		}
	})
	if out != "" {
		t.Errorf("on stdout: %q", out)
	}
	if !strings.Contains(logged.String(), "fatal words") {
		t.Error("not logged")
	}
}

func TestWASIOutputVariable(t *testing.T) {
	h := open(t, config(t))
	t.Setenv("EXTISM_ENABLE_WASI_OUTPUT", "1")
	if _, err := h.NewSession(t.Context()); err == nil || !strings.Contains(err.Error(), "EXTISM_ENABLE_WASI_OUTPUT") {
		t.Errorf("error %v", err)
	}
}

func captureStdout(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdout
	os.Stdout = file
	f()
	os.Stdout = before
	file.Close()
	content, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestManySessionsAtOnce(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	h := open(t, c)
	var wait sync.WaitGroup
	for i := range 16 {
		wait.Go(func() {
			s, err := h.NewSession(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			defer s.Close()
			name := itoa(i)
			if _, err := s.Set(t.Context(), map[string]any{"me": name}); err != nil {
				t.Error(err)
			}
			for range 20 {
				r, err := s.Exec(t.Context(), hostcall(tEcho, `{"args": [`+name+`]}`)+"\nspin 1000\nget me", host.ExecOptions{})
				if err != nil || string(r.Value) != `"`+name+`"` {
					t.Errorf("session %d: %+v, %v", i, r, err)
				}
			}
			if i%4 == 0 {
				if r, err := s.Exec(t.Context(), "trap", host.ExecOptions{}); err != nil || r.OK {
					t.Errorf("session %d: %+v, %v", i, r, err)
				}
			}
		})
	}
	wait.Wait()
	if got, want := strings.Count(log.kinds(), string(audit.Outcome)), 16*20; got != want {
		t.Errorf("%d outcomes, want %d", got, want)
	}
}

func TestNothingLeaks(t *testing.T) {
	h := open(t, config(t))
	exec(t, session(t, h), "value 1")
	before := runtime.NumGoroutine()
	for i := range 1000 {
		s, err := h.NewSession(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		code := "value 1"
		if i%10 == 0 {
			code = "trap"
		}
		exec(t, s, code)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for start := time.Now(); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Since(start) > 5*time.Second {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestImportsMustEqualGrants(t *testing.T) {
	linked := func(functions ...string) []byte { return link(t, true, functions...) }
	grants := func(functions ...string) []policies.Grant {
		if len(functions) == 0 {
			return nil
		}
		return []policies.Grant{{Family: "t", Functions: functions}}
	}
	for _, test := range []struct {
		name   string
		linked []byte
		grants []policies.Grant
		ok     bool
	}{
		{"equal", linked("t_big", "t_echo"), grants("big", "echo"), true},
		{"none", linked(), nil, true},
		{"one more import", linked("t_big", "t_echo"), grants("big"), false},
		{"one more grant", linked("t_big"), grants("big", "echo"), false},
		{"others", linked("t_big"), grants("echo"), false},
		{"another family", linked("u_big"), grants("big"), false},
	} {
		c := config(t)
		c.Guest = host.Guest{}
		c.Linked, c.Policy.Grants = test.linked, test.grants
		h, err := host.New(t.Context(), c)
		if test.ok {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
				continue
			}
			if r := exec(t, session(t, h), "value 1"); !r.OK {
				t.Errorf("%s: %+v", test.name, r.Error)
			}
			h.Close()
		} else if !errors.Is(err, host.ErrImports) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

func TestUnmeteredModule(t *testing.T) {
	c := config(t)
	c.Policy.Grants = nil
	c.Linked = link(t, false)
	if _, err := host.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "not metered") {
		t.Errorf("error %v", err)
	}
}

func TestGrantOfWhatDoesNotExist(t *testing.T) {
	c := config(t)
	c.Policy.Grants = []policies.Grant{{Family: "t", Functions: []string{"none"}}}
	if _, err := host.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), `"t.none"`) {
		t.Errorf("error %v", err)
	}
}

func TestGuestsDigestIsReported(t *testing.T) {
	c := config(t)
	c.Guest.Digest = audit.Digest([]byte("this guest and its library"))
	s := session(t, open(t, c))
	if r := exec(t, s, "value 1"); r.Guest != c.Guest.Digest {
		t.Errorf("digest %s, want %s", r.Guest, c.Guest.Digest)
	}
}
