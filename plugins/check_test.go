package plugins_test

import (
	"os"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/plugins"
)

// module makes a module of sections: what has i32 results are functions that return 0.
func module(sections ...string) string {
	m := empty
	for i := 0; i+1 < len(sections); i += 2 {
		m += sections[i] + string(rune(len(sections[i+1]))) + sections[i+1]
	}
	return m
}

// The parts that the modules below are made of. All have types 0: () -> i32, 1: (i32) -> (), 2: (i64) -> i64.
const (
	types = "\x03\x60\x00\x01\x7f\x60\x01\x7f\x00\x60\x01\x7e\x01\x7e"
	// Two own functions, of types 0 and 1.
	own    = "\x02\x00\x01"
	memory = "\x01\x00\x01" // one page
	code   = "\x02\x04\x00\x41\x00\x0b\x02\x00\x0b"
)

func imported(moduleName, name string, kind string) string {
	return string(rune(len(moduleName))) + moduleName + string(rune(len(name))) + name + kind
}

func exported(name string, index int) string {
	return string(rune(len(name))) + name + "\x00" + string(rune(index))
}

func TestCheck(t *testing.T) {
	const schemaOf = "version: v1-draft\nexports:\n  "
	for name, c := range map[string]struct {
		module, schema string
		want           string // the problems, or what is undescribed
		usable         bool
	}{
		"usable":        {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x02"+exported("go", 0)+exported("other", 1), "\x0a", code), schemaOf + "go:", "", true},
		"undescribed":   {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x03"+exported("go", 0)+exported("more", 0)+exported("_start", 0), "\x0a", code), schemaOf + "go:", "undescribed more", true},
		"absent":        {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 0), "\x0a", code), schemaOf + "going:", `it exports no function "going", which is described; undescribed go`, false},
		"of wrong type": {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 1), "\x0a", code), schemaOf + "go:", `it exports "go" as (i32) -> (): a function of a plugin takes nothing and returns an i32`, false},
		"granted":       {module("\x01", types, "\x02", "\x01"+imported("extism:host/user", "kv_get", "\x00\x02"), "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 1), "\x0a", code), schemaOf + "go:", "wants kv.get", true},
		"wrong grants": {module("\x01", types, "\x02", "\x02"+imported("extism:host/user", "kv_get", "\x00\x00")+imported("extism:host/user", "kv", "\x00\x02"), "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 2), "\x0a", code), schemaOf + "go:",
			"it imports extism:host/user::kv_get: its type is () -> i32 and must be (i64) -> i64; it imports extism:host/user::kv: it is not named FAMILY_FUNCTION", false},
		"unknown": {module("\x01", types, "\x02", "\x02"+imported("env", "printf", "\x00\x02")+imported("extism:host/env", "reset", "\x00\x02"), "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 2), "\x0a", code), schemaOf + "go:",
			"it imports env::printf: there is no such module; env is what a symbol that is nowhere defined becomes; it imports extism:host/env::reset: forgets all blocks", false},
		"memory": {module("\x01", types, "\x02", "\x01"+imported("env", "memory", "\x02\x00\x01"), "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 0), "\x0a", code), schemaOf + "go:",
			"it imports env::memory: a memory cannot be imported, only functions", false},
		"no memory of its own": {module("\x01", types, "\x03", own, "\x07", "\x01"+exported("go", 0), "\x0a", code), schemaOf + "go:", "detach: the module does not define exactly one memory", false},
		"in Haskell":           {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x02"+exported("go", 0)+exported("hs_init", 1), "\x0a", code), schemaOf + "go:", "the plugin exports hs_init: plugins in Haskell are not supported", false},
		"no description":       {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 0), "\x0a", code), "", "", false},
		"mistakes":             {module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 0), "\x0a", code), "version: v1-draft\nexports: 1", "s.yaml:2:10: exports must be a table, not a number", false},
	} {
		var sidecar []byte
		if c.schema != "" {
			sidecar = []byte(c.schema)
		}
		r, err := plugins.Check([]byte(c.module), "s.yaml", sidecar)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		said := append([]string{}, r.Problems...)
		for _, m := range r.Mistakes {
			said = append(said, m.Error())
		}
		if len(r.Undescribed) > 0 {
			said = append(said, "undescribed "+strings.Join(r.Undescribed, " "))
		}
		for _, i := range r.Imports {
			if i.Grant != "" {
				said = append(said, "wants "+i.Grant)
			}
		}
		if got := strings.Join(said, "; "); got != c.want || r.Usable() != c.usable {
			t.Errorf("%s: %v %s\nwant %v %s", name, r.Usable(), got, c.usable, c.want)
		}
	}
}

func TestCheckOfNoModule(t *testing.T) {
	for module, want := range map[string]string{
		"":                         "plugins: this is not a WebAssembly module",
		"\x00asm\x0d\x00\x01\x00":  "plugins: this is a WebAssembly component; Extism takes modules",
		empty + "\x01\x05\x01":     "plugins: the module's section at offset 0x8 is cut off",
		empty + "\x01\x02\x01\x61": "link: offset 0xb: unknown form of type 0x61",
	} {
		if r, err := plugins.Check([]byte(module), "", nil); err == nil || err.Error() != want {
			t.Errorf("%q: %v, %v\nwant %s", module, r, err, want)
		}
	}
}

// What the skeleton says of a module's exports can be parsed, and is of these exports.
func TestSkeleton(t *testing.T) {
	text := plugins.Skeleton([]string{"render", "no", "$x"})
	d, err := plugins.Parse("schema.yaml", []byte(text))
	if err != nil || len(d.Functions) != 3 || d.Functions[1].Original != "no" || d.Functions[0].Signature != "(text: str, /)" {
		t.Errorf("%v, %v\n%s", d, err, text)
	}
	if text := plugins.Skeleton([]string{"a b", "x\"y\n"}); strings.Count(text, "description") != 1 {
		t.Errorf("what XTP cannot name is in %s", text)
	}
}

// FuzzCheck: a hostile module is refused, or described, and that is all.
func FuzzCheck(f *testing.F) {
	f.Add([]byte(module("\x01", types, "\x03", own, "\x05", memory, "\x07", "\x01"+exported("go", 0), "\x0a", code)), []byte("version: v1-draft\nexports: {go: }"))
	if real, err := os.ReadFile("fuzzy/fuzzy.wasm"); err == nil {
		f.Add(real, []byte(document))
	}
	f.Fuzz(func(t *testing.T, module, sidecar []byte) {
		r, err := plugins.Check(module, "", sidecar)
		if err != nil {
			return
		}
		if r.Usable() && len(r.Description.Functions) == 0 {
			t.Fatal("usable, and of no use")
		}
		plugins.Skeleton(r.Callable)
	})
}
