package packages_test

import (
	"io/fs"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/packages"
	"github.com/postern-sandbox/postern/packages/wheeltest"
)

func small() wheeltest.Wheel {
	return wheeltest.Wheel{Name: "tiny-box", Version: "1.2.0", Files: map[string]string{"tiny/__init__.py": "x = 1\n", "tiny/data.txt": "d"}}
}

func TestOpenWheel(t *testing.T) {
	b := small()
	b.Metadata = "Requires-Dist: other>=2; python_version >= \"3.8\"\nRequires-Python: >=3.9\n"
	w, err := packages.OpenWheel(b.File(), b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if w.Name != "tiny-box" || w.Version != "1.2.0" || strings.Join(w.Modules, " ") != "tiny" || len(w.Requires) != 1 || len(w.SHA256) != 64 {
		t.Errorf("%+v", w)
	}
}

func TestHostileWheels(t *testing.T) {
	raw := func(entries ...wheeltest.Entry) func(*wheeltest.Wheel) {
		return func(w *wheeltest.Wheel) { w.Raw = entries }
	}
	named := func(name string) func(*wheeltest.Wheel) { return raw(wheeltest.Entry{Name: name, Text: "x"}) }
	for name, test := range map[string]struct {
		change func(*wheeltest.Wheel)
		want   string
	}{
		"tag":                {func(w *wheeltest.Wheel) { w.Tag = "cp313-cp313-linux_x86_64" }, "only pure-Python wheels"},
		"python 2":           {func(w *wheeltest.Wheel) { w.Tag = "py2-none-any" }, "only pure-Python wheels"},
		"platlib":            {func(w *wheeltest.Wheel) { w.NotPure = true }, "Root-Is-Purelib"},
		"shared object":      {named("tiny/fast.so"), "compiled code"},
		"upper case":         {named("tiny/FAST.PYD"), "compiled code"},
		"bytecode":           {named("tiny/secret.pyc"), "compiled code"},
		"pth":                {named("go.pth"), "would run code"},
		"dot dot":            {named("../tiny/x.py"), "no path inside"},
		"dot dot in between": {named("tiny/../../x.py"), "no path inside"},
		"absolute":           {named("/etc/x.py"), "no path inside"},
		"drive":              {named("c:/x.py"), "no path inside"},
		"backslash":          {named(`tiny\x.py`), "no path inside"},
		"NUL":                {named("tiny/x\x00.py"), "no path inside"},
		"control":            {named("tiny/x\x1b[2J.py"), "no path inside"},
		"not UTF-8":          {named("tiny/\xff.py"), "no path inside"},
		"dot":                {named("./x.py"), "no path inside"},
		"empty part":         {named("tiny//x.py"), "no path inside"},
		"empty":              {named(""), "no path inside"},
		"long":               {named(strings.Repeat("x", 500)), "no path inside"},
		"link":               {raw(wheeltest.Entry{Name: "tiny/x.py", Text: "/etc/passwd", Mode: fs.ModeSymlink}), "no regular file"},
		"device":             {raw(wheeltest.Entry{Name: "tiny/x.py", Mode: fs.ModeDevice}), "no regular file"},
		"twice":              {named("tiny/__init__.py"), "there twice"},
		"case":               {named("tiny/__INIT__.py"), "there twice"},
		"folder's case":      {named("Tiny/x.py"), "differ only in case"},
		"file and folder":    {named("tiny/data.txt/x.py"), "a file and a folder"},
		"large":              {raw(wheeltest.Entry{Name: "tiny/big.txt", Text: strings.Repeat("0", 17<<20)}), "larger than 16 MiB"},
		"two metadata":       {named("other-1.dist-info/METADATA"), "two folders of metadata"},
		"purelib in data":    {named("tiny_box-1.2.0.data/purelib/os.py"), "not supported"},
		"stdlib":             {named("json/__init__.py"), `"json" has the name`},
		"stdlib's case":      {named("Json.py"), `"Json" has the name`},
		"left out of stdlib": {named("ctypes.py"), `"ctypes" has the name`},
		"plumbing":           {named("_io.py"), `"_io" has the name`},
		"builtin":            {named("sys.py"), `"sys" has the name`},
		"postern":            {named("postern.py"), `"postern" has the name`},
		"bootstrap":          {named("_postern_bootstrap.py"), "has the name"},
		"sitecustomize":      {named("sitecustomize.py"), "has the name"},
		"lookalike":          {named("tiny\u0430.py"), "no name of a module"},
		"no modules":         {func(w *wheeltest.Wheel) { w.Files = nil }, "no modules"},
		"nothing":            {func(*wheeltest.Wheel) {}, ""},
		"requires python":    {func(w *wheeltest.Wheel) { w.Metadata = "Requires-Python: >=3.14" }, "needs Python >=3.14"},
		"bad requirement":    {func(w *wheeltest.Wheel) { w.Metadata = "Requires-Dist: a @ https://x.invalid/a.whl" }, "by address"},
		"bad marker":         {func(w *wheeltest.Wheel) { w.Metadata = "Requires-Dist: a; __import__ == 'x'" }, "not known in a marker"},
		"many requirements":  {func(w *wheeltest.Wheel) { w.Metadata = strings.Repeat("Requires-Dist: a\n", 600) }, "more than 500"},
	} {
		t.Run(name, func(t *testing.T) {
			b := small()
			test.change(&b)
			_, err := packages.OpenWheel(b.File(), b.Bytes())
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
		})
	}
	b := small()
	for file, want := range map[string]string{
		"other-1.2.0-py3-none-any.whl":       "METADATA says that it is tiny-box",
		"tiny_box-1.3-py3-none-any.whl":      "METADATA says that it is tiny-box",
		"tiny_box.zip":                       "not the name of a wheel",
		"../tiny_box-1.2.0-py3-none-any.whl": "not the name of a wheel",
	} {
		if _, err := packages.OpenWheel(file, b.Bytes()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", file, err, want)
		}
	}
}

// Whatever the bytes are, a wheel is refused or is one whose modules are nobody else's.
func FuzzOpenWheel(f *testing.F) {
	b := small()
	f.Add(b.Bytes())
	b.Raw = []wheeltest.Entry{{Name: "../x", Text: "x"}}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := packages.OpenWheel(small().File(), data)
		if err != nil {
			return
		}
		if len(w.Modules) == 0 {
			t.Error("no modules")
		}
		for _, module := range w.Modules {
			if taken, err := guest.Reserved(module); taken || err != nil {
				t.Errorf("module %q: %v", module, err)
			}
		}
	})
}
