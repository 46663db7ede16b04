package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const pluginsFolder = "../../plugins"

// recorded gives the tool that a plugin of the repository was built with.
func recorded(t *testing.T, plugin string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(pluginsFolder, "toolchains.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if name, version, _ := strings.Cut(strings.TrimSpace(line), " "); name == plugin {
			return strings.TrimSpace(version)
		}
	}
	t.Fatalf("toolchains.txt does not say what %s was built with", plugin)
	return ""
}

// The modules in the repository are what their sources give.
func TestPluginsAreTheirSources(t *testing.T) {
	for plugin, version := range map[string][]string{
		"markdown": {"go", "env", "GOVERSION"},
		"fuzzy":    {"clang-19", "--version"},
	} {
		t.Run(plugin, func(t *testing.T) {
			said, err := exec.Command(version[0], version[1:]...).Output()
			if err != nil {
				t.Skipf("%s is not here: %v", version[0], err)
			}
			have, _, _ := strings.Cut(string(said), "\n")
			if want := recorded(t, plugin); have != want {
				t.Skipf("this is %s, it was built with %s", have, want)
			}
			folder := filepath.Join(pluginsFolder, plugin)
			if plugin == "markdown" {
				fetch := exec.Command("go", "mod", "download")
				fetch.Dir = folder
				if said, err := fetch.CombinedOutput(); err != nil {
					t.Skipf("its modules cannot be had: %s", said)
				}
			}
			out := filepath.Join(t.TempDir(), plugin+".wasm")
			var stderr bytes.Buffer
			c := &cli{ctx: context.Background(), stdout: io.Discard, stderr: &stderr, patience: time.Hour}
			if code := c.main([]string{"plugin", "build", "-o", out, folder}); code != exitOK {
				t.Fatalf("exit code %d: %s", code, stderr.String())
			}
			built, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := os.ReadFile(filepath.Join(folder, plugin+".wasm"))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(built, kept) {
				t.Errorf("%s.wasm is not what its sources give: plugins/build %s", plugin, plugin)
			}
		})
	}
}

// What the scaffolds have of Extism's ABI is what runs in the plugins of the repository.
func TestScaffoldsAreOfThePlugins(t *testing.T) {
	for scaffold, original := range map[string]string{"go/extism.go.in": "markdown/extism.go", "c/extism.h.in": "fuzzy/extism.h"} {
		want, err := os.ReadFile(filepath.Join(pluginsFolder, original))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := scaffolds.ReadFile("scaffolds/" + scaffold); err != nil || !bytes.Equal(got, want) {
			t.Errorf("scaffolds/%s is not plugins/%s (%v)", scaffold, original, err)
		}
	}
}

// The tests of units run in the guest that the plugin runs in.
func TestUnits(t *testing.T) {
	var program []byte
	for _, name := range []string{"units.py", "test_units.py"} {
		text, err := os.ReadFile(filepath.Join(pluginsFolder, "units", name))
		if err != nil {
			t.Fatal(err)
		}
		program = append(append(program, text...), '\n')
	}
	policy := filepath.Join(t.TempDir(), "policy.toml")
	if err := os.WriteFile(policy, []byte("policy = 1\nname = \"units\"\n[python]\nimports = [\"math\", \"fractions\"]\n[audit]\nlog = \"none\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	c := &cli{ctx: context.Background(), stdin: bytes.NewReader(program), stdout: &stdout, stderr: &stderr, patience: time.Hour}
	if code := c.main([]string{"run", "--policy", policy, "-"}); code != exitOK || stdout.String() != "units: all is well\n" {
		t.Errorf("exit code %d: %s%s", code, stdout.String(), stderr.String())
	}
}

func TestNameOfFolder(t *testing.T) {
	for folder, want := range map[string]string{
		"markdown": "markdown", "Word-Count.v2": "word_count_v2", "2fast": "fast", "ünï": "n", "": "plugin", "..": "plugin", "日本": "plugin",
	} {
		if got := nameOfFolder(folder); got != want {
			t.Errorf("%q became %q, not %q", folder, got, want)
		}
	}
}
