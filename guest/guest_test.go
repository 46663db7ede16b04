package guest_test

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/postern-sandbox/postern/guest"
)

func TestWasmHasItsChecksum(t *testing.T) {
	wasm, err := guest.Wasm()
	if err != nil {
		t.Fatal(err)
	}
	if string(wasm[:4]) != "\x00asm" {
		t.Errorf("begins with % x", wasm[:4])
	}
}

func TestManifestNamesEveryPart(t *testing.T) {
	manifest := guest.Manifest()
	for _, part := range []string{"python.wasm", "stdlib.zip", "stdlib.json", "postern.py", "_postern_bootstrap.py", "_postern_files.py", "_postern_clock.py"} {
		if !strings.Contains(manifest, "  "+part+"\n") {
			t.Errorf("%s is not in the manifest:\n%s", part, manifest)
		}
	}
	if !strings.HasPrefix(guest.Digest(), "sha256:") || len(guest.Digest()) != len("sha256:")+64 {
		t.Errorf("Digest() = %q", guest.Digest())
	}
}

func TestModules(t *testing.T) {
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(`__future__ asyncio base64 bisect collections.abc csv dataclasses datetime decimal difflib
		doctest enum fractions functools hashlib heapq html itertools json math random re sqlite3? statistics string
		textwrap typing unittest uuid xml.etree.ElementTree zlib zoneinfo`) {
		_, there := slices.BinarySearch(modules, strings.TrimSuffix(name, "?"))
		if want := !strings.HasSuffix(name, "?"); there != want {
			t.Errorf("%s: there is %v, want %v", name, there, want)
		}
	}
	for _, name := range []string{"socket", "subprocess", "ctypes", "_io", "tkinter", "multiprocessing", "ssl"} {
		if slices.Contains(modules, name) {
			t.Errorf("%s is in the guest", name)
		}
	}
}

func TestFilesAreCutDownToWhatIsReached(t *testing.T) {
	for _, test := range []struct {
		imports       []string
		there, absent []string
	}{
		{
			imports: nil,
			there:   []string{"lib/python3.13/encodings/__init__.pyc", "lib/python3.13/postern.py", "lib/python3.13/traceback.pyc"},
			absent:  []string{"lib/python3.13/csv.pyc", "lib/python3.13/subprocess.pyc", "usr/share/zoneinfo/Europe/Berlin"},
		},
		{
			imports: []string{"json"},
			there:   []string{"lib/python3.13/json/__init__.pyc", "lib/python3.13/json/decoder.pyc"},
			absent:  []string{"lib/python3.13/csv.pyc", "lib/python3.13/xml/__init__.pyc"},
		},
		{
			imports: []string{"xml.etree"},
			there:   []string{"lib/python3.13/xml/__init__.pyc", "lib/python3.13/xml/etree/ElementTree.pyc"},
			absent:  []string{"lib/python3.13/xml/dom/__init__.pyc"},
		},
		{
			imports: []string{"zoneinfo"},
			there:   []string{"lib/python3.13/zoneinfo/__init__.pyc", "usr/share/zoneinfo/Europe/Berlin", "usr/share/zoneinfo/tzdata.zi"},
		},
		{imports: []string{"no_such_module", "../../../etc/passwd", ""}},
	} {
		t.Run(strings.Join(test.imports, ","), func(t *testing.T) {
			files, err := guest.Files(test.imports)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range test.there {
				if _, err := fs.Stat(files, name); err != nil {
					t.Error(err)
				}
			}
			for _, name := range test.absent {
				if _, err := fs.Stat(files, name); err == nil {
					t.Errorf("%s is there", name)
				}
			}
		})
	}
}

func TestFilesAreAFileSystem(t *testing.T) {
	files, err := guest.Files([]string{"zoneinfo", "xml.etree"})
	if err != nil {
		t.Fatal(err)
	}
	if err := fstest.TestFS(files, "lib/python3.13/os.pyc", "usr/share/zoneinfo/Asia/Tokyo", "lib/python3.13/_postern_bootstrap.py"); err != nil {
		t.Error(err)
	}
}
