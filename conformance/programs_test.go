package conformance_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postern-sandbox/postern/conformance/suite"
	"github.com/postern-sandbox/postern/host"
)

// background outlives each test: the host is shared by all of them.
var background = context.Background()

func TestPrograms(t *testing.T) {
	programs, err := filepath.Glob("testdata/programs/*.py")
	if err != nil || len(programs) < 10 {
		t.Fatalf("%d programs, %v", len(programs), err)
	}
	_, nativeErr := native()
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
			compareLines(t, "native python", nativeOutput(t, "-I", program), string(want))
		})
	}
}

func TestSuite(t *testing.T) {
	programs := suite.Programs()
	if len(programs) < 10 {
		t.Fatalf("%d programs", len(programs))
	}
	_, nativeErr := native()
	for _, p := range programs {
		t.Run(p.Name, func(t *testing.T) {
			r := run(t, session(t), p.Code)
			if r.Error != nil {
				t.Errorf("%s", r.Error.Traceback)
			}
			compareLines(t, "the guest", r.Stdout, p.Want)
			if nativeErr == nil {
				compareLines(t, "native python", nativeOutput(t, "-I", "-c", p.Code), p.Want)
			}
		})
	}
}

// native is a python3.13 that starts: version managers leave stand-ins that do not.
var native = sync.OnceValues(func() (string, error) {
	const name = "python3.13"
	return name, exec.Command(name, "-I", "-c", "").Run()
})

func nativeOutput(t testing.TB, args ...string) string {
	t.Helper()
	name, err := native()
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(name, args...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes.ReplaceAll(out, []byte("\r\n"), []byte("\n")))
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
