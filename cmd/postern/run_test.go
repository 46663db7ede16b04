package main

import (
	"bufio"
	"io"
	"regexp"
	"testing"
)

// What takes longer than the patience says so while it goes on, and how long it took when it is over.
func TestSlow(t *testing.T) {
	r, w := io.Pipe()
	defer r.Close()
	c := &cli{stderr: w}
	done := c.slow("waiting …", "there")
	lines := bufio.NewScanner(r)
	if lines.Scan(); lines.Text() != "postern: waiting …" {
		t.Errorf("%q", lines.Text())
	}
	go done()
	if lines.Scan(); !regexp.MustCompile(`^postern: there in [0-9]+\.[0-9] s$`).MatchString(lines.Text()) {
		t.Errorf("%q", lines.Text())
	}
}
