package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/postern-sandbox/postern/packages/wheeltest"
)

func TestMain(m *testing.M) {
	// What is only said on a slow machine is never said.
	postern := func() { start(time.Hour) }
	testscript.Main(m, map[string]func(){"postern": postern, "notes-server": notesServer})
}

// TestScripts runs the real command. All scripts share one cache of compiled guests and each has its own state folder.
func TestScripts(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = t.TempDir()
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs("testdata/modules")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("XDG_CACHE_HOME", cache)
			env.Setenv("XDG_STATE_HOME", filepath.Join(env.WorkDir, "state"))
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("EXAMPLES", examples)
			env.Setenv("MODULES", modules)
			env.Setenv("GOCACHE", filepath.Join(cache, "go-build"))
			env.Setenv("GOTOOLCHAIN", "local")
			if path, err := exec.LookPath("postern"); err == nil {
				env.Setenv("POSTERN", path)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"code": exitsWith, "extism": extismCall, "replace": replace, "wheel": wheel},
	})
}

// replace is `replace OLD NEW FILE`: the first OLD in the file becomes NEW.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: replace OLD NEW FILE")
	}
	text := ts.ReadFile(args[2])
	if !strings.Contains(text, args[0]) {
		ts.Fatalf("%s does not have %q", args[2], args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(strings.Replace(text, args[0], args[1], 1)), 0o600))
}

// wheel is `wheel FOLDER NAME VERSION MODULE SOURCE [METADATA…]`: a wheel with one module is built in the folder; \n in SOURCE is a
// line's end.
func wheel(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 5 {
		ts.Fatalf("usage: wheel FOLDER NAME VERSION MODULE SOURCE [METADATA…]")
	}
	w := wheeltest.Wheel{Name: args[1], Version: args[2], Metadata: strings.Join(args[5:], "\n"), Files: map[string]string{args[3]: strings.ReplaceAll(args[4], `\n`, "\n")}}
	folder := ts.MkAbs(args[0])
	ts.Check(os.MkdirAll(folder, 0o700))
	ts.Check(os.WriteFile(filepath.Join(folder, w.File()), w.Bytes(), 0o600))
}

// exitsWith is `code N COMMAND…`: the command must exit with exactly this code.
func exitsWith(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ARGUMENTS")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := err.(interface{ ExitCode() int })
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if want := args[0]; want != strconv.Itoa(got) {
		ts.Fatalf("exit code %d, want %s", got, want)
	}
}
