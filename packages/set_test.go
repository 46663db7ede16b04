package packages_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/packages"
	"github.com/postern-sandbox/postern/packages/wheeltest"
	"github.com/postern-sandbox/postern/policies"
)

// locked makes a folder with the wheels and returns the path of its lock.
func locked(t *testing.T, wheels ...wheeltest.Wheel) string {
	t.Helper()
	source, lock := t.TempDir(), filepath.Join(t.TempDir(), "packages", packages.LockName)
	folder, err := packages.OpenFolder(lock, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wheels {
		file := filepath.Join(source, w.File())
		if err := os.WriteFile(file, w.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := folder.Add(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder.Write(); err != nil {
		t.Fatal(err)
	}
	return lock
}

func wheel(name, version, metadata string) wheeltest.Wheel {
	return wheeltest.Wheel{Name: name, Version: version, Metadata: metadata, Files: map[string]string{name + "_m.py": "import csv\n"}}
}

func policy(t *testing.T, names ...string) *policies.Policy {
	t.Helper()
	p, err := policies.Parse("p.toml", []byte("policy = 1\nname = \"p\"\n[python]\npackages = [\""+strings.Join(names, "\", \"")+"\"]\n"), policies.Vocabulary{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestLoad(t *testing.T) {
	lock := locked(t, wheel("aa", "1.0", "Requires-Dist: bb[fast]>=2\nRequires-Dist: nt; sys_platform == 'win32'"),
		wheel("bb", "2.1", "Requires-Dist: cc; extra == 'fast'"), wheel("cc", "3", ""), wheel("dd", "1", "Requires-Dist: cc<3"), wheel("ee", "1", "Requires-Dist: zz"))
	for names, want := range map[string]string{
		"aa==1.0 bb==2.1 cc==3":     "",
		"AA==1.0.0 bb==2.1 CC==3.0": "",
		"cc==3":                     "",
		"aa==1.0":                   `p.toml:4:13: aa==1.0 needs bb[fast]>=2, which packages does not name (add "bb==2.1" to packages of [python])`,
		"aa==1.0 bb==2.1":           `bb==2.1 needs cc, which packages does not name (add "cc==3" to packages`,
		"bb==2.1":                   "",
		"dd==1 cc==3":               "dd==1 needs cc<3, and cc==3 is another version",
		"dd==1":                     "dd==1 needs cc<3, and the lock has cc==3",
		"ee==1":                     "ee==1 needs zz, which is not in the lock",
		"cc==4":                     `which has cc==3 (write "cc==3"`,
		"ff==1":                     "package ff==1 is not in",
	} {
		set, err := packages.Load(lock, policy(t, strings.Fields(names)...))
		if want == "" && (err != nil || len(set.Packages) != len(strings.Fields(names))) {
			t.Errorf("%s: %v", names, err)
		} else if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v\nwant %s", names, err, want)
		}
	}
	set, err := packages.Load(lock, policy(t, "cc==3"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := fs.ReadFile(set.Files, "cc_m.py")
	if string(source) != "import csv\n" || err != nil || strings.Join(set.Imports, " ") != "csv" || strings.Join(set.Modules, " ") != "cc_m" {
		t.Errorf("%q %v %+v", source, err, set)
	}
	if _, err := fs.Stat(set.Files, "aa_m.py"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a package that is not named: %v", err)
	}
}

func TestChangedWheels(t *testing.T) {
	lock := locked(t, wheel("aa", "1.0", ""))
	file := filepath.Join(filepath.Dir(lock), "aa-1.0-py3-none-any.whl")
	named := policy(t, "aa==1.0")
	other := wheel("aa", "1.0", "Summary: other")
	for what, change := range map[string]func() error{
		"another wheel": func() error { return os.WriteFile(file, other.Bytes(), 0o600) },
		"cut short":     func() error { return os.Truncate(file, 10) },
		"gone":          func() error { return os.Remove(file) },
		"a folder":      func() error { return errors.Join(os.RemoveAll(file), os.Mkdir(file, 0o700)) },
	} {
		os.RemoveAll(file)
		if err := os.WriteFile(file, wheel("aa", "1.0", "").Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := packages.Load(lock, named); err != nil {
			t.Fatal(err)
		}
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, err := packages.Load(lock, named); err == nil || !strings.Contains(err.Error(), "not what was locked") {
			t.Errorf("%s: %v", what, err)
		}
		folder, err := packages.OpenFolder(lock, false)
		if err != nil {
			t.Fatal(err)
		}
		if wrong := folder.Verify(); len(wrong) != 1 || !errors.Is(wrong[0], packages.ErrChanged) {
			t.Errorf("%s: verify: %v", what, wrong)
		}
	}
}

func TestHostileLocks(t *testing.T) {
	lock := locked(t, wheel("aa", "1.0", ""))
	good, err := os.ReadFile(lock)
	if err != nil {
		t.Fatal(err)
	}
	entry := string(good[strings.Index(string(good), "[\n")+1 : strings.LastIndex(string(good), "]")])
	for old, new := range map[string]string{
		`"version": 1,`:                       `"version": 2,`,
		`"packages"`:                          `"more": 1, "packages"`,
		"aa-1.0-py3-none-any.whl":             "../../etc/passwd",
		`"name": "aa"`:                        `"name": "../aa"`,
		`"aa_m"`:                              `"os"`,
		`"sha256": "`:                         `"sha256": "0`,
		strings.TrimSpace(entry):              strings.TrimSpace(entry) + "," + entry,
		"{\n  \"version\"":                    "[{\n  \"version\"",
		strings.TrimSpace(entry) + "\n  ]\n}": strings.TrimSpace(entry) + "\n  ]\n}{}",
		"[" + entry:                           "[null, " + entry,
	} {
		text := strings.Replace(string(good), old, new, 1)
		if text == string(good) {
			t.Fatalf("%q is not in the lock", old)
		}
		if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := packages.Load(lock, policy(t, "aa==1.0")); err == nil {
			t.Errorf("%q for %q is accepted", new, old)
		}
	}
}

func TestAddRefusals(t *testing.T) {
	lock := locked(t, wheeltest.Wheel{Name: "aa", Version: "1", Files: map[string]string{"shared/__init__.py": ""}})
	folder, err := packages.OpenFolder(lock, false)
	if err != nil {
		t.Fatal(err)
	}
	for want, w := range map[string]wheeltest.Wheel{
		`both have a module "Shared"`:      {Name: "bb", Version: "1", Files: map[string]string{"Shared.py": ""}},
		"not what the wheel's RECORD says": {Name: "cc", Version: "1", Files: map[string]string{"cc.py": ""}, Raw: []wheeltest.Entry{{Name: "late.py", Text: "x"}}},
	} {
		file := filepath.Join(t.TempDir(), w.File())
		if err := os.WriteFile(file, w.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := folder.Add(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if len(folder.Locked) != 1 {
		t.Errorf("%d packages", len(folder.Locked))
	}
}
