package packages

import (
	"slices"
	"strings"
	"testing"
)

func TestVersions(t *testing.T) {
	// In order (PEP 440).
	order := strings.Fields("1.dev0 1.0.dev456 1.0a1 1.0a2.dev456 1.0a12.dev456 1.0a12 1.0b1.dev456 1.0b2 1.0b2.post345.dev456 1.0b2.post345 1.0rc1.dev456 1.0rc1 1.0 1.0.post456.dev34 1.0.post456 1.1.dev1 1.10 1!0.1")
	for i, a := range order {
		for j, b := range order {
			x, err := parseVersion(a)
			y, err2 := parseVersion(b)
			if err != nil || err2 != nil {
				t.Fatal(a, b, err, err2)
			}
			if got := x.compare(y); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("%s and %s: %d", a, b, got)
			}
		}
	}
	for text, want := range map[string]bool{
		"==1.0 1.0.0": true, "==1.0.* 1.0.7": true, "==1.0.* 1.1": false, "!=1.0.* 1.1": true, "~=1.4.2 1.4.9": true, "~=1.4.2 1.5": false, "~=2.2 2.9": true,
		"~=2.2 3.0": false, "<1.0 1.0rc1": false, "<1.0 0.9": true, ">1.0 1.0.post1": false, ">1.0 1.0.1": true, ">=1,<2 1.9": true, ">=1,<2 2.0": false,
		"===1.0 1.0": true, "===1.0 1.0.0": false, "==1.0 1.0+local": true, "==1.0+a 1.0+b": false, "==1.* 10.0": false, "!=3.14.1,>=3.11 3.13.5": true,
	} {
		specifier, version, _ := strings.Cut(text, " ")
		s, err := parseSpecifiers(specifier)
		if err != nil {
			t.Fatal(specifier, err)
		}
		if s.match(version) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
	for _, text := range []string{"", "x", "1..2", "99999999999", strings.Repeat("1", 200), "1.0\n"} {
		if v, err := parseVersion(text); err == nil && text != "1.0\n" {
			t.Errorf("%q is %v", text, v)
		}
	}
}

func TestMarkers(t *testing.T) {
	for text, want := range map[string]bool{
		`python_version >= "3.9"`:                                    true,
		`python_version < "3.9"`:                                     false,
		`python_version == "3.13"`:                                   true,
		`sys_platform == "win32"`:                                    false,
		`sys_platform == "wasi" and os_name == 'posix'`:              true,
		`extra == "dev"`:                                             false,
		`extra == "Dev_Tools"`:                                       true,
		`python_version > "3" and (extra=='x' or extra=="y")`:        false,
		`"win" not in sys_platform`:                                  true,
		`platform_python_implementation != "PyPy"`:                   true,
		`python_full_version < "3.13.5"`:                             false,
		`sys_platform == "win32" or sys_platform == "wasi"`:          true,
		`sys_platform == "x" and sys_platform == "y" or os_name==""`: false,
	} {
		r, err := parseRequirement("a ; " + text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := r.holds(map[string]bool{"dev-tools": true}); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	for _, text := range []string{`a; `, `a; x`, `a; os_name == "`, `a; os_name`, `a; (os_name == ""`, `a; os_name == "" extra`, `a[b`, `a (>1`, `-a`, `a ; ` + strings.Repeat("(", 60) + `os_name == ""`} {
		if _, err := parseRequirement(text); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

func TestScanImports(t *testing.T) {
	const source = `"""import docstring"""
import os, sys as system
import xml.etree.ElementTree as et; import json
from collections import abc
from typing import (  # why
    Any as A,
    List,
)
from . import sibling
from .sibling import thing
from ..up import up
x = 'import quoted' + f"from quoted import x" + r'\\' + '''
import inside
'''
# import comment
def f():
	from decimal import \
		Decimal
	if x: import heapq
try: import cPickle
except ImportError: importlib.import_module("string.templatelib")
imported = {"a": [1,
  import_ ]}
y = important
__import__('bisect')
`
	var names []string
	scanImports([]byte(source), func(name string) { names = append(names, name) })
	slices.Sort(names)
	want := "bisect cPickle collections collections.abc decimal decimal.Decimal heapq json os string.templatelib sys typing typing.Any typing.List xml.etree.ElementTree"
	if got := strings.Join(slices.Compact(names), " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzScanImports(f *testing.F) {
	f.Add("import a.b as c\nfrom x import (y)\n")
	f.Fuzz(func(t *testing.T, source string) {
		scanImports([]byte(source), func(name string) {
			if name == "" || strings.HasPrefix(name, ".") || len(name) > 4*nameLimit {
				t.Errorf("%q", name)
			}
		})
	})
}

func FuzzRequirement(f *testing.F) {
	f.Add(`a[b,c] (>=1,<2) ; python_version < "3" and (extra == 'x')`)
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := parseRequirement(text); err == nil {
			r.holds(map[string]bool{"x": true})
			r.versions.match("1.0")
		}
	})
}
