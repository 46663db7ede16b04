// Package suite is a set of small Python programs, each of a kind of work that agents' code does, for measuring how fast an
// interpreter is. Each takes a native CPython about ten milliseconds and prints what it has computed.
package suite

import (
	"embed"
	"io/fs"
	"path"
	"strings"
)

//go:embed *.py *.out
var files embed.FS

// A Program is one program of the suite.
type Program struct {
	Name string // such as "fib"
	Code string
	Want string // what it prints
}

// Programs returns all programs, in the order of their names.
func Programs() []Program {
	names, err := fs.Glob(files, "*.py")
	if err != nil {
		panic("suite: " + err.Error()) // the pattern is right
	}
	programs := make([]Program, len(names))
	for i, name := range names {
		name = strings.TrimSuffix(name, path.Ext(name))
		programs[i] = Program{Name: name, Code: read(name + ".py"), Want: read(name + ".out")}
	}
	return programs
}

func read(name string) string {
	data, err := files.ReadFile(name)
	if err != nil {
		panic("suite: " + err.Error()) // embedded: a test has seen it
	}
	return string(data)
}
