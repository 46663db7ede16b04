package sqlreport_test

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/capabilities/sql"
	"github.com/postern-sandbox/postern/examples/internal/example"
)

const report = `2025-01    3835.40
2025-02    3205.60
2025-03    3895.50
2025-04    3685.70
2025-05    3603.10
2025-06    3548.00
most sold: tray (275), teapot (272)
`

func TestAgent(t *testing.T) {
	folder := t.TempDir()
	if err := os.CopyFS(folder, os.DirFS(".")); err != nil {
		t.Fatal(err)
	}
	session := example.Session(t, filepath.Join(folder, "policy.toml"), example.Read(t, "policy.toml"), audit.Discard, fs.Family(), sql.Family(sql.Config{}))
	result := example.Run(t, session, "agent.py", example.Read(t, "agent.py"))
	if result.Error != nil {
		t.Fatalf("%+v\n%s", result.Error, result.Stderr)
	}
	for _, want := range []string{report, `refused: sql.query is denied by policy "sql-report": table "customers" is not in tables`, `refused: sql.query is denied by policy "sql-report": query only reads`} {
		if !strings.Contains(result.Stdout, want) {
			t.Errorf("no %q in\n%s", want, result.Stdout)
		}
	}
	if bars := elements(t, example.Read(t, filepath.Join(folder, "out/sales.svg")), "rect"); bars != 6 {
		t.Errorf("the plot has %d bars", bars)
	}
	if example.Read(t, filepath.Join(folder, "sales.db")) != example.Read(t, "sales.db") {
		t.Error("the database has changed")
	}
}

// elements counts the elements of a name in an XML document.
func elements(t *testing.T, document, name string) (n int) {
	t.Helper()
	for d := xml.NewDecoder(strings.NewReader(document)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			n++
		}
	}
}
