package audit_test

import (
	"os/exec"
	"strings"
	"testing"
)

// Who does not import the adapters does not have their libraries in the program.
func TestAdaptersAreNotPaidFor(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "../cmd/postern", "../host", "../audit/replay").Output()
	if err != nil {
		t.Skipf("no go command: %v", err)
	}
	for name := range strings.Lines(string(out)) {
		if strings.Contains(name, "prometheus") || strings.HasPrefix(name, "go.opentelemetry.io/otel") {
			t.Errorf("the command line depends on %s", name)
		}
	}
	if !strings.Contains(string(out), "golang.org/x/mod/sumdb/tlog") {
		t.Error("the list of dependencies is not one")
	}
}
