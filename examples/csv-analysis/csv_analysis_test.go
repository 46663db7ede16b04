package csvanalysis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

const report = `region,total,mean of a day,deviation
south,7706.65,550.48,412.78
west,7274.15,519.58,429.56
north,7028.45,413.44,365.34
`

func TestAgent(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	before := read(t, filepath.Join(folder, "data/orders-2025-01.csv"))
	registry, err := capabilities.NewRegistry(fs.Family())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse(filepath.Join(folder, "policy.toml"), []byte(read(t, "policy.toml")), policies.Vocabulary{Families: registry.Vocabulary()})
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
	result, err := session.Exec(t.Context(), read(t, "agent.py"), host.ExecOptions{Filename: "agent.py"})
	if err != nil {
		t.Fatal(err)
	}
	// csv ends lines as RFC 4180 has them.
	if result.Error != nil || !strings.HasPrefix(strings.ReplaceAll(result.Stdout, "\r\n", "\n"), report) || !strings.Contains(result.Stdout, `root "data" is read-only`) {
		t.Errorf("error %v, stdout:\n%s", result.Error, result.Stdout)
	}
	if got := strings.ReplaceAll(read(t, filepath.Join(folder, "out/regions.csv")), "\r\n", "\n"); got != report {
		t.Errorf("the report is\n%s", got)
	}
	if got := read(t, filepath.Join(folder, "data/orders-2025-01.csv")); got != before {
		t.Errorf("the data has changed:\n%s", got)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
