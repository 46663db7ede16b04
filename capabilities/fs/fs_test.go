package fs_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/values"
)

const grant = `roots = {data = "./data", out = "./out"}
writable = ["out"]
`

// world makes folders, each file with the given contents and each name with "/" at its end a folder, and a session over them.
func world(t testing.TB, keys string, files map[string]string) *familytest.Session {
	t.Helper()
	folder := t.TempDir()
	for _, name := range []string{"data", "out"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, "/") {
			if err := os.MkdirAll(path, 0o777); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return familytest.New(t, fs.Family(), folder, keys)
}

func TestReadAndWrite(t *testing.T) {
	s := world(t, grant, map[string]string{"data/x.csv": "a,b\n", "data/sub/é.txt": "é", "data/latin": "\xe9"})
	for path, want := range map[string]string{"data/x.csv": "a,b\n", "/data/x.csv": "a,b\n", "./data//./x.csv": "a,b\n", "data/sub/é.txt": "é"} {
		if got := s.Must(t, "fs.read", path); got != want {
			t.Errorf("%s: %q", path, got)
		}
	}
	_, err := s.Call(t.Context(), "fs.read", "data/latin")
	familytest.Raises(t, "ValueError", err)
	binary, err := s.CallWith(t.Context(), "fs.read", []any{"data/latin"}, map[string]any{"binary": true})
	if err != nil || !reflect.DeepEqual(binary, []byte("\xe9")) {
		t.Errorf("%v, %v", binary, err)
	}
	part, err := s.CallWith(t.Context(), "fs.read", []any{"data/x.csv"}, map[string]any{"offset": int64(1), "size": int64(2)})
	if err != nil || part != ",b" {
		t.Errorf("%q, %v", part, err)
	}
	if n := s.Must(t, "fs.write", "out/a", "text"); n != int64(4) {
		t.Errorf("wrote %v", n)
	}
	if n := s.Must(t, "fs.append", "out/a", values.Bytes("\xff")); n != int64(5) {
		t.Errorf("has %v", n)
	}
	if n := s.Must(t, "fs.append", "out/new", "b"); n != int64(1) {
		t.Errorf("has %v", n)
	}
	s.Must(t, "fs.write", "out/new", "cc")
	if got, _ := os.ReadFile(filepath.Join(s.Folder(), "out/a")); string(got) != "text\xff" {
		t.Errorf("%q", got)
	}
	if got := s.Must(t, "fs.read", "out/new"); got != "cc" {
		t.Errorf("%q", got)
	}
	if got := s.Must(t, "fs.list", "out"); !reflect.DeepEqual(got, []string{"a", "new"}) {
		t.Errorf("%q: temporary files are left, or others missing", got)
	}
	_, err = s.CallWith(t.Context(), "fs.write", []any{"out/new", "d"}, map[string]any{"overwrite": false})
	familytest.Raises(t, "FileExistsError", err)
}

func TestFoldersAndNames(t *testing.T) {
	s := world(t, grant, map[string]string{"data/b": "12", "data/a/1.csv": "", "data/a/2.txt": "", "data/a/c/3.csv": "", "data/.hidden": "", "data/empty/": ""})
	if got := s.Must(t, "fs.list", "/data/"); !reflect.DeepEqual(got, []string{".hidden", "a", "b", "empty"}) {
		t.Errorf("%q", got)
	}
	for pattern, want := range map[string][]string{
		"data/*":              {"data/.hidden", "data/a", "data/b", "data/empty"},
		"data/**/*.csv":       {"data/a/1.csv", "data/a/c/3.csv"},
		"data/a/?.csv":        {"data/a/1.csv"},
		"data/*/*.txt":        {"data/a/2.txt"},
		"data/a/**":           {"data/a", "data/a/1.csv", "data/a/2.txt", "data/a/c", "data/a/c/3.csv"},
		"data/b":              {"data/b"},
		"data":                {"data"},
		"data/none/*":         {},
		"data/none/**":        {},
		"out/*":               {},
		"data/*/c/**/*.csv":   {"data/a/c/3.csv"},
		"/data/./a//c/**/3.*": {"data/a/c/3.csv"},
	} {
		if got := s.Must(t, "fs.glob", pattern); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
	d := s.Must(t, "fs.stat", "data/b").(*values.Dict)
	if size, _ := d.Get("size"); size != int64(2) {
		t.Errorf("%v", d)
	}
	s.Must(t, "fs.mkdir", "out/x")
	_, err := s.Call(t.Context(), "fs.mkdir", "out/x")
	familytest.Raises(t, "FileExistsError", err)
	_, err = s.Call(t.Context(), "fs.mkdir", "out/y/z")
	familytest.Raises(t, "FileNotFoundError", err)
	for range 2 {
		if _, err = s.CallWith(t.Context(), "fs.mkdir", []any{"out/y/z"}, map[string]any{"parents": true, "exist_ok": true}); err != nil {
			t.Error(err)
		}
	}
	_, err = s.Call(t.Context(), "fs.remove", "out/y")
	familytest.Raises(t, "OSError", err)
	s.Must(t, "fs.remove", "out/y/z")
	s.Must(t, "fs.remove", "out/y")
	_, err = s.Call(t.Context(), "fs.stat", "out/y")
	familytest.Raises(t, "FileNotFoundError", err)
}

func TestQuotas(t *testing.T) {
	s := world(t, grant+"max_file = \"10B\"\nmax_total = \"25B\"\nmax_names = 3\n", map[string]string{"data/11": strings.Repeat("x", 11), "data/10": strings.Repeat("x", 10)})
	_, err := s.Call(t.Context(), "fs.read", "data/11")
	familytest.Raises(t, "fs.QuotaError", err)
	_, err = s.Call(t.Context(), "fs.write", "out/a", strings.Repeat("x", 11))
	familytest.Raises(t, "fs.QuotaError", err)
	s.Must(t, "fs.read", "data/10")                        // 10 of 25
	s.Must(t, "fs.write", "out/a", strings.Repeat("x", 9)) // 19
	_, err = s.Call(t.Context(), "fs.append", "out/a", "xx")
	familytest.Raises(t, "fs.QuotaError", err) // the file's
	s.Must(t, "fs.append", "out/a", "x")       // 20
	s.Must(t, "fs.write", "out/b", "12345")    // 25
	_, err = s.Call(t.Context(), "fs.write", "out/b", "x")
	familytest.Raises(t, "fs.QuotaError", err)
	_, err = s.Call(t.Context(), "fs.read", "data/10")
	familytest.Raises(t, "fs.QuotaError", err)
	s.Must(t, "fs.write", "out/c", "")
	s.Must(t, "fs.list", "out")
	s.Must(t, "fs.write", "out/d", "")
	for _, name := range []string{"fs.list", "fs.glob"} {
		_, err = s.Call(t.Context(), name, map[string]string{"fs.list": "out", "fs.glob": "out/*"}[name])
		familytest.Raises(t, "fs.QuotaError", err)
	}
	if got := world(t, grant+"max_names = 1\n", nil).Must(t, "fs.glob", "out/**"); !reflect.DeepEqual(got, []string{"out"}) {
		t.Errorf("%q", got)
	}
}

// A write that is stopped leaves the old file, and no other.
func TestStoppedWrite(t *testing.T) {
	s := world(t, grant, map[string]string{"out/a": "old"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, name := range []string{"fs.write", "fs.append"} {
		if _, err := s.Call(ctx, name, "out/a", strings.Repeat("x", 1<<20)); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := s.Must(t, "fs.read", "out/a"); got != "old" {
		t.Errorf("%q", got)
	}
	if got := s.Must(t, "fs.list", "out"); !reflect.DeepEqual(got, []string{"a"}) {
		t.Errorf("%q", got)
	}
}

// Whoever reads sees the old contents or the new, never a part.
func TestWritesAreWhole(t *testing.T) {
	s := world(t, grant+"max_total = \"10GiB\"\n", map[string]string{"out/a": strings.Repeat("0", 1<<16)})
	path := filepath.Join(s.Folder(), "out/a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 100 {
			if _, err := s.Call(t.Context(), "fs.write", "out/a", strings.Repeat(string(rune('0'+i%10)), 1<<16)); err != nil {
				t.Error(err)
			}
		}
	}()
	for {
		select {
		case <-done:
			return
		default:
		}
		got, err := os.ReadFile(path)
		if err != nil || len(got) != 1<<16 || bytes.Count(got, got[:1]) != len(got) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	}
}

func TestModeIsKept(t *testing.T) {
	s := world(t, grant, map[string]string{"out/a": "old"})
	path := filepath.Join(s.Folder(), "out/a")
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	s.Must(t, "fs.write", "out/a", "new")
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
