package link_test

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// raw turns hexadecimal bytes and 'quoted text', with spaces between them, into bytes.
func raw(text string) []byte {
	var out []byte
	for n, part := range strings.Split(text, "'") {
		if n%2 == 1 {
			out = append(out, part...)
			continue
		}
		b, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		if err != nil {
			panic(fmt.Sprintf("%q: %v", text, err))
		}
		out = append(out, b...)
	}
	return out
}

// header begins each module; types, the first section of those that module makes, are (i64) -> i64 and (i32 i64) -> i64.
const (
	header = "00 'asm' 01 00 00 00 "
	types  = "01 0c 02 60 01 7e 01 7e 60 02 7f 7e 01 7e "
)

// module makes a module of a header, the types and what text says.
func module(text string) []byte { return raw(header + types + text) }

// section makes a section of less than 2 MiB.
func section(id, body string) string {
	n := len(raw(body))
	return fmt.Sprintf("%s %02x %02x %02x ", id, n&0x7f|0x80, n>>7&0x7f|0x80, n>>14) + body
}
