package memory_test

import (
	"path/filepath"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities/kv"
	"github.com/postern-sandbox/postern/examples/internal/example"
)

// run is what a new process does: a host, a session, a run. The policy, and so the memory, is that of the folder.
func run(t *testing.T, folder string) string {
	t.Helper()
	session := example.Session(t, filepath.Join(folder, "policy.toml"), example.Read(t, "policy.toml"), audit.Discard, kv.Family())
	result := example.Run(t, session, "agent.py", example.Read(t, "agent.py"))
	if result.Error != nil {
		t.Fatal(result.Error)
	}
	return result.Stdout
}

func TestAgentRemembers(t *testing.T) {
	folder := t.TempDir()
	for _, want := range []string{
		"this is run 1\nlearned: the report is due on Fridays\n",
		"this is run 2\n  from run 1: the report is due on Fridays\nlearned: amounts are in euro\n",
		"this is run 3\n  from run 1: the report is due on Fridays\n  from run 2: amounts are in euro\nlearned: ask before deleting anything\n",
	} {
		if got := run(t, folder); got != want {
			t.Errorf("said\n%swant\n%s", got, want)
		}
	}
	if got := run(t, t.TempDir()); got != "this is run 1\nlearned: the report is due on Fridays\n" {
		t.Errorf("in another folder:\n%s", got)
	}
}
