package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/postern-sandbox/postern/guest"
)

func (c *cli) version(args []string) int {
	f := c.newFlags("version [--json]", "Prints the versions of Postern and what it is made of, and the guest's digest.")
	asJSON := f.Bool("json", false, "print a JSON object")
	if _, exit, ok := f.parse(args); !ok {
		return exit
	}
	v := versions{Postern: posternVersion(), Go: runtime.Version(), Python: guest.PythonVersion, Guest: guest.Digest()}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			switch dep.Path {
			case "github.com/extism/go-sdk":
				v.Extism = dep.Version
			case "github.com/tetratelabs/wazero":
				v.Wazero = dep.Version
			}
		}
	}
	if *asJSON {
		if err := writeJSON(c.stdout, v); err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	fmt.Fprintf(c.stdout, "postern %s\npython  %s\nextism  %s\nwazero  %s\ngo      %s\nguest   %s\n", v.Postern, v.Python, v.Extism, v.Wazero, v.Go, v.Guest)
	return exitOK
}

func posternVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// versions is the JSON of `postern version --json`.
type versions struct {
	Postern string `json:"postern"`
	Python  string `json:"python"`
	Extism  string `json:"extism"` // the Go SDK
	Wazero  string `json:"wazero"`
	Go      string `json:"go"`
	Guest   string `json:"guest"` // digest of the guest with its standard library
}
