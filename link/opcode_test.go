package link_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/link"
)

// immediates are what may follow an opcode, with every index 0.
var immediates = []string{
	"", "00", "00 00", "00 00 00", "70", "01 7f", "40 0b",
	"00 00 00 00", strings.Repeat("00", 8), strings.Repeat("00", 16),
}

// instructionGuest is a base guest whose one function has an instruction in code that is never reached, where any operands
// are there. Index 0 is valid in each index space.
func instructionGuest(instruction string) []byte {
	body := "01 01 7f 00 " + instruction + " 00 0b"
	return module(section("02", "01 0c 'postern:link' 04 'call' 00 01") +
		"03 02 01 00 " + "04 04 01 70 00 01 " + "05 03 01 00 01 " + "06 06 01 7f 01 41 00 0b " +
		"07 05 01 01 'f' 00 00 " + "09 05 01 01 00 01 00 " + "0c 01 01 " +
		section("0a", fmt.Sprintf("01 %02x ", len(raw(body)))+body) + "0b 03 01 01 00")
}

// shortest is a SIMD instruction's opcode.
func shortest(op int) string {
	if op < 0x80 {
		return fmt.Sprintf("fd %02x", op)
	}
	return fmt.Sprintf("fd %02x %02x", op&0x7f|0x80, op>>7)
}

// TestRelaxedSIMDIsRefused: wazero reads these as an instruction of one byte less and something after it.
func TestRelaxedSIMDIsRefused(t *testing.T) {
	for op := 0x100; op < 0x140; op++ {
		_, err := link.Meter(instructionGuest(shortest(op)))
		if want := fmt.Sprintf("link: offset 0x61: unknown instruction 0xfd 0x%02x", op); err == nil || err.Error() != want {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestInstructionsAreThoseOfWebAssembly2 compares the decoder with wazero's on all opcodes: each that wazero
// compiles must be decoded, with the same immediates, so that what comes out compiles again; each that it does not know must
// be refused.
func TestInstructionsAreThoseOfWebAssembly2(t *testing.T) {
	r := newRuntime(t)
	compiles := func(module []byte) bool {
		m, err := r.CompileModule(t.Context(), module)
		if err != nil {
			return false
		}
		m.Close(t.Context())
		return true
	}
	var opcodes []string
	for op := range 0xfc {
		opcodes = append(opcodes, fmt.Sprintf("%02x", op))
	}
	for op := range 0x20 {
		opcodes = append(opcodes, fmt.Sprintf("fc %02x", op))
	}
	for op := range 0x100 {
		opcodes = append(opcodes, shortest(op))
	}
	structure := []string{"05", "0b"} // else and end, which cannot stand alone
	accepted := 0
	for _, op := range opcodes {
		known, compiled := false, false
		for _, immediate := range immediates {
			base := instructionGuest(op + immediate)
			metered, err := link.Meter(base)
			known = known || err == nil || !strings.Contains(err.Error(), "unknown instruction")
			if !compiles(base) {
				continue
			}
			compiled = true
			if err != nil {
				t.Errorf("%s %s: %v", op, immediate, err)
				continue
			}
			linked := mustLink(t, base, link.Options{Functions: []string{"a_b", "c_d"}, Meter: true})
			if !compiles(metered) || !compiles(linked) {
				t.Errorf("%s %s: what came out does not compile", op, immediate)
			}
		}
		if slices.Contains(structure, op) {
			continue
		}
		if known != compiled {
			t.Errorf("%s: decoded %v, compiled by wazero %v", op, known, compiled)
		}
		if known {
			accepted++
		}
	}
	// 183 plain instructions less else and end, 18 after 0xfc, 236 after 0xfd.
	if want := 183 - 2 + 18 + 236; accepted != want {
		t.Errorf("%d instructions, want %d", accepted, want)
	}
}
