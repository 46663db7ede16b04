package host_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
)

// answer makes a host call and returns the answer, without its padding.
func answer(t *testing.T, s *host.Session, function int, request string) string {
	t.Helper()
	r := exec(t, s, hostcall(function, request))
	if !r.OK {
		t.Fatalf("host call: %+v", r.Error)
	}
	var text string
	if err := json.Unmarshal(r.Value, &text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(text, " ")
}

func TestAnswers(t *testing.T) {
	var logged lines
	c := config(t)
	c.Logger = logger(&logged)
	s := session(t, open(t, c))
	for _, test := range []struct {
		name     string
		function int
		request  string
		want     string
	}{
		{"values survive", tEcho, `{"args": [1, {"$tuple": [1.5]}], "kwargs": {"k": null}}   `, `{"ok":[{"$tuple":[1,{"$tuple":[1.5]}]},{"k":null}]}`},
		{"an exception", tRefuse, `{}`, `{"error":{"type":"t.Bad","message":"bad","attributes":{"pos":3}}}`},
		{"wrong arguments", tBig, `{"args": []}`, `{"error":{"type":"TypeError","message":"t.big() takes exactly one argument (0 given)"}}`},
		{"a fault", tFail, `{}`, `{"error":{"type":"RuntimeError","message":"t.fail failed in the host"}}`},
		{"a panic", tPanic, `{}`, `{"error":{"type":"RuntimeError","message":"t.panic failed in the host"}}`},
		{"no value", tHold, `{}`, `{"error":{"type":"RuntimeError","message":"t.hold failed in the host"}}`},
		{"too large", tBig, `{"args": [16777216]}`, `{"error":{"type":"RuntimeError","message":"t.big: the result is larger than 16777216 bytes"}}`},
		{"not a call", tEcho, `[]`, `{"error":{"type":"RuntimeError","message":"t.echo: the request is malformed: values: expected '{' at byte 0"}}`},
		{"not JSON", tEcho, `{"args": [`, `{"error":{"type":"RuntimeError","message":"t.echo: the request is malformed: values: expected a value at byte 16"}}`},
	} {
		if got := answer(t, s, test.function, test.request); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
	if !strings.Contains(logged.String(), "/home/ops/key") || !strings.Contains(logged.String(), "panic in a capability") {
		t.Error("the logger was not told of the faults")
	}
}

func TestForgedHandles(t *testing.T) {
	s := session(t, open(t, config(t)))
	for _, handle := range []string{"0", "1", "64", "76", "77", "78", "4294967295", "4294967296", "18446744073709551615", "1000000"} {
		r := exec(t, s, "hostcall-handle 1 "+handle)
		if r.OK && !strings.Contains(string(r.Value), "malformed") {
			t.Errorf("handle %s was taken: %s", handle, r.Value)
		}
	}
	if r := exec(t, s, "hostcall-len 1 65536"); !strings.Contains(string(r.Value), "malformed") {
		t.Errorf("bytes 0xff: %s %v", r.Value, r.Error)
	}
	if r := exec(t, s, "hostcall-len 1 16777217"); !strings.Contains(string(r.Value), "block too large") {
		t.Errorf("a block of 16 MiB and a byte: %s %v", r.Value, r.Error)
	}
	if got := answer(t, s, tEcho, `{}`); !strings.HasPrefix(got, `{"ok":`) {
		t.Errorf("afterwards: %s", got)
	}
}

func TestManyAnswersInOneExec(t *testing.T) {
	c := config(t)
	c.Policy.Limits.HostCalls = 10_000
	s := session(t, open(t, c))
	var code strings.Builder
	for i := range 400 {
		n := []string{"10", "200", "1000", "50000"}[i%4]
		code.WriteString("hostcall 0 {\"args\": [" + n + "]}\n")
	}
	if r := exec(t, s, code.String()); !r.OK || r.Usage.HostCalls != 400 {
		t.Errorf("%+v after %d calls", r.Error, r.Usage.HostCalls)
	}
}

// A policy whose functions are out of order denies what it seems to grant: the way to a denial of a call whose
// import exists.
func TestDenied(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	c.Policy.Grants[0].Functions = []string{"wait", "refuse", "panic", "hold", "fail", "echo", "big"}
	s := session(t, open(t, c))
	got := answer(t, s, tEcho, `{}`)
	if !strings.HasPrefix(got, `{"denied":{"capability":"t.echo","reason":"`) || !strings.Contains(got, `"rule":"grant.t","position":"policy.toml:12:1"`) {
		t.Errorf("answer %s", got)
	}
	if d := log.last(audit.Decision); string(d.Answer) != got {
		t.Errorf("the record has the answer %s", d.Answer)
	}
	if d := log.last(audit.Decision); *d.Allow || d.Rule != "grant.t" || d.Position != "policy.toml:12:1" || d.Reason == "" {
		t.Errorf("decision %+v", d)
	}
	if log.last(audit.Outcome) != nil {
		t.Error("a denied call has an outcome")
	}
}

func TestAuditOrder(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit, c.Labels = log, map[string]string{"tenant": "a"}
	h := open(t, c)
	s := session(t, h)
	exec(t, s, "print out\n"+hostcall(tEcho, `{"args": [1]}`)+"\n"+hostcall(tRefuse, `{}`))
	exec(t, s, "trap")
	s.Close()
	want := "session_opened exec_started decision outcome decision outcome exec_ended exec_started exec_ended session_closed"
	if got := log.kinds(); got != want {
		t.Fatalf("got  %s\nwant %s", got, want)
	}
	for i, r := range log.records {
		if r.Session != s.ID() || r.Policy != policy().Digest || !strings.HasPrefix(r.Guest, "sha256:") ||
			!strings.HasPrefix(r.Linked, "sha256:") || r.Guest == r.Linked || r.Time.IsZero() {
			t.Errorf("record %d: %+v", i, r)
		}
	}
	if r := log.records[0]; r.PolicyName != "test" || r.PolicyFile != "policy.toml" || r.Labels["tenant"] != "a" || r.Limits.Fuel != 5_000_000_000 ||
		r.Limits.WallTime != 10*time.Second || r.Versions.Postern == "" || r.Versions.Go == "" { // a test has no versions of its modules
		t.Errorf("opened: %+v", r)
	}
	if r := log.records[1]; r.Exec != 1 || r.Entry != "exec" || !strings.Contains(string(r.Input), "hostcall 1") || r.InputDigest != audit.Digest(r.Input) {
		t.Errorf("started: %+v", r)
	}
	if r := log.records[2]; r.Exec != 1 || r.Call != 1 || r.Capability != "t.echo" || !*r.Allow || string(r.Arguments) != `{"args":[1],"kwargs":{}}` {
		t.Errorf("decision: %+v", r)
	}
	if r := log.records[3]; r.Call != 1 || string(r.Result) != `[{"$tuple":[1]},{}]` || r.ResultBytes != len(r.Result) || r.ResultDigest != audit.Digest(r.Result) {
		t.Errorf("outcome: %+v", r)
	}
	if r := log.records[4]; *r.CallsLeft != 998 || r.Effects != "pure" {
		t.Errorf("second decision: %+v", r)
	}
	if r := log.records[5]; r.Call != 2 || r.Error != "t.Bad" || r.Result != nil || string(r.Answer) != `{"error":{"type":"t.Bad","message":"bad","attributes":{"pos":3}}}` {
		t.Errorf("outcome of the exception: %+v", r)
	}
	if r := log.records[6]; !*r.OK || r.Usage.HostCalls != 2 || r.Usage.Fuel <= 0 || r.StdoutDigest != audit.Digest([]byte("out\n")) || r.StderrDigest != "" ||
		!strings.HasPrefix(r.ValueDigest, "sha256:") {
		t.Errorf("ended: %+v", r)
	}
	if r := log.records[8]; r.Exec != 2 || *r.OK || r.Error != host.GuestCrashed {
		t.Errorf("ended by a trap: %+v", r)
	}
	if r := log.records[9]; !r.Lost {
		t.Errorf("closed: %+v", r)
	}
}

func TestAuditDigestsOnly(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	c.Policy.Audit.Arguments = "digest"
	exec(t, session(t, open(t, c)), hostcall(tEcho, `{"args": [1]}`))
	for _, r := range log.records {
		if r.Input != nil || r.Arguments != nil || r.Result != nil {
			t.Errorf("contents kept: %+v", r)
		}
	}
	if got := log.last(audit.Decision).ArgumentsDigest; got != audit.Digest([]byte(`{"args":[1],"kwargs":{}}`)) {
		t.Errorf("arguments' digest %s", got)
	}
}

func TestNoCallWithoutRecord(t *testing.T) {
	for _, test := range []struct {
		refuse audit.Kind
		called bool
	}{{audit.Decision, false}, {audit.Outcome, true}} {
		log := &memoryLog{refuse: map[audit.Kind]bool{test.refuse: true}}
		c := config(t)
		c.Audit = log
		s := session(t, open(t, c))
		if got := answer(t, s, tEcho, `{}`); !strings.Contains(got, "the audit log failed") {
			t.Errorf("%s refused: %s", test.refuse, got)
		}
		if called := log.last(audit.Decision) != nil; called != test.called {
			t.Errorf("%s refused: called %v", test.refuse, called)
		}
	}
}

func TestNoExecWithoutRecord(t *testing.T) {
	log := &memoryLog{refuse: map[audit.Kind]bool{audit.ExecStarted: true}}
	c := config(t)
	c.Audit = log
	s := session(t, open(t, c))
	if _, err := s.Exec(t.Context(), hostcall(tEcho, `{}`), host.ExecOptions{}); !errors.Is(err, host.ErrAudit) {
		t.Errorf("start refused: %v", err)
	}
	if log.last(audit.Decision) != nil {
		t.Error("the code ran")
	}
	log.refuse = map[audit.Kind]bool{audit.ExecEnded: true}
	if _, err := s.Exec(t.Context(), "value 1", host.ExecOptions{}); !errors.Is(err, host.ErrAudit) {
		t.Errorf("end refused: %v", err)
	}
	log.refuse = map[audit.Kind]bool{audit.SessionOpened: true}
	if _, err := session2(t, c); !errors.Is(err, host.ErrAudit) {
		t.Errorf("opening refused: %v", err)
	}
}

func session2(t *testing.T, c host.Config) (*host.Session, error) {
	return open(t, c).NewSession(t.Context())
}

func TestPolicyNamesTheLog(t *testing.T) {
	c := config(t)
	c.Audit = nil
	c.Policy.File = t.TempDir() + "/policy.toml"
	c.Policy.Audit.Log = "records"
	h := open(t, c)
	exec(t, session(t, h), "value 1")
	h.Close()
	if got := readLines(t, strings.TrimSuffix(c.Policy.File, "policy.toml")+"records/log.jsonl"); len(got) != 5 {
		t.Errorf("%d records, want 5: %q", len(got), got)
	}
}

func TestWithheldIsRecorded(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	r := exec(t, session(t, open(t, c)), `raw {"ok":true,"value":null,"repr":null,"is_final_answer":false,"stdout":"","stderr":"","error":null,"withheld":[{"kind":"import","name":"os"}]}`)
	if len(r.Withheld) != 1 || r.Withheld[0].Name != "os" {
		t.Errorf("withheld %+v", r.Withheld)
	}
	if w := log.last(audit.Withheld); w == nil || w.Withheld != "import os" {
		t.Errorf("record %+v", w)
	}
}

// Code chooses what is in an exception, and what is wrong with the arguments of a call.
func TestWordsInRecordsAreBounded(t *testing.T) {
	log := new(memoryLog)
	c := config(t)
	c.Audit = log
	s := session(t, open(t, c))
	long := strings.Repeat("é", 10_000)
	r := exec(t, s, `raw {"ok":false,"value":null,"repr":null,"is_final_answer":false,"stdout":"","stderr":"","error":{"type":"`+strings.Repeat("E", 17_000)+
		`","message":"`+long+`","traceback":"","line":1,"denied":false,"limit":null},"withheld":[]}`)
	if r.Error == nil || r.Error.Message != long {
		t.Fatalf("%.200s", r.Error.Message)
	}
	for _, name := range []string{"$" + long, long} {
		exec(t, s, hostcall(tEcho, `{"args": [], "kwargs": {"`+name+`": 1}}`))
	}
	const most = 16<<10 + len("…")
	for _, r := range log.records {
		if len(r.Reason) > most || len(r.Error) > most || len(r.Detail) > most {
			t.Errorf("%s: reason %d, error %d, detail %d", r.Kind, len(r.Reason), len(r.Error), len(r.Detail))
		}
		if !utf8.ValidString(r.Reason) || !utf8.ValidString(r.Detail) {
			t.Errorf("%s: half a character", r.Kind)
		}
	}
	if end := log.records[1+1]; end.Kind != audit.ExecEnded || !strings.HasSuffix(end.Detail, "é…") || !strings.HasSuffix(end.Error, "E…") {
		t.Errorf("%s: %.20q", end.Kind, end.Error)
	}
}
