package policies_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// archives reads the files of testdata that a pattern names, by their paths. There must be some.
func archives(t testing.TB, pattern string) map[string]*txtar.Archive {
	t.Helper()
	paths, err := filepath.Glob("testdata/" + pattern)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no corpus: %v", err)
	}
	read := make(map[string]*txtar.Archive)
	for _, path := range paths {
		if read[path], err = txtar.ParseFile(path); err != nil {
			t.Fatal(err)
		}
	}
	return read
}

// policiesOf gives the policies in such files, each with its name.
func policiesOf(t testing.TB, pattern string, use func(name string, src []byte)) {
	t.Helper()
	for _, archive := range archives(t, pattern) {
		for _, file := range archive.Files {
			if strings.HasSuffix(file.Name, ".toml") {
				use(file.Name, file.Data)
			}
		}
	}
}
