package schema

import (
	"strings"
	"unicode"

	"github.com/postern-sandbox/postern/capabilities"
)

func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// functionName is a tool's name as Python writes names of functions: CountVowels is count_vowels, HTTPGet http_get, get-user get_user.
func functionName(original string) string {
	var b strings.Builder
	for i := range len(original) {
		c := original[i]
		switch {
		case isUpper(c):
			if i > 0 && (isLower(original[i-1]) || isDigit(original[i-1]) ||
				isUpper(original[i-1]) && i+1 < len(original) && isLower(original[i+1])) {
				b.WriteByte('_')
			}
			b.WriteByte(c | 0x20)
		case isLower(c) || isDigit(c):
			b.WriteByte(c)
		default:
			b.WriteByte('_')
		}
	}
	name := strings.Trim(squeeze(b.String()), "_")
	if len(name) > maxName {
		name = strings.TrimRight(name[:maxName], "_")
	}
	switch {
	case name == "":
		return "call"
	case isDigit(name[0]):
		return "f" + name
	case capabilities.IsKeyword(name):
		return name + "_"
	}
	return name
}

// squeeze makes one underscore of several.
func squeeze(name string) string {
	for strings.Contains(name, "__") {
		name = strings.ReplaceAll(name, "__", "_")
	}
	return name
}

// parameterName is a member's name as a parameter: as it is where Python can write it so.
func parameterName(original string) string {
	var b strings.Builder
	for i, r := range original {
		switch {
		case r < 0x80 && (isLower(byte(r)) || isUpper(byte(r)) || r == '_'):
			b.WriteRune(r)
		case r < 0x80 && isDigit(byte(r)):
			if i == 0 {
				b.WriteByte('_')
			}
			b.WriteRune(r)
		default:
			b.WriteByte('_')
		}
		if b.Len() >= maxName {
			break
		}
	}
	name := b.String()
	switch {
	case name == "":
		return "_"
	case capabilities.IsKeyword(name) || name == "__debug__":
		return name + "_"
	}
	return name
}

// free gives a name that is not taken yet, and takes it.
func free(name string, taken map[string]bool) string {
	for taken[name] {
		name += "_"
	}
	taken[name] = true
	return name
}

// line makes one line of a text, of at most most bytes, without what a terminal would obey.
func line(text string, most int) string {
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, ""), func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r)
	}), " ")
	return cut(text, most)
}

func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	const mark = "…"
	return strings.ToValidUTF8(text[:most-len(mark)], "") + mark
}
