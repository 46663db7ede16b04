package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"

	"golang.org/x/term"
)

// writeUntrusted writes what the agent's code has printed. On a terminal, what would make it do more than show text is
// made visible: an escape sequence can retitle the window, hide lines, or type into some terminals. Into a file or a
// pipe, everything goes as it is.
func writeUntrusted(w io.Writer, text string) error {
	if file, ok := w.(*os.File); ok && isTerminal(file) {
		text = visible(text)
	}
	_, err := io.WriteString(w, text)
	return err
}

func isTerminal(file *os.File) bool {
	return term.IsTerminal(int(file.Fd()))
}

// visible replaces control characters other than line feed and tab, and marks of direction, by their escapes.
func visible(text string) string {
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\n', r == '\t':
			b.WriteRune(r)
		case unicode.IsControl(r):
			fmt.Fprintf(&b, "\\x%02x", r)
		case unicode.Is(unicode.Bidi_Control, r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// visibleName is visible for what should be one word: line feeds and tabs are escaped too.
func visibleName(text string) string {
	return strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(visible(text))
}
