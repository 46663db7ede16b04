package host_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/packages"
	"github.com/postern-sandbox/postern/packages/wheeltest"
	"github.com/postern-sandbox/postern/policies"
)

// packaged makes a host's configuration with wheels locked beside its policy.
func packaged(t *testing.T, python string, wheels ...wheeltest.Wheel) host.Config {
	t.Helper()
	root := t.TempDir()
	file := filepath.Join(root, "p.toml")
	folder, err := packages.OpenFolder(packages.LockBeside(file), true)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wheels {
		name := filepath.Join(root, w.File())
		if err := os.WriteFile(name, w.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := folder.Add(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := folder.Write(); err != nil {
		t.Fatal(err)
	}
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	text := "policy = 1\nname = \"p\"\n[python]\n" + python + "\n[grant.math]\nfunctions = [\"sqrt\"]\n"
	policy, err := policies.Parse(file, []byte(text), policies.Vocabulary{Families: known.Vocabulary(), Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	return host.Config{Policy: policy, Capabilities: known, Audit: audit.Discard}
}

func shapes(source string) wheeltest.Wheel {
	return wheeltest.Wheel{Name: "shapes", Version: "1.0", Files: map[string]string{
		"shapes/__init__.py": source, "shapes/later.py": "import textwrap\nwidth = textwrap.shorten('a b', 10)\n", "shapes/data.txt": "data",
	}}
}

// One host for all that a package may do and may not.
func TestPackages(t *testing.T) {
	const source = `
import csv, pkgutil
import postern
def read(): return pkgutil.get_data(__name__, "data.txt").decode()
def write():
    with open("/packages/shapes/data.txt", "r+") as f: f.write("changed")
def create(): open("/packages/shapes/new.txt", "w").close()
def remove(): __import__("os").remove("/packages/shapes/data.txt")
def root(): return sorted(__import__("os").listdir("/packages"))
try:
    early = postern.tools.math.sqrt(4)
except Exception as e:
    early = f"{type(e).__name__}: {e}"
def sqrt(x): return postern.tools.math.sqrt(x)
`
	other := wheeltest.Wheel{Name: "other-box", Version: "2", Files: map[string]string{"other.py": ""}}
	ends := wheeltest.Wheel{Name: "ends", Version: "1", Files: map[string]string{"ends.py": "raise SystemExit(3)\n"}}
	c := packaged(t, "imports = [\"re\"]\npackages = [\"shapes==1.0\", \"ends==1\"]", shapes(source), other, ends)
	h := open(t, c)
	s := session(t, h)
	for code, want := range map[string]string{
		"import shapes; shapes.read()":                  "'data'",
		"import shapes.later; shapes.later.width":       "'a b'",
		"from shapes import later as x; x.width":        "'a b'",
		"import shapes; shapes.root()":                  "['ends-1.dist-info', 'ends.py', 'shapes', 'shapes-1.0.dist-info']",
		"import shapes; shapes.sqrt(9)":                 "3.0",
		"import shapes; shapes.early.partition(':')[0]": "'RuntimeError'",
		"import csv":                     "ImportError: import of 'csv' is not authorized",
		"import textwrap":                "ImportError: import of 'textwrap' is not authorized",
		"import other":                   "hint: to authorise it, add 'other-box==2' to packages of [python]",
		"import bz2":                     "ImportError: import of 'bz2' is not authorized",
		"import shapes; shapes.write()":  "OSError",
		"import ends":                    "SystemExit",
		"import shapes; shapes.__file__": "'/packages/shapes/__init__.py'",
		"import shapes; shapes.create()": "FileNotFoundError",
		"import shapes; shapes.remove()": "PermissionError",
	} {
		result, err := s.Exec(t.Context(), code, host.ExecOptions{})
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if result.Error != nil {
			got = result.Error.Traceback
		} else if result.Repr != nil {
			got = *result.Repr
		}
		if !strings.Contains(got, want) {
			t.Errorf("%s\n%s\nwant %s", code, got, want)
		}
	}
}

// What one session does to the files, no other one sees, nor itself.
func TestPackagesAreReadOnly(t *testing.T) {
	h := open(t, packaged(t, "imports = [\"os\"]\npackages = [\"shapes==1.0\"]", shapes("import pkgutil\nopener = open\n")))
	for range 2 {
		result, err := session(t, h).Exec(t.Context(), `
import shapes
for mode in "w", "a", "r+", "x":
    try:
        with shapes.opener("/packages/shapes/data.txt", mode) as f: f.write("changed")
    except OSError: pass
shapes.pkgutil.get_data("shapes", "data.txt")`, host.ExecOptions{})
		if err != nil || result.Repr == nil || *result.Repr != "b'data'" {
			t.Errorf("%+v %v", result, err)
		}
	}
}

func TestPackagesIdentifyTheGuest(t *testing.T) {
	digest := func(python string, wheels ...wheeltest.Wheel) string {
		h := open(t, packaged(t, python, wheels...))
		result, err := session(t, h).Exec(t.Context(), "1", host.ExecOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return result.Guest
	}
	const named = "packages = [\"shapes==1.0\"]"
	a, b := digest(named, shapes("x = 1")), digest(named, shapes("x = 2"))
	if without := digest("", shapes("x = 1")); without != guest.Digest() || a == b || a == without || b == without {
		t.Errorf("%s, %s, without %s", a, b, without)
	}
}

// The image of a started guest is in the cache under a name that depends on the packages.
func TestCachedImageIsOfThesePackages(t *testing.T) {
	cache := t.TempDir()
	for _, want := range []string{"1", "2", "1"} {
		c := packaged(t, "packages = [\"shapes==1.0\"]", shapes("x = "+want))
		c.Policy.File = "p.toml" // the same in all, so that only the packages differ
		c.Packages = filepath.Join(filepath.Dir(c.Policy.Python.Packages[0].Position.File), packages.FolderName, packages.LockName)
		c.Cache = cache
		result, err := session(t, open(t, c)).Exec(t.Context(), "import shapes; shapes.x", host.ExecOptions{})
		if err != nil || result.Repr == nil || *result.Repr != want {
			t.Errorf("%+v %v, want %s", result, err, want)
		}
	}
}

func TestPackagesThatAreRefused(t *testing.T) {
	math := wheeltest.Wheel{Name: "fast", Version: "1", Files: map[string]string{"Boxes.py": ""}}
	c := packaged(t, "packages = [\"fast==1\"]", math)
	c.Policy.Grants[0].As = "boxes"
	if _, err := host.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), `p.toml:4:13: package fast==1 has a module "Boxes", which is the name of a capability family`) {
		t.Errorf("%v", err)
	}
	c = packaged(t, "packages = [\"fast==2\"]", math)
	if _, err := host.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "p.toml:4:13: package fast==2 is not in") {
		t.Errorf("%v", err)
	}
}

// Well-known packages, from the folder of wheels that POSTERN_WHEELS names: docs/packages.md says which.
func TestRealPackages(t *testing.T) {
	folder := os.Getenv("POSTERN_WHEELS")
	if folder == "" {
		t.Skip("POSTERN_WHEELS names no folder of wheels")
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.whl"))
	if err != nil {
		t.Fatal(err)
	}
	lock := filepath.Join(t.TempDir(), packages.LockName)
	locked, err := packages.OpenFolder(lock, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if _, err := locked.Add(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := locked.Write(); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ named, code, want string }{
		{"attrs", "import attrs\n@attrs.frozen\nclass P:\n    x: int\nrepr(P(1)), attrs.asdict(P(2))", `('P(x=1)', {'x': 2})`},
		{"six python-dateutil", "from dateutil import parser, relativedelta, rrule\nstr(parser.parse('31 Jan 2024') + relativedelta.relativedelta(months=1)), len(list(rrule.rrule(rrule.DAILY, count=3)))", "('2024-02-29 00:00:00', 3)"},
		{"tabulate", "from tabulate import tabulate\ntabulate([[1, 2]], headers=['a', 'b'], tablefmt='plain')", `'  a    b\n  1    2'`},
		{"sortedcontainers", "from sortedcontainers import SortedList\nlist(SortedList([3, 1, 2]))", "[1, 2, 3]"},
		{"markdown", "import markdown\nmarkdown.markdown('# a\\n\\n|x|\\n|-|\\n|1|', extensions=['tables']).count('<td>1</td>')", "1"},
		{"packaging", "from packaging.specifiers import SpecifierSet\n'1.5' in SpecifierSet('>=1,<2')", "True"},
		{"networkx", "import networkx as nx\nnx.shortest_path(nx.path_graph(4), 0, 3)", "[0, 1, 2, 3]"},
		{"sympy mpmath", "import sympy\nx = sympy.symbols('x')\nstr(sympy.integrate(x * sympy.sin(x), x)), str(sympy.N(sympy.pi, 20))", "('-x*cos(x) + sin(x)', '3.1415926535897932385')"},
		{"jinja2 markupsafe", "import jinja2\njinja2.Environment(autoescape=True).from_string('{{ x }}!').render(x='<')", "'&lt;!'"},
		{"pyyaml", "import yaml\nyaml.safe_load('a: [1, 2]')", "{'a': [1, 2]}"},
	} {
		t.Run(test.named, func(t *testing.T) {
			var list []string
			for _, name := range strings.Fields(test.named) {
				l := locked.Find(name)
				if l == nil {
					t.Skipf("there is no wheel of %s", name)
				}
				list = append(list, l.String())
			}
			c := packaged(t, "packages = [\""+strings.Join(list, "\", \"")+"\"]")
			c.Packages = lock
			result, err := session(t, open(t, c)).Exec(t.Context(), test.code, host.ExecOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if result.Error != nil {
				t.Fatal(result.Error.Traceback)
			}
			if *result.Repr != test.want {
				t.Errorf("%s, want %s", *result.Repr, test.want)
			}
		})
	}
}
