package link_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/link"
)

// customs gives the names and contents of a module's custom sections.
func customs(t *testing.T, module []byte, names ...string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	for _, name := range names {
		mark := string(rune(len(name))) + name
		if i := bytes.LastIndex(module, []byte(mark)); i >= 0 {
			length := int(module[i-1]) // the sections of this test are short
			found[name] = string(module[i+len(mark) : i+length])
		}
	}
	return found
}

func TestCustomSections(t *testing.T) {
	all := []string{"producers", "linking", "reloc.CODE", ".debug_info", "metadata.code.branch_hint", "sourceMappingURL", "external_debug_info", "name"}
	base := func(nameSection string) []byte {
		text := section("02", "01 0c 'postern:link' 04 'call' 00 01") + "05 03 01 00 01 "
		for _, name := range all[:len(all)-1] {
			text += section("00", leb(len(name))+" '"+name+"' 'old'")
		}
		return module(text + section("00", "04 'name' "+nameSection))
	}
	for _, test := range []struct{ name, section, linked string }{
		// The one function is the placeholder; with one grant it becomes function 1. Other parts are dropped.
		{"function names", "00 02 01 'm' 01 04 01 00 01 'f' 02 03 01 00 00", "01 04 01 01 01 'f'"},
		{"a function that is not there", "01 07 02 00 01 'f' 63 01 'x'", "01 04 01 01 01 'f'"},
		{"no function names", "00 02 01 'm'", "01 01 00"},
		{"malformed", "01 09 00", ""},
		{"too many names", "01 05 ff ff ff ff 0f", ""},
		{"not UTF-8", "01 04 01 00 01 ff", ""},
	} {
		linked := customs(t, mustLink(t, base(test.section), link.Options{Functions: []string{"a_b"}}), all...)
		want := map[string]string{"producers": "old"}
		if test.linked != "" {
			want["name"] = string(raw(test.linked))
		}
		for _, name := range all {
			if linked[name] != want[name] {
				t.Errorf("%s, linked: section %s is %q, want %q", test.name, name, linked[name], want[name])
			}
		}
		metered := customs(t, mustMeter(t, base(test.section)), all...)
		if len(metered) != 2 || metered["producers"] != "old" || metered["name"] != string(raw(test.section)) {
			t.Errorf("%s, metered: %q", test.name, metered)
		}
	}
}

// TestCustomSectionsMayBeAnywhere: also between the others, which must keep their order.
func TestCustomSectionsMayBeAnywhere(t *testing.T) {
	c := section("00", "01 'c' 01 02 03")
	metered := mustMeter(t, raw(header+c+types+c+"05 03 01 00 01 "+c))
	if got := bytes.Count(metered, raw("00 05 01 'c' 01 02 03")); got != 3 {
		t.Errorf("%d of 3 custom sections are left", got)
	}
	if _, err := newRuntime(t).CompileModule(t.Context(), metered); err != nil {
		t.Error(err)
	}
	if !strings.HasSuffix(string(metered), strings.Repeat(string(raw("00 05 01 'c' 01 02 03")), 3)) {
		t.Error("the custom sections are not at the end")
	}
}
