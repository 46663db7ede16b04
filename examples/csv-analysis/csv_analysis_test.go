package csvanalysis_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/examples/internal/example"
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
	before := example.Read(t, filepath.Join(folder, "data/orders-2025-01.csv"))
	session := example.Session(t, filepath.Join(folder, "policy.toml"), example.Read(t, "policy.toml"), audit.Discard, fs.Family())
	result := example.Run(t, session, "agent.py", example.Read(t, "agent.py"))
	// csv ends lines as RFC 4180 has them.
	if result.Error != nil || !strings.HasPrefix(strings.ReplaceAll(result.Stdout, "\r\n", "\n"), report) || !strings.Contains(result.Stdout, `root "data" is read-only`) {
		t.Errorf("error %v, stdout:\n%s", result.Error, result.Stdout)
	}
	if got := strings.ReplaceAll(example.Read(t, filepath.Join(folder, "out/regions.csv")), "\r\n", "\n"); got != report {
		t.Errorf("the report is\n%s", got)
	}
	if got := example.Read(t, filepath.Join(folder, "data/orders-2025-01.csv")); got != before {
		t.Errorf("the data has changed:\n%s", got)
	}
}
