package audit_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-sandbox/postern/audit"
)

func TestEarlierLogsAreSetAside(t *testing.T) {
	const earlier = `{"time":"2025-01-01T00:00:00Z","kind":"session_opened"}` + "\n"
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "log.jsonl"), []byte(earlier), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // once is enough
		log, err := audit.Open(folder, audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		if kept, err := os.ReadFile(filepath.Join(folder, "earlier.jsonl")); err != nil || string(kept) != earlier {
			t.Errorf("kept %q, %v", kept, err)
		}
	}
	// What is damaged is not earlier: there are checkpoints.
	if err := os.WriteFile(filepath.Join(folder, "log.jsonl"), []byte(earlier), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(folder, audit.Options{}); !errors.Is(err, audit.ErrDamaged) {
		t.Errorf("a log in the place of another: %v", err)
	}
}
