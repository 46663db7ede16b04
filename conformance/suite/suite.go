// Package suite is a small set of pure-Python programs, by which the speed of the interpreter is measured. Each prints what it has
// computed, and that is the same in every Python 3.13.
package suite

import (
	"embed"
	"io/fs"
	"strings"
)

//go:embed *.py
var files embed.FS

// A Program is one of the suite.
type Program struct {
	Name string // "fib"
	Code string
}

// Programs returns the suite, ordered by name.
func Programs() []Program {
	entries, err := fs.ReadDir(files, ".")
	if err != nil {
		panic(err) // they are compiled in
	}
	programs := make([]Program, len(entries))
	for i, entry := range entries {
		code, err := files.ReadFile(entry.Name())
		if err != nil {
			panic(err)
		}
		programs[i] = Program{strings.TrimSuffix(entry.Name(), ".py"), string(code)}
	}
	return programs
}
