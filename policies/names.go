package policies

import (
	"fmt"
	"strconv"
	"unicode"
	"unicode/utf8"
)

const (
	maxName   = 64   // characters of a policy's, family's or function's name
	maxModule = 128  // characters of a module's dotted name
	maxLog    = 1024 // bytes of the audit log's folder
)

// quote is %q that cuts what is too long for a message.
func quote(text string) string {
	const most = 60
	if utf8.RuneCountInString(text) > most {
		text = string([]rune(text)[:most]) + "…"
	}
	return strconv.Quote(text)
}

// pathKey is a key as it is written in a path, "grant.math". What is not
// evidently a name is quoted and cut, since the path is part of each message
// about what the table holds.
func pathKey(name string) string {
	bare := alphabet(func(r rune, _ bool) bool { return isLetter(r) || isDigit(r) || r == '_' || r == '-' })
	if bare.matches(name) {
		return name
	}
	return quote(name)
}

// printable returns a text that is safe to show: as it is or, if it holds what
// a terminal would obey and not show, with that and quotes and backslashes
// escaped.
func printable(text string) string {
	for _, r := range text {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			quoted := strconv.Quote(text)
			return quoted[1 : len(quoted)-1]
		}
	}
	return text
}

// An alphabet tells whether a character may stand at a place of a name.
type alphabet func(r rune, first bool) bool

func isLower(r rune) bool { return 'a' <= r && r <= 'z' }
func isDigit(r rune) bool { return '0' <= r && r <= '9' }

func isLetter(r rune) bool { return isLower(r) || 'A' <= r && r <= 'Z' }

// The grammars. Those of families and functions are the ABI's: they make
// FAMILY_FUNCTION an unambiguous name of a wasm import.
var (
	// A policy's name is for people. IsPrint leaves out what could change how a terminal shows the rest of a line:
	// controls, and marks of direction.
	policyName = alphabet(func(r rune, first bool) bool {
		return unicode.IsPrint(r) && !(first && r == ' ')
	})
	familyName = alphabet(func(r rune, first bool) bool {
		return isLower(r) || !first && isDigit(r)
	})
	functionName = alphabet(func(r rune, first bool) bool {
		return isLower(r) || !first && (isDigit(r) || r == '_')
	})
	moduleName = alphabet(func(r rune, first bool) bool {
		return isLetter(r) || r == '_' || !first && isDigit(r)
	})
)

// mistake returns the offset of the first byte at which a name is wrong, or -1.
func (a alphabet) mistake(name string) int {
	for i, r := range name {
		if !a(r, i == 0) {
			return i
		}
	}
	if name == "" {
		return 0
	}
	return -1
}

// matches reports whether the name is right, and not too long.
func (a alphabet) matches(name string) bool {
	return len(name) <= maxName && a.mistake(name) < 0
}

// character describes what stands at an offset of a text.
func character(text string, offset int) string {
	r, _ := utf8.DecodeRuneInString(text[offset:])
	return fmt.Sprintf("%q", r)
}
