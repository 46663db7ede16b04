package link_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/link"
)

func TestMalformedModules(t *testing.T) {
	// In a body's tests the code begins at offset 0x21, after header, types, one function and the body's two lengths.
	code := func(text string) []byte {
		n := len(raw(text)) + 1
		return module("03 02 01 00 " + section("0a", "01 "+leb(n)+" 00 "+text))
	}
	for _, test := range []struct {
		name   string
		module []byte
		want   string
	}{
		{"empty", nil, "0x0: not a WebAssembly module of version 1"},
		{"magic only", raw("00 'asm'"), "0x0: not a WebAssembly module of version 1"},
		{"version 2", raw("00 'asm' 02 00 00 00"), "0x0: not a WebAssembly module of version 1"},
		{"component", raw("00 'asm' 0d 00 01 00"), "0x0: not a WebAssembly module of version 1"},

		{"section without length", raw(header + "01"), "0x9: unexpected end"},
		{"section longer than the module", raw(header + "01 05 00"), "0xa: 5 bytes wanted, 1 left"},
		{"section of 4 GiB", raw(header + "01 ff ff ff ff 0f"), "0xe: 4294967295 bytes wanted, 0 left"},
		{"section's length of 36 bits", raw(header + "01 ff ff ff ff 1f"), "0x9: integer does not fit 32 bits"},
		{"section's length of six bytes", raw(header + "01 80 80 80 80 80 00"), "0x9: integer does not fit 32 bits"},
		{"unknown section", raw(header + "0d 00"), "0x8: unknown section 13"},
		{"section twice", module("01 01 00"), "0x16: section 1 is out of order or there twice"},
		{"data count after code", module("0a 01 00 0c 01 00"), "0x19: section 12 is out of order or there twice"},
		{"section with too much in it", raw(header + "01 02 00 00"), "0xb: 1 bytes too many in the section"},
		{"custom section without a name", raw(header + "00 00"), "0xa: unexpected end"},
		{"custom section's name is too long", raw(header + "00 02 05 'a'"), "0xa: 5 bytes of a name do not fit the 1 bytes left"},
		{"custom section's name is not UTF-8", raw(header + "00 02 01 ff"), "0xa: name is not UTF-8"},

		{"four billion types", raw(header + "01 05 ff ff ff ff 0f"), "0xa: 4294967295 types do not fit the 0 bytes left"},
		{"unknown form of type", raw(header + "01 04 01 5f 00 00"), "0xb: unknown form of type 0x5f"},
		{"unknown value type", raw(header + "01 05 01 60 01 6d 00"), "0xd: unknown value type 0x6d"},
		{"more parameters than bytes", raw(header + "01 04 01 60 7f 7f"), "0xc: 127 parameters do not fit the 1 bytes left"},

		{"import of an unknown kind", module("02 07 01 01 'a' 01 'b' 04 00"), "0x1d: unknown kind of import 0x04"},
		{"import of an unknown type", module("02 07 01 01 'a' 01 'b' 00 02"), "0x1e: type 2 of 2"},
		{"import of a shared memory", module("02 09 01 01 'a' 01 'b' 02 03 01 01"), "0x1e: limits 0x03 are not supported (shared and 64-bit memories are not)"},
		{"unknown mutability", module("02 08 01 01 'a' 01 'b' 03 7f 02"), "0x1f: unknown mutability 0x02"},
		{"function of an unknown type", module("03 02 01 02"), "0x19: type 2 of 2"},
		{"function without a body", module("03 02 01 00"), "0x1a: 1 functions have 0 bodies"},
		{"body without a function", module(section("0a", "01 02 00 0b")), "0x1b: body 0 of 0 functions"},
		{"table of an unknown type", module("04 04 01 6e 00 00"), "0x19: unknown reference type 0x6e"},
		{"64-bit memory", module("05 03 01 04 00"), "0x19: limits 0x04 are not supported (shared and 64-bit memories are not)"},

		{"global that is computed", module("06 07 01 7f 00 41 01 6a 0b"), "0x1d: instruction 0x6a in a constant expression"},
		{"global of a later global", module("06 06 01 7f 00 23 00 0b"), "0x1b: global 0 of 0"},
		{"global of an unknown function", module("06 06 01 70 00 d2 00 0b"), "0x1b: function 0 of 0"},
		{"global without an end", module("06 05 01 7f 00 41 00"), "0x1d: unexpected end"},
		{"export of an unknown function", module("07 05 01 01 'f' 00 00"), "0x1c: function 0 of 0"},
		{"export of an unknown global", module("07 05 01 01 'g' 03 00"), "0x1c: global 0 of 0"},
		{"export of an unknown kind", module("07 05 01 01 'g' 04 00"), "0x1b: unknown kind of export 0x04"},
		{"start of an unknown function", module("08 01 00"), "0x18: function 0 of 0"},
		{"unknown form of element segment", module("09 03 01 08 00"), "0x19: unknown form of element segment 8"},
		{"unknown kind of element", module("09 04 01 01 01 00"), "0x1a: unknown kind of element 0x01"},
		{"element of an unknown function", module("09 05 01 01 00 01 00"), "0x1c: function 0 of 0"},
		{"element expression of an unknown function", module("09 07 01 05 70 01 d2 00 0b"), "0x1c: function 0 of 0"},
		{"unknown form of data segment", module("0b 02 01 03"), "0x19: unknown form of data segment 3"},
		{"data for a second memory", module("0b 07 01 02 01 41 00 0b 00"), "0x1a: more than one memory is not supported"},
		{"data longer than the module", module("0b 03 01 01 05"), "0x1b: 5 bytes wanted, 0 left"},
		{"data that was not announced", module("0c 01 00 0b 03 01 01 00"), "0x1e: 1 data segments, 0 announced"},
		{"data that is missing", module("0c 01 01"), "0x19: 0 data segments, 1 announced"},

		{"body without an end", code("01"), "0x22: unexpected end"},
		{"block without an end", code("02 40 0b"), "0x24: unexpected end"},
		{"code after the end", code("0b 01"), "0x22: 1 bytes too many in the function body"},
		{"unknown instruction", code("fe 00 00"), "0x21: unknown instruction 0xfe"},
		{"thread instruction", code("01 fe 10 02 00 0b"), "0x22: unknown instruction 0xfe"},
		{"tail call", code("12 00 0b"), "0x21: unknown instruction 0x12"},
		{"exception", code("06 40 0b"), "0x21: unknown instruction 0x06"},
		{"garbage collection", code("fb 00 00 0b"), "0x21: unknown instruction 0xfb"},
		{"typed reference", code("14 00 0b"), "0x21: unknown instruction 0x14"},
		{"unknown bulk instruction", code("fc 12 0b"), "0x21: unknown instruction 0xfc 0x12"},
		{"unknown SIMD instruction", code("fd 9a 01 0b"), "0x21: unknown instruction 0xfd 0x9a"},
		{"relaxed SIMD", code("fd 80 02 0b"), "0x21: unknown instruction 0xfd 0x100"},
		{"opcode that wraps", code("fc 8a 80 80 80 10 00 00 0b"), "0x22: integer does not fit 32 bits"},
		{"branch out of the function", code("0c 01 0b"), "0x21: label 1 of 1"},
		{"branch to the function's own label's outside", code("02 40 03 40 0d 03 0b 0b 0b"), "0x25: label 3 of 3"},
		{"branch to the last label of all", code("0d ff ff ff ff 0f 0b"), "0x21: label 4294967295 of 1"},
		{"table with a label too far", code("02 40 0e 02 00 02 01 0b 0b"), "0x23: label 2 of 2"},
		{"table with its default too far", code("02 40 0e 01 00 02 0b 0b"), "0x23: label 2 of 2"},
		{"call of an unknown function", code("10 01 0b"), "0x21: function 1 of 1"},
		{"reference to an unknown function", code("d2 01 0b"), "0x21: function 1 of 1"},
		{"use of an unknown global", code("24 00 0b"), "0x21: global 0 of 0"},
		{"call_indirect of an unknown type", code("11 02 00 0b"), "0x21: type 2 of 2"},
		{"block of an unknown type", code("02 02 0b 0b"), "0x21: type 2 of 2"},
		{"block of a strange type", code("02 60 0b 0b"), "0x22: unknown value type 0x60"},
		{"block of a type in two bytes", code("02 c0 7f 0b 0b"), "0x22: unknown block type"},
		{"block of a type of 34 bits", code("02 80 80 80 80 20 0b 0b"), "0x22: integer does not fit 33 bits"},
		{"i32.const of 33 bits", code("41 80 80 80 80 08 0b"), "0x22: integer does not fit 32 bits"},
		{"i32.const of six bytes", code("41 80 80 80 80 80 00 0b"), "0x22: integer does not fit 32 bits"},
		{"i64.const of 65 bits", code("42 80 80 80 80 80 80 80 80 80 01 0b"), "0x22: integer does not fit 64 bits"},
		{"f64.const cut short", code("44 00 00 00 0b"), "0x22: 8 bytes wanted, 4 left"},
		{"v128.const cut short", code("fd 0c 00 0b"), "0x23: 16 bytes wanted, 2 left"},
		{"br_table with more labels than bytes", code("0e ff ff ff ff 0f 0b"), "0x22: 4294967295 labels do not fit the 1 bytes left"},
		{"select of more types than bytes", code("1c 7f 7f 0b"), "0x22: 127 types do not fit the 2 bytes left"},
		{"select of an unknown type", code("1c 01 40 0b"), "0x23: unknown value type 0x40"},
		{"null of an unknown type", code("d0 6e 0b"), "0x22: unknown reference type 0x6e"},
		{"second memory's size", code("3f 01 0b"), "0x22: more than one memory is not supported"},
		{"copy to a second memory", code("fc 0a 00 01 0b"), "0x24: more than one memory is not supported"},
		{"load from a second memory", code("28 42 01 00 0b"), "0x22: alignment 2^66 is not supported"},
		{"body longer than its section", module("03 02 01 00 0a 04 01 09 00 0b"), "0x1e: 9 bytes wanted, 2 left"},
		{"SIMD opcode in two bytes for one", code("fd 8c 00" + strings.Repeat("00", 16) + "0b"), "0x21: opcode 0xfd 0x0c is not in its shortest form"},
		{"SIMD opcode in three bytes for two", code("fd 80 81 00 0b"), "0x21: opcode 0xfd 0x80 is not in its shortest form"},
		{"bulk opcode in two bytes for one", code("fc 8b 00 00 0b"), "0x21: opcode 0xfc 0x0b is not in its shortest form"},

		{"more locals than anybody needs", module("03 02 01 00 " + section("0a", "01 08 02 d0 86 03 7f 01 7f 0b")),
			"0x20: 50001 locals, more than 50000"},
		{"four billion locals, twice", module("03 02 01 00 " + section("0a", "01 0e 02 ff ff ff ff 0f 7f ff ff ff ff 0f 7f 0b")),
			"0x20: 8589934590 locals, more than 50000"},
		{"many functions with many locals", module(section("03", "c9 01"+strings.Repeat("00", 201)) +
			section("0a", "c9 01"+strings.Repeat("06 01 d0 86 03 7f 0b", 201))),
			"0x664: more than 10000000 locals in all functions"},
		{"a table of a million and one", module("04 06 01 70 00 c1 84 3d"), "0x19: table of 1000001 elements, more than 1000000"},
		{"seventeen tables", module(section("04", "11"+strings.Repeat("70 00 00", 17))), "0x4b: more than 16 tables"},
	} {
		for _, try := range []struct {
			name string
			do   func() error
		}{
			{"Link", func() error { _, err := link.Link(test.module, link.Options{}); return err }},
			{"Meter", func() error { _, err := link.Meter(test.module); return err }},
			{"Imports", func() error { _, err := link.Imports(test.module); return err }},
			{"Check", func() error { return link.Check(test.module, nil) }},
		} {
			if err := try.do(); err == nil || err.Error() != "link: offset "+test.want {
				t.Errorf("%s: %s: error %v, want offset %s", test.name, try.name, err, test.want)
			}
		}
	}
}

// leb writes a length below 128.
func leb(n int) string { return fmt.Sprintf("%02x", n) }

// TestEveryPrefixIsRefused cuts modules off at every byte: a cut between sections may leave a module, everything else must
// be an error, and nothing may panic.
func TestEveryPrefixIsRefused(t *testing.T) {
	for _, name := range []string{"bare", "dispatch", "costs", "plugin", "wasi"} {
		whole := read(t, name)
		for n := range whole {
			if _, err := link.Meter(whole[:n]); err != nil && !strings.HasPrefix(err.Error(), "link: offset 0x") {
				t.Fatalf("%s cut at %d: %v", name, n, err)
			}
		}
	}
}

// TestDeepNesting: a million blocks must not overflow anything.
func TestDeepNesting(t *testing.T) {
	const depth = 1_000_000
	body := append([]byte{0}, strings.Repeat("\x02\x40", depth)...)
	body = append(body, strings.Repeat("\x0b", depth+1)...)
	m := module("03 02 01 00")
	m = append(m, 0x0a)
	m = appendLength(m, len(body)+5)
	m = append(m, 1)
	m = appendLength(m, len(body))
	m = append(m, body...)
	if _, err := link.Meter(m); err != nil {
		t.Error(err)
	}
}

// appendLength appends n in four bytes.
func appendLength(b []byte, n int) []byte {
	return append(b, byte(n|0x80), byte(n>>7|0x80), byte(n>>14|0x80), byte(n>>21))
}
