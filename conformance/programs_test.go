package conformance_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// background outlives each test: the host is shared by all of them.
var background = context.Background()

func TestPrograms(t *testing.T) {
	programs, err := filepath.Glob("testdata/programs/*.py")
	if err != nil || len(programs) < 10 {
		t.Fatalf("%d programs, %v", len(programs), err)
	}
	// A python3.13 that starts: version managers leave stand-ins that do not.
	native := "python3.13"
	nativeErr := exec.Command(native, "-I", "-c", "").Run()
	for _, program := range programs {
		t.Run(strings.TrimSuffix(filepath.Base(program), ".py"), func(t *testing.T) {
			code, err := os.ReadFile(program)
			if err != nil {
				t.Fatal(err)
			}
			want, err := os.ReadFile(strings.TrimSuffix(program, ".py") + ".out")
			if err != nil {
				t.Fatal(err)
			}
			r, err := session(t).Exec(background, string(code), host.ExecOptions{Filename: program})
			if err != nil {
				t.Fatal(err)
			}
			if r.Error != nil {
				t.Errorf("%s", r.Error.Traceback)
			}
			compareLines(t, "the guest", r.Stdout, string(want))
			if nativeErr != nil {
				t.Logf("the expected output was not made again: %v", nativeErr)
				return
			}
			got, err := exec.Command(native, "-I", program).Output()
			if err != nil {
				t.Fatal(err)
			}
			compareLines(t, "native python", string(bytes.ReplaceAll(got, []byte("\r\n"), []byte("\n"))), string(want))
		})
	}
}

func compareLines(t *testing.T, who, got, want string) {
	t.Helper()
	gots, wants := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gots), len(wants)) {
		var g, w string
		if i < len(gots) {
			g = gots[i]
		}
		if i < len(wants) {
			w = wants[i]
		}
		if g != w {
			t.Errorf("%s, line %d:\n got %s\nwant %s", who, i+1, g, w)
			return
		}
	}
}
