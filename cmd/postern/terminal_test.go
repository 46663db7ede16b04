package main

import "testing"

func TestVisible(t *testing.T) {
	for text, want := range map[string]string{
		"plain\ttext\n":         "plain\ttext\n",
		"é 日 😀":                 "é 日 😀",
		"\x1b[31mred\x1b[0m":    `\x1b[31mred\x1b[0m`,
		"\x1b]0;title\x07":      `\x1b]0;title\x07`,
		"over\rwritten":         `over\x0dwritten`,
		"back\b\u009b2J":        `back\x08\x9b2J`,
		"a\u202etxt.exe\u2066":  `a\u202etxt.exe\u2066`,
		"not UTF-8 \xff is one": "not UTF-8 \ufffd is one",
	} {
		if got := visible(text); got != want {
			t.Errorf("visible(%q) = %q, want %q", text, got, want)
		}
	}
}
