package host_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// cached runs one exec with a cache folder and returns what was logged.
func cached(t *testing.T, folder string) string {
	t.Helper()
	var logged lines
	c := config(t)
	c.Cache, c.Logger = folder, logger(&logged)
	h := open(t, c)
	if r := exec(t, session(t, h), "value 1"); !r.OK || r.Usage.Fuel <= 0 {
		t.Errorf("%+v", r)
	}
	h.Close()
	return logged.String()
}

func cacheFiles(t *testing.T, folder string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestCacheIsFilledAndUsed(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "postern")
	for range 2 { // hooks must work in code out of the cache, too
		if out := cached(t, folder); strings.Contains(out, "cache") {
			t.Errorf("logged %s", out)
		}
		if n := len(cacheFiles(t, folder)); n != 4 { // machine code of guest and kernel, module, image
			t.Errorf("%d files in the cache", n)
		}
	}
	info, err := os.Stat(folder)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", info.Mode())
	}
}

func TestUnusableCache(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := os.Mkdir(open, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for name, folder := range map[string]string{"a file": file, "below a file": file + "/x", "writable by others": open} {
		if out := cached(t, folder); !strings.Contains(out, "without a cache") {
			t.Errorf("%s: logged %q", name, out)
		}
	}
	if n := len(cacheFiles(t, open)); n != 0 {
		t.Errorf("%d files in a folder that others can write to", n)
	}
}

func TestCorruptCache(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "garbage": strings.Repeat("garbage ", 1000)} {
		folder := t.TempDir()
		if err := os.Chmod(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		cached(t, folder)
		for _, file := range cacheFiles(t, folder) {
			if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if out := cached(t, folder); !strings.Contains(out, "without a cache") && name == "garbage" {
			t.Errorf("%s: logged %q", name, out)
		}
	}
}

func TestCacheIsOptional(t *testing.T) {
	t.Setenv("HOME", "")
	t.Setenv("XDG_CACHE_HOME", "")
	if out := cached(t, ""); !strings.Contains(out, "without a cache") {
		t.Errorf("logged %q", out)
	}
	if out := cached(t, host.NoCache); strings.Contains(out, "cache") {
		t.Errorf("logged %q", out)
	}
}
