// Package fold finds names that one program tells apart and another does not.
package fold

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Key gives names the same key that some program takes for the same name: names in capitals and small letters, as encoding/json of Go, Java and C# can read members of objects (by Unicode's simple
// and its full case folding, so that KELVIN SIGN is k, ſ is s and ß is ss; and İ and ı are i), and in other normalisation forms, which are equal in Swift. Names that nobody confuses have different
// keys. It takes time and memory in proportion to the name, and a key is at most nine times as long.
func Key(name string) string {
	if isASCII(name) {
		return strings.ToLower(name)
	}
	// Simple folding first: what is equal under it must be, whatever the others make of it.
	name = strings.Map(simple, norm.NFC.String(name))
	return norm.NFC.String(cases.Fold().String(name))
}

func isASCII(name string) bool {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// simple gives the least of the characters that are one in capitals and small letters.
func simple(r rune) rune {
	r = unicode.ToLower(unicode.ToUpper(r))
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
