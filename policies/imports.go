package policies

import (
	"fmt"
	"slices"
	"strings"
)

// baseImports are the modules that may be imported when a policy does not say
// which. They compute, or say what happened: none of them is there to reach the
// interpreter's inside, and none is about a system that is not there.
//
// Left out on purpose: math and json, because those names are capability
// families, and "import math" is then the granted functions; os, sys,
// subprocess, socket and their like, which in the guest have nothing to work
// on; importlib, inspect, gc, builtins, ast and pickle, which are about the
// program and not about its task; secrets, because the guest's entropy is
// deterministic; argparse, because there is no command line.
//
// In: io, without which csv has nothing to read (the guest's open is no
// stronger or weaker for it); queue, for the sake of searches;
// and __future__, which many programs begin with.
var baseImports = []string{
	"__future__", "abc", "array", "asyncio", "base64", "binascii", "bisect", "calendar",
	"cmath", "collections", "contextlib", "copy", "csv", "dataclasses",
	"datetime", "decimal", "difflib", "enum", "fractions", "functools",
	"graphlib", "hashlib", "heapq", "hmac", "html", "io", "ipaddress",
	"itertools", "logging", "numbers", "operator", "pprint", "queue", "random", "re",
	"statistics", "string", "struct", "textwrap", "time", "tomllib", "traceback",
	"types", "typing", "unicodedata", "urllib.parse", "uuid", "warnings", "weakref",
	"zoneinfo",
}

// DefaultImports returns the modules that may be imported under a policy
// without the key imports, in alphabetical order. They are a base list of
// modules that compute; it has neither math nor json, whose names belong to
// capability families.
func DefaultImports() []string {
	return slices.Clone(baseImports)
}

// defaultImports is the base list without what the guest does not have.
func (v Vocabulary) defaultImports() []string {
	imports := DefaultImports()
	if v.Modules == nil {
		return imports
	}
	known := setOf(v.Modules)
	return slices.DeleteFunc(imports, func(m string) bool { return !known[m] })
}

func readImports(c *checker, f field, into *Python) {
	items, _ := c.list(f)
	into.Imports = []string{}
	for _, item := range items {
		if mistake := c.moduleMistake(item); mistake != nil {
			c.complain(f, mistake)
			continue
		}
		into.Imports = append(into.Imports, item.text)
		c.imports = append(c.imports, item)
	}
}

func (c *checker) moduleMistake(item *value) *complaint {
	name := item.text
	if strings.Contains(name, "*") {
		return &complaint{item.at, "\"*\" is not supported", "name each module; a module includes its submodules"}
	}
	if len(name) > maxModule {
		return &complaint{item.at, fmt.Sprintf("a module's name cannot be longer than %d bytes", maxModule), ""}
	}
	offset := 0
	for part := range strings.SplitSeq(name, ".") {
		if wrong := moduleName.mistake(part); wrong >= 0 {
			return &complaint{item.within(offset + wrong), quote(name) + " is not a module's name", `write a name such as "re" or "xml.etree"`}
		}
		offset += len(part) + len(".")
	}
	if c.modules == nil {
		c.modules = setOf(c.vocab.Modules)
	}
	if c.vocab.Modules != nil && !c.modules[name] {
		return &complaint{item.at, "there is no module " + quote(name), c.suggest(name, c.vocab.Modules, "imports takes modules of the standard library that the guest has")}
	}
	return nil
}

// warnImports warns of imports that mean something else than they seem to.
// It runs last, when the grants are known.
func (c *checker) warnImports(p *Policy) {
	listed := make(map[string]bool, len(c.imports))
	for _, item := range c.imports {
		listed[item.text] = true
	}
	for i := range p.Grants {
		g := &p.Grants[i]
		if at, said := p.Where(g.Rule() + ".as"); said && importable(g.As, p.Python.Imports) {
			c.warnAt(p, at, fmt.Sprintf("%s.as: %q is also a module of imports: import gives the standard library's module, whose calls are neither decided nor recorded", g.Rule(), g.As),
				"choose another name")
		}
	}
	for _, item := range c.imports {
		top, _, _ := strings.Cut(item.text, ".")
		if g, granted := p.grant(top); granted && g.As == "" {
			c.warn(item.at, fmt.Sprintf("%q is also a granted family: import gives the standard library's module, whose calls are neither decided nor recorded", top),
				fmt.Sprintf("remove %q from imports to get the granted functions", item.text))
		}
		for i := strings.LastIndexByte(item.text, '.'); i > 0; i = strings.LastIndexByte(item.text[:i], '.') {
			if parent := item.text[:i]; listed[parent] {
				c.warn(item.at, fmt.Sprintf("%q is already part of %q", item.text, parent), "")
			}
		}
	}
}
