package conformance_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// TestHostFunctionsAgreeWithPython runs the same calls through the host's families and CPython's own modules, both inside the guest.
func TestHostFunctionsAgreeWithPython(t *testing.T) {
	code, err := os.ReadFile("testdata/differential.py")
	if err != nil {
		t.Fatal(err)
	}
	r, err := session(t).Exec(background, string(code), host.ExecOptions{Filename: "differential.py"})
	if err != nil {
		t.Fatal(err)
	}
	if r.Error != nil {
		t.Fatal(r.Stdout, r.Error.Traceback)
	}
	lines := strings.Split(strings.TrimSpace(r.Stdout), "\n")
	t.Log(lines[len(lines)-1], "in", r.Usage.WallMS, "ms")
	for _, line := range lines[:len(lines)-1] {
		t.Error(line)
	}
}
