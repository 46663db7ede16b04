package sql

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgtype"
)

// Whatever a server sends as an array is read, or shown as it is.
func FuzzArray(f *testing.F) {
	for _, text := range []string{"{}", "{1,NULL,3}", `{"a\\"b",c}`, "{{1,2},{3}}", "[0:1]={1,2}", "{", "}", `{"`, "{{{{{{{{{", "{,,,}", `{\\`} {
		f.Add([]byte(text))
	}
	types := pgtype.NewMap()
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, oid := range []uint32{pgtype.TextArrayOID, pgtype.Int8ArrayOID, pgtype.TimestamptzArrayOID, pgtype.JSONBOID, pgtype.ByteaOID, pgtype.TimeOID} {
			pgValue(types, oid, raw)
		}
	})
}

// What is skipped before a statement is blank: a statement never begins with it.
func FuzzSkipBlank(f *testing.F) {
	for _, text := range []string{"", "SELECT 1", " ;-- x\n/* y */ SELECT", "/*", "--"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rest := skipBlank(text)
		if !strings.HasSuffix(text, rest) || skipBlank(rest) != rest || strings.HasPrefix(rest, "--") || strings.HasPrefix(rest, "/*") {
			t.Errorf("%q leaves %q", text, rest)
		}
	})
}
