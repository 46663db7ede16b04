package sql

import "strings"

// skipBlank gives what stands behind spaces, semicolons and comments at the beginning of a text. It serves for messages and to see that
// nothing follows a statement; no right depends on it.
func skipBlank(text string) string {
	for {
		text = strings.TrimLeft(text, " \t\r\n\f\v;")
		switch {
		case strings.HasPrefix(text, "--"):
			_, text, _ = strings.Cut(text, "\n")
		case strings.HasPrefix(text, "/*"):
			_, text, _ = strings.Cut(text, "*/")
		default:
			return text
		}
	}
}

// firstWord gives the first word of a statement in upper case.
func firstWord(text string) string {
	text = skipBlank(text)
	end := strings.IndexFunc(text, func(c rune) bool { return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' })
	if end < 0 {
		end = len(text)
	}
	return strings.ToUpper(text[:end])
}
