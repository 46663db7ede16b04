package fs_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/capabilities/internal/familytest"
	"github.com/postern-sandbox/postern/policies"
)

const secret = "what must not be seen"

// trapped is a world with a secret beside the roots and links of all kinds to it.
func trapped(t testing.TB) *familytest.Session {
	s := world(t, grant, map[string]string{
		"secret/key": secret, "data/x.csv": "a,b\n", "data/sub/y": "y", "data/sub/inner": "inner", "out/old": "old", "data2/z": secret, "policy.toml": "policy",
	})
	link := func(to, from string) {
		t.Helper()
		if err := os.Symlink(to, filepath.Join(s.Folder(), from)); err != nil {
			t.Skip("no symbolic links here: ", err)
		}
	}
	for _, root := range []string{"data", "out"} {
		link("../secret/key", root+"/file")
		link("../secret", root+"/folder")
		link(filepath.Join(s.Folder(), "secret/key"), root+"/absolute")
		link("..", root+"/up")
		link("loop", root+"/loop")
		link("folder", root+"/twice")
		link("/", root+"/top")
		link("/proc/self/root", root+"/proc")
		link("../secret/new", root+"/dangling")
		link("../"+root+"/../secret/key", root+"/roundabout")
	}
	link("sub/y", "data/within")
	return s
}

// hostilePaths are denied by every function before anything is opened.
var hostilePaths = []string{
	"", "/", "//", ".", "./", "..", "../", "/..", "../secret/key", "data/..", "data/../secret/key", "/data/../secret/key", "data/../data/x.csv", "data/./../secret/key",
	"data/sub/../../secret/key", "data/sub/../x.csv", "data//../x.csv", "data/...", "data/....//secret", "data/. ./secret", "data/.. /secret", "data/..\x00/x", "..data/x.csv",
	"etc/passwd", "/etc/passwd", "//etc/passwd", "file:///etc/passwd", "~/x", "$HOME/x", "data2/z", "secret/key", "DATA/x.csv", "Data/x.csv", "dat/x.csv", "data.csv", "dataa/x.csv",
	" data/x.csv", "data /x.csv", "data\x00/x.csv", "data/x.csv\x00", "data/x.csv\x00.txt", "data/\x00", "\x00", "data/x\n.csv", "data/x\r", "data/\x1b[2J", "data/\x7f", "data/\u0085", "data/\t",
	`data\x.csv`, `data/..\secret\key`, `data/sub\..\..\secret`, `\data\x.csv`, `\\server\share\x`, `\\?\C:\x`, `C:\x`, "C:/x", "C:x", "//server/share/x", `data/\\server\x`,
	"data/CON", "data/con", "data/NUL", "data/nul.txt", "data/nul.tar.gz", "data/aux", "data/PRN.csv", "data/COM1", "data/com9.txt", "data/LPT1", "data/lpt0", "data/COM¹", "data/conin$", "data/CONOUT$", "data/NUL:", "data/nul .txt", "data/sub/AUX/x",
	"data/x.csv.", "data/x.csv ", "data/x.csv. .", "data/sub./y", "data/sub /y",
	"data/\xff", "data/\xc0\xae\xc0\xae/secret", "data/\xed\xa0\x80", "\xff/x", "data/x\xe2\x82",
	"data/.postern-tmp-x", "data/.POSTERN-TMP-x", "data/.postern-tmp-x/y", "out/.postern-tmp-",
	"data/" + strings.Repeat("x", 256), "data/" + strings.Repeat("é", 128), "data/" + strings.Repeat("x/", 600), strings.Repeat("x", 1025), "data/" + strings.Repeat("a/", 64) + "b", strings.Repeat("/", 2000) + "data/x.csv",
	"data／x.csv", "data∕x.csv", "․․/secret/key", "％2e％2e/secret", "%2e%2e/secret/key", "data%2fx.csv", "data;x", "dаta/x.csv", // the last with a Cyrillic letter
}

// leading are in a root, and lead out of it by links, or nowhere.
var leading = []string{
	"data/file", "data/folder/key", "data/absolute", "data/up/secret/key", "data/up/data/x.csv", "data/loop", "data/loop/x", "data/twice/key", "data/top/etc/passwd", "data/proc/etc/passwd",
	"data/dangling", "data/roundabout", "data/folder", "data/up", "data/top", "data/x.csv/y", "data/x.csv/", "data/none", "data/none/none", "data/sub/%2e%2e/x", "data/up/up", "data/~", "data/-", "data/*",
	"out/file", "out/folder/key", "out/up/secret/key", "out/top/etc/passwd", "out/absolute", "out/dangling", "out/roundabout",
}

// all are calls of all functions with a path.
func all(ctx context.Context, s *familytest.Session, path string) map[string]error {
	errs := make(map[string]error)
	try := func(name string, args []any, keywords map[string]any) {
		_, err := s.CallWith(ctx, name, args, keywords)
		errs[fmt.Sprint(name, keywords)] = err
	}
	for _, name := range []string{"fs.read", "fs.list", "fs.stat", "fs.glob", "fs.remove", "fs.mkdir"} {
		try(name, []any{path}, nil)
	}
	try("fs.write", []any{path, "changed"}, nil)
	try("fs.write", []any{path, "changed"}, map[string]any{"overwrite": false})
	try("fs.append", []any{path, "changed"}, nil)
	try("fs.mkdir", []any{path}, map[string]any{"parents": true})
	return errs
}

func TestHostilePathsAreDenied(t *testing.T) {
	s := trapped(t)
	for _, path := range hostilePaths {
		for call, err := range all(t.Context(), s, path) {
			var denied *familytest.Denied
			if !errors.As(err, &denied) {
				t.Errorf("%s(%q) was not denied: %v", call, path, err)
			} else if denied.Reason == "" || strings.Contains(denied.Reason+denied.Hint, s.Folder()) {
				t.Errorf("%s(%q): reason %q, hint %q", call, path, denied.Reason, denied.Hint)
			}
		}
	}
	untouched(t, s)
}

func TestNothingLeadsOut(t *testing.T) {
	s := trapped(t)
	for _, path := range leading {
		for _, name := range []string{"fs.read", "fs.list", "fs.write", "fs.append", "fs.stat"} {
			args := []any{path}
			if name == "fs.write" || name == "fs.append" {
				args = append(args, "changed")
			}
			v, err := s.Call(t.Context(), name, args...)
			switch {
			case path == "data/x.csv/" && (name == "fs.read" || name == "fs.stat"): // the same as data/x.csv
			case err == nil:
				t.Errorf("%s(%q) = %v", name, path, v)
			case strings.Contains(err.Error(), s.Folder()) || strings.Contains(err.Error(), secret):
				t.Errorf("%s(%q) shows what is the host's: %v", name, path, err)
			}
		}
	}
	for _, pattern := range []string{"data/**", "data/*/*", "data/up/*", "data/folder/**", "data/top/**", "data/**/key", "out/**/passwd", "data/proc/*"} {
		v, err := s.Call(t.Context(), "fs.glob", pattern)
		if text := fmt.Sprint(v); strings.Contains(text, "/key") || strings.Contains(text, "passwd") || strings.Contains(text, "/up/") || strings.Contains(text, "/top/") {
			t.Errorf("%s: %v, %v", pattern, v, err)
		}
	}
	if got := s.Must(t, "fs.read", "data/within"); got != "y" {
		t.Errorf("a link inside of the root: %v", got)
	}
	// What is a link is removed itself.
	for _, link := range []string{"out/file", "out/folder", "out/up", "out/top"} {
		s.Must(t, "fs.remove", link)
	}
	untouched(t, s)
}

// untouched checks that everything outside is as it was.
func untouched(t *testing.T, s *familytest.Session) {
	t.Helper()
	for name, want := range map[string]string{"secret/key": secret, "data2/z": secret, "data/x.csv": "a,b\n", "policy.toml": "policy"} {
		if got, err := os.ReadFile(filepath.Join(s.Folder(), name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for folder, want := range map[string]int{"secret": 1, ".": 5, "data": 13} {
		entries, err := os.ReadDir(filepath.Join(s.Folder(), folder))
		if err != nil || len(entries) != want {
			t.Errorf("%s has %v, %v", folder, entries, err)
		}
	}
}

func TestReadOnlyRootIsNotChanged(t *testing.T) {
	s := trapped(t)
	for _, path := range []string{"data/x.csv", "data/new", "data/sub", "data/sub/new", "/data/x.csv", "data", "data/file", "data/folder/key"} {
		for call, err := range all(t.Context(), s, path) {
			if strings.HasPrefix(call, "fs.w") || strings.HasPrefix(call, "fs.app") || strings.HasPrefix(call, "fs.mk") || strings.HasPrefix(call, "fs.rem") {
				familytest.Raises(t, "Denied", err)
			}
		}
	}
	_, err := s.Call(t.Context(), "fs.remove", "out")
	familytest.Raises(t, "Denied", err)
	untouched(t, s)
}

func TestHostileArguments(t *testing.T) {
	s := trapped(t)
	for _, test := range []struct {
		name     string
		args     []any
		keywords map[string]any
		class    string
	}{
		{"fs.read", []any{int64(3)}, nil, "Denied"},
		{"fs.read", []any{nil}, nil, "Denied"},
		{"fs.read", []any{true}, nil, "Denied"},
		{"fs.read", []any{[]byte("data/x.csv")}, nil, "Denied"},
		{"fs.read", []any{[]any{"data/x.csv"}}, nil, "Denied"},
		{"fs.glob", []any{int64(1)}, nil, "Denied"},
		{"fs.glob", []any{"*/x"}, nil, "Denied"},
		{"fs.glob", []any{"**"}, nil, "Denied"},
		{"fs.glob", []any{"data/[ab]"}, nil, "Denied"},
		{"fs.glob", []any{"data/{a,b}"}, nil, "Denied"},
		{"fs.glob", []any{"data/a**b"}, nil, "Denied"},
		{"fs.glob", []any{"data/**/**"}, nil, "Denied"},
		{"fs.glob", []any{"data/*/../../secret/*"}, nil, "Denied"},
		{"fs.glob", []any{"data/" + strings.Repeat("*?", 300)}, nil, "Denied"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"binary": int64(1)}, "TypeError"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"binary": nil}, "TypeError"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"offset": int64(-1)}, "ValueError"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"offset": 1.5}, "TypeError"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"offset": nil}, "TypeError"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"size": int64(-1)}, "ValueError"},
		{"fs.read", []any{"data/x.csv"}, map[string]any{"size": "1"}, "TypeError"},
		{"fs.read", []any{"data/x.csv", "extra"}, nil, "TypeError"},
		{"fs.read", nil, nil, "TypeError"},
		{"fs.write", []any{"out/a", int64(1)}, nil, "TypeError"},
		{"fs.write", []any{"out/a", nil}, nil, "TypeError"},
		{"fs.write", []any{"out/a", []any{"x"}}, nil, "TypeError"},
		{"fs.write", []any{"out/a", "\xed\xa0\x80"}, nil, "ValueError"},
		{"fs.write", []any{"out/a", "x"}, map[string]any{"overwrite": "no"}, "TypeError"},
		{"fs.write", []any{"out/a", "x"}, map[string]any{"mode": int64(0o777)}, "TypeError"},
		{"fs.write", []any{"out/a", strings.Repeat("x", fs.PieceBytes+1)}, nil, "ValueError"},
		{"fs.append", []any{"out/a", strings.Repeat("x", fs.PieceBytes+1)}, nil, "ValueError"},
		{"fs.write", []any{"out/old/x", "x"}, nil, "NotADirectoryError"},
		{"fs.write", []any{"out/none/x", "x"}, nil, "FileNotFoundError"},
		{"fs.mkdir", []any{"out/a"}, map[string]any{"parents": int64(1)}, "TypeError"},
		{"fs.mkdir", []any{"out/old/x"}, map[string]any{"parents": true}, "NotADirectoryError"},
		{"fs.remove", []any{"out/none"}, nil, "FileNotFoundError"},
	} {
		_, err := s.CallWith(t.Context(), test.name, test.args, test.keywords)
		t.Run(test.name, func(t *testing.T) { familytest.Raises(t, test.class, err) })
	}
	offset, err := s.CallWith(t.Context(), "fs.read", []any{"data/x.csv"}, map[string]any{"offset": int64(1<<63 - 1), "size": int64(1<<63 - 1)})
	if err != nil || offset != "" {
		t.Errorf("%v, %v", offset, err)
	}
	untouched(t, s)
}

// Devices are reached by a root that is /dev itself, which nobody should grant.
func TestDevices(t *testing.T) {
	if _, err := os.Stat("/dev/zero"); err != nil {
		t.Skip("no devices")
	}
	s := familytest.New(t, fs.Family(), t.TempDir(), "roots = {dev = \"/dev\"}\nwritable = [\"dev\"]\n")
	for _, path := range []string{"dev/zero", "dev/null", "dev/tty", "dev/urandom", "dev/ptmx", "dev/fd/0", "dev/stdin"} {
		for _, name := range []string{"fs.read", "fs.stat"} {
			if _, err := s.Call(t.Context(), name, path); err == nil {
				t.Errorf("%s(%q) was done", name, path)
			}
		}
		for _, name := range []string{"fs.write", "fs.append"} {
			if _, err := s.Call(t.Context(), name, path, "x"); err == nil {
				t.Errorf("%s(%q) was done", name, path)
			}
		}
	}
}

// A folder, and a file, that somebody exchanges for a link all the time are never followed out.
func TestRaces(t *testing.T) {
	s := world(t, grant+"max_total = \"1000GiB\"\n", map[string]string{"secret/key": secret, "out/dir/key": "ours", "out/file": "ours"})
	at := func(name string) string { return filepath.Join(s.Folder(), name) }
	if err := os.Symlink("../secret", at("out/evil")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	if err := os.Symlink("../secret/key", at("out/evilfile")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var swapping sync.WaitGroup
	for _, pair := range [][2]string{{"out/dir", "out/evil"}, {"out/file", "out/evilfile"}} {
		swapping.Go(func() {
			for ctx.Err() == nil {
				os.Rename(at(pair[0]), at("out/aside"+filepath.Base(pair[0])))
				os.Rename(at(pair[1]), at(pair[0]))
				os.Rename(at(pair[0]), at(pair[1]))
				os.Rename(at("out/aside"+filepath.Base(pair[0])), at(pair[0]))
			}
		})
	}
	seen := 0
	for i := 0; i < 400 || seen == 0 && i < 20_000; i++ {
		for _, path := range []string{"out/dir/key", "out/file"} {
			if v, err := s.Call(t.Context(), "fs.read", path); err == nil {
				seen++
				if strings.Contains(v.(string), secret) {
					t.Fatal("read what is outside")
				}
			}
			s.Call(t.Context(), "fs.write", path, "ours")
			s.Call(t.Context(), "fs.append", path, "")
		}
		s.Call(t.Context(), "fs.write", "out/dir/new", "ours")
		s.Call(t.Context(), "fs.append", "out/dir/added", "ours")
		s.Call(t.Context(), "fs.mkdir", "out/dir/made")
		s.Call(t.Context(), "fs.remove", "out/dir/made")
		if v, err := s.Call(t.Context(), "fs.list", "out/dir"); err == nil && len(v.([]string)) == 0 {
			t.Fatal("an empty list of a folder that is not empty")
		}
		if v, err := s.Call(t.Context(), "fs.glob", "out/evil/**"); err == nil && strings.Contains(fmt.Sprint(v), "secret") {
			t.Fatal("found what is outside: ", v)
		}
	}
	stop()
	swapping.Wait()
	if got, err := os.ReadFile(at("secret/key")); err != nil || string(got) != secret {
		t.Errorf("%q, %v", got, err)
	}
	if entries, err := os.ReadDir(at("secret")); err != nil || len(entries) != 1 {
		t.Errorf("made outside: %v, %v", entries, err)
	}
}

// A root in which the policy or the audit log lies cannot be changed, however it is named.
func TestTheAgentDoesNotWriteItsPolicy(t *testing.T) {
	folder := t.TempDir()
	deep := filepath.Join(folder, "a", "b")
	if err := os.MkdirAll(filepath.Join(deep, "audit"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(deep, filepath.Join(deep, "link")); err != nil {
		t.Skip("no symbolic links here: ", err)
	}
	for _, root := range []string{".", "./", "..", "../..", "../b", "link", "audit", "./audit/", deep, folder, "/"} {
		s := familytest.New(t, fs.Family(), deep, fmt.Sprintf("roots = {r = %q}\nwritable = [\"r\"]\n", root))
		for _, name := range []string{"fs.write", "fs.append", "fs.mkdir", "fs.remove"} {
			args := []any{"r/new"}
			if name == "fs.write" || name == "fs.append" {
				args = append(args, "x")
			}
			_, err := s.Call(t.Context(), name, args...)
			familytest.Raises(t, "PermissionError", err)
		}
	}
}

func TestStoppedAtOnce(t *testing.T) {
	s := trapped(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for call, err := range all(ctx, s, "out/old") {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", call, err)
		}
	}
	untouched(t, s)
}

func TestScopeMistakes(t *testing.T) {
	for _, test := range []string{
		"", "roots = {}", `roots = {data = ""}`, `roots = {data = 1}`, `roots = "data"`, `roots = {data = "./da\u0000ta"}`, `roots = {"" = "data"}`,
		`roots = {"a/b" = "d"}`, `roots = {".." = "d"}`, `roots = {"*" = "d"}`, `roots = {NUL = "d"}`, `roots = {"a." = "d"}`,
		"roots = {d = \"d\"}\nwritable = true", "roots = {d = \"d\"}\nmax_file = \"0B\"", "roots = {d = \"d\"}\nmax_file = \"2GiB\"", "roots = {d = \"d\"}\nmax_total = -1", "roots = {d = \"d\"}\nmax_names = 0",
		"roots = {d = \"d\"}\nmax_names = 1_000_000", "roots = {d = \"d\"}\nwriteable = [\"d\"]",
	} {
		if _, err := policies.ParseScope(fs.Family().Scopes, test); err == nil {
			t.Errorf("%s was accepted", test)
		}
	}
}

func BenchmarkRead(b *testing.B) {
	s := world(b, grant+"max_total = \"1000GiB\"\n", map[string]string{"data/sub/x": strings.Repeat("x", 10_000)})
	for b.Loop() {
		if _, err := s.Call(b.Context(), "fs.read", "data/sub/x"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	s := world(b, grant+"max_total = \"1000GiB\"\n", map[string]string{"out/sub/": ""})
	data := strings.Repeat("x", 10_000)
	for b.Loop() {
		if _, err := s.Call(b.Context(), "fs.write", "out/sub/x", data); err != nil {
			b.Fatal(err)
		}
	}
}
