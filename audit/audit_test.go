package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
)

func record(session string, call int) *audit.Record {
	allow := true
	left := int64(1000 - call)
	return &audit.Record{
		Version: audit.Version,
		Time:    time.Date(2025, 1, 31, 12, 0, 0, 1000*call, time.UTC), Kind: audit.Decision, Session: session, Exec: 1, Call: call,
		Policy: audit.Digest([]byte("p")), Guest: audit.Digest([]byte("g")), Linked: audit.Digest([]byte("l")),
		Capability: "math.sqrt", Effects: "pure", ArgumentsDigest: audit.Digest([]byte("a")),
		Arguments: json.RawMessage(`{"args":["<\ud800>"],"kwargs":{}}`), Allow: &allow, Reason: "the grant names the function",
		Rule: "grant.math", Position: "policy.toml:12:1", CallsLeft: &left,
	}
}

// outcome is a record as long as those of a host call mostly are.
func outcome(session string, call int) *audit.Record {
	r := record(session, call)
	r.Kind, r.Allow, r.Arguments, r.ArgumentsDigest, r.Reason, r.Position, r.Effects, r.CallsLeft = audit.Outcome, nil, nil, "", "", "", "", nil
	r.Result, r.ResultDigest, r.ResultBytes, r.Duration = json.RawMessage("11.180339887498949"), audit.Digest([]byte("r")), 18, 9174
	return r
}

func open(t testing.TB, folder string, options audit.Options) *audit.Folder {
	t.Helper()
	log, err := audit.Open(folder, options)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func add(t testing.TB, log audit.Log, records ...*audit.Record) {
	t.Helper()
	for _, r := range records {
		if err := log.Append(r); err != nil {
			t.Fatal(err)
		}
	}
}

func shut(t testing.TB, log audit.Log) {
	t.Helper()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func verify(t testing.TB, folder string) *audit.Verified {
	t.Helper()
	v, err := audit.Verify(folder, audit.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// lines are those of all files of a log, in order.
func lines(t testing.TB, folder string) [][]byte {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(folder, "log*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var all []byte
	for _, name := range append(names[len(names)-1:], names[:len(names)-1]...) { // log.jsonl sorts last
		all = append(all, read(t, name)...)
	}
	return bytes.Split(bytes.TrimSuffix(all, []byte("\n")), []byte("\n"))
}

func TestClosedLogsRefuse(t *testing.T) {
	for name, log := range map[string]audit.Log{
		"folder": open(t, t.TempDir(), audit.Options{}),
		"sinks":  audit.WithSinks(open(t, t.TempDir(), audit.Options{})),
		"multi":  audit.Multi(audit.Discard),
	} {
		for range 2 {
			if err := log.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
		if err := log.Append(record("s", 1)); !errors.Is(err, audit.ErrClosed) {
			t.Errorf("%s: append after close: %v", name, err)
		}
	}
}

type failing struct{}

func (failing) Append(*audit.Record) error { return errors.New("disk full") }
func (failing) Close() error               { return nil }

func TestMultiRefusesWhatOneLogRefuses(t *testing.T) {
	folder := t.TempDir()
	log := open(t, folder, audit.Options{})
	if err := audit.Multi(log, failing{}).Append(record("s", 1)); err == nil {
		t.Fatal("no error")
	}
	shut(t, log)
	if got := len(lines(t, folder)); got != 2 {
		t.Errorf("%d lines", got)
	}
}

func TestSinksHearOfWhatTheLogHas(t *testing.T) {
	var out bytes.Buffer
	sink := audit.NewLogger(hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info}))
	if err := audit.WithSinks(failing{}, sink).Append(record("s", 1)); err == nil || out.Len() > 0 {
		t.Errorf("error %v, and the sink has %q", err, out.String())
	}
	add(t, audit.WithSinks(audit.Discard, sink), record("s", 1))
	if !strings.Contains(out.String(), "decision") || !strings.Contains(out.String(), "math.sqrt") {
		t.Errorf("logger wrote %q", out.String())
	}
}
