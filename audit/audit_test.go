package audit_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
)

func record(session string, call int) *audit.Record {
	allow := true
	return &audit.Record{
		Time: time.Date(2025, 1, 31, 12, 0, 0, 0, time.UTC), Kind: audit.Decision, Session: session, Exec: 1, Call: call,
		Policy: audit.Digest([]byte("p")), Guest: audit.Digest([]byte("g")), Linked: audit.Digest([]byte("l")),
		Capability: "math.sqrt", Arguments: json.RawMessage(`{"args":["<\ud800>"],"kwargs":{}}`), Allow: &allow,
		Rule: "grant.math", Position: "policy.toml:12:1",
	}
}

func lines(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(content), "\n"), "\n")
}

func TestFileKeepsOneRecordALine(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "a", "b")
	log, err := audit.NewFolder(folder)
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	for call := 1; call <= 50; call++ {
		wait.Go(func() {
			if err := log.Append(record("s", call)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, audit.FolderFile)
	got := lines(t, path)
	if len(got) != 50 {
		t.Fatalf("%d lines, want 50", len(got))
	}
	for _, line := range got {
		var r audit.Record
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("line %q: %v", line, err)
		}
		if r.Allow == nil || !*r.Allow || string(r.Arguments) != `{"args":["<\ud800>"],"kwargs":{}}` {
			t.Fatalf("line %q does not give the record back", line)
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode != 0o600 {
		t.Errorf("mode %v, want 0600", mode)
	}
}

func TestFileAppends(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	for call := 1; call <= 2; call++ {
		log, err := audit.NewFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Append(record("s", call)); err != nil {
			t.Fatal(err)
		}
		log.Close()
	}
	if got := lines(t, path); len(got) != 2 {
		t.Fatalf("%d lines, want 2", len(got))
	}
}

func TestFileDoesNotJoinATornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	if err := os.WriteFile(path, []byte(`{"time":"2025`), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := audit.NewFile(path)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	if err := log.Append(record("s", 1)); err != nil {
		t.Fatal(err)
	}
	got := lines(t, path)
	if len(got) != 2 || got[0] != `{"time":"2025` || !json.Valid([]byte(got[1])) {
		t.Fatalf("lines %q", got)
	}
}

func TestFileRefusesWhatIsNoFile(t *testing.T) {
	if _, err := audit.NewFile(t.TempDir()); err == nil {
		t.Fatal("opened a folder as a log file")
	}
}

func TestClosedLogsRefuse(t *testing.T) {
	file, err := audit.NewFile(filepath.Join(t.TempDir(), "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for name, log := range map[string]audit.Log{
		"file":   file,
		"logger": audit.NewLogger(hclog.NewNullLogger()),
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
	var out bytes.Buffer
	logger := audit.NewLogger(hclog.New(&hclog.LoggerOptions{Output: &out, Level: hclog.Info}))
	if err := audit.Multi(logger, failing{}).Append(record("s", 1)); err == nil {
		t.Fatal("no error")
	}
	if !strings.Contains(out.String(), "decision") || !strings.Contains(out.String(), "math.sqrt") {
		t.Errorf("logger wrote %q", out.String())
	}
}

func BenchmarkFileAppend(b *testing.B) {
	log, err := audit.NewFile(filepath.Join(b.TempDir(), "log.jsonl"))
	if err != nil {
		b.Fatal(err)
	}
	defer log.Close()
	r := record("s", 1)
	b.ReportAllocs()
	for b.Loop() {
		if err := log.Append(r); err != nil {
			b.Fatal(err)
		}
	}
}
