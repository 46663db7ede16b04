package memory_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/kv"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// run is what a new process does: a host, a session, a run. The policy, and so the memory, is that of the folder.
func run(t *testing.T, folder string) string {
	t.Helper()
	registry, err := capabilities.NewRegistry(kv.Family())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse(filepath.Join(folder, "policy.toml"), read(t, "policy.toml"), policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry, Audit: audit.Discard})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	session, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	result, err := session.Exec(t.Context(), string(read(t, "agent.py")), host.ExecOptions{Filename: "agent.py"})
	if err != nil {
		t.Fatal(err)
	}
	if result.Error != nil {
		t.Fatal(result.Error)
	}
	return result.Stdout
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
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
