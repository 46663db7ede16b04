package guest

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// stdlib is dist/stdlib.json, which guest/build/stdlib.py writes.
type stdlib struct {
	// Builtin names the modules that are compiled into the wasm module.
	Builtin []string `json:"builtin"`
	// Modules describes those that are files.
	Modules map[string]module `json:"modules"`
	// StandIns names the modules that have only the names of what the sandbox lacks, for others that mention them.
	StandIns []string `json:"stand_ins"`
	// LeftOut names what CPython has and this guest has not, by reason.
	LeftOut map[string][]string `json:"left_out"`
}

type module struct {
	File    string   `json:"file"`     // below the library folder
	Needs   []string `json:"needs"`    // the modules that it imports when it is loaded
	MayNeed []string `json:"may_need"` // the modules that its functions import
}

var library = sync.OnceValues(func() (*stdlib, error) {
	text, err := embedded.ReadFile("dist/stdlib.json")
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	lib := new(stdlib)
	if err := json.Unmarshal(text, lib); err != nil {
		return nil, fmt.Errorf("guest: stdlib.json: %w", err)
	}
	return lib, nil
})

// needed by the interpreter and by Postern's own modules, whatever the policy: the start, text encodings, tracebacks, and the
// modules behind the values that cross (docs/abi.md).
var needed = []string{
	"encodings", "codecs", "io", "os", "types", "warnings", "linecache", "traceback", "ast", "tokenize", "codeop",
	"collections", "numbers", "_strptime",
	"json",                         // a response's json()
	"_pylong", "struct", "weakref", // what C code imports when it is used: long integers, memoryview, …
}

// Modules returns the names of all modules that a policy may let code import: those that exist in this guest, sorted.
// Modules whose name begins with an underscore are plumbing and not among them, except __future__.
func Modules() ([]string, error) {
	lib, err := library()
	if err != nil {
		return nil, err
	}
	var names []string
	add := func(name string) {
		for part := range strings.SplitSeq(name, ".") {
			if strings.HasPrefix(part, "_") && part != "__future__" {
				return
			}
		}
		names = append(names, name)
	}
	for _, name := range lib.Builtin {
		add(name)
	}
	for name := range lib.Modules {
		if !slices.Contains(lib.StandIns, name) {
			add(name)
		}
	}
	// Two submodules that are no files: their packages make them.
	names = append(names, "collections.abc", "os.path")
	slices.Sort(names)
	return slices.Compact(names), nil
}

// LeftOut returns the modules of CPython's standard library that this guest lacks, by the reason why. The caller must not change it.
func LeftOut() (map[string][]string, error) {
	lib, err := library()
	if err != nil {
		return nil, err
	}
	return lib.LeftOut, nil
}

// closure returns the modules that are files among: the named ones, their submodules, and what they need or may need; and
// what the interpreter needs in any case.
func (lib *stdlib) closure(names []string) map[string]module {
	found := make(map[string]module)
	lib.reach(found, needed, func(m module) []string { return m.Needs })
	// Reached again, since what was only loaded for the interpreter may now be used by the agent.
	all := make(map[string]module)
	lib.reach(all, names, func(m module) []string { return slices.Concat(m.Needs, m.MayNeed) })
	maps.Copy(found, all)
	return found
}

func (lib *stdlib) reach(found map[string]module, names []string, edges func(module) []string) {
	var visit func(string)
	visit = func(name string) {
		if _, seen := found[name]; seen {
			return
		}
		m, isFile := lib.Modules[name]
		if !isFile {
			return // compiled in, or not there at all
		}
		found[name] = m
		for _, need := range edges(m) {
			visit(need)
		}
	}
	for _, name := range names {
		visit(name)
		// A package stands for its submodules, and needs the packages around it.
		for sub := range lib.Modules {
			if strings.HasPrefix(sub, name+".") {
				visit(sub)
			}
		}
		for i, c := range name {
			if c == '.' {
				visit(name[:i])
			}
		}
	}
}

// Reserved reports whether a top-level module of that name would be mistaken for one of Python's own or of Postern's: those that
// this guest has, those that it lacks, and those that the interpreter looks for by itself. Upper and lower case are the same.
func Reserved(top string) (bool, error) {
	names, err := reserved()
	if err != nil {
		return false, err
	}
	top = strings.ToLower(top)
	return names[top] || strings.HasPrefix(top, "postern") || strings.HasPrefix(top, "_postern"), nil
}

var reserved = sync.OnceValues(func() (map[string]bool, error) {
	lib, err := library()
	if err != nil {
		return nil, err
	}
	names := map[string]bool{"__main__": true, "sitecustomize": true, "usercustomize": true, "site": true, "test": true, "distutils": true}
	add := func(name string) {
		top, _, _ := strings.Cut(name, ".")
		names[strings.ToLower(top)] = true
	}
	for _, name := range lib.Builtin {
		add(name)
	}
	for name := range lib.Modules {
		add(name)
	}
	for _, left := range lib.LeftOut {
		for _, name := range left {
			add(name)
		}
	}
	return names, nil
})

// Known divides names that a source imports, "os.path" or "json.loads": have are the modules among them, or those that they are
// members of, that are part of this guest, plumbing included; lack are those of CPython's library that it is without. A module of which
// the guest has a stand-in is in both. Names of neither are passed over. Both are sorted.
func Known(names []string) (have, lack []string, err error) {
	lib, err := library()
	if err != nil {
		return nil, nil, err
	}
	known := make(map[string]bool)
	for _, name := range lib.Builtin {
		known[name] = true
	}
	for name := range lib.Modules {
		known[name] = true
	}
	left := make(map[string]bool)
	for _, names := range lib.LeftOut {
		for _, name := range names {
			left[name] = true
		}
	}
	for _, name := range names {
		for name != "" && !known[name] && !left[name] {
			name = name[:max(0, strings.LastIndexByte(name, '.'))]
		}
		switch {
		case name == "":
		case hasStandIn(name) || slices.Contains(lib.StandIns, name):
			have, lack = append(have, name), append(lack, name)
		case known[name]:
			have = append(have, name)
		default:
			lack = append(lack, name)
		}
	}
	slices.Sort(have)
	slices.Sort(lack)
	return slices.Compact(have), slices.Compact(lack), nil
}
