package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"runtime"
	"strings"

	"github.com/postern-sandbox/postern/host"
)

// terminal is the approver of the command line: it asks on the terminal, one question at a time, wherever stdout and stderr go.
type terminal struct {
	free chan struct{} // holds one token: whoever has it may ask

	// Of whoever has the token.
	out   io.Writer   // nil until the first question
	lines chan string // what is typed; closed at its end
}

// approver returns an approver if somebody sits at a terminal, which is so if stdin is one: nil means that nobody can be asked.
func (c *cli) approver() host.Approver {
	if in, ok := c.stdin.(*os.File); !ok || !isTerminal(in) {
		return nil
	}
	t := &terminal{free: make(chan struct{}, 1), lines: make(chan string)}
	t.free <- struct{}{}
	return t
}

// open opens the terminal itself: stdin may have been read to its end.
func (t *terminal) open() error {
	in, out := "/dev/tty", "/dev/tty"
	if runtime.GOOS == "windows" {
		in, out = "CONIN$", "CONOUT$"
	}
	reader, err := os.OpenFile(in, os.O_RDWR, 0)
	if err != nil {
		return errors.New("there is no terminal to ask on")
	}
	writer, err := os.OpenFile(out, os.O_RDWR, 0)
	if err != nil {
		reader.Close()
		return errors.New("there is no terminal to ask on")
	}
	t.out = writer
	go t.read(reader)
	return nil
}

// Approve implements [host.Approver].
func (t *terminal) Approve(ctx context.Context, q host.Question) (host.Answer, error) {
	select {
	case <-t.free:
	case <-ctx.Done():
		return host.Answer{}, ctx.Err()
	}
	defer func() { t.free <- struct{}{} }()
	if t.out == nil {
		if err := t.open(); err != nil {
			return host.Answer{}, err
		}
	}
	fmt.Fprint(t.out, prompt(q))
	for {
		select {
		case <-ctx.Done():
			fmt.Fprintln(t.out)
			return host.Answer{}, ctx.Err()
		case line, open := <-t.lines:
			if !open {
				fmt.Fprintln(t.out)
				return host.Answer{}, errors.New("the terminal was closed")
			}
			answer := host.Answer{By: "terminal (" + userName() + ")"}
			switch strings.ToLower(strings.TrimSpace(line)) {
			case "y", "yes":
				answer.Allow = true
				return answer, nil
			case "n", "no":
				return answer, nil
			case "a", "always":
				answer.Allow, answer.Session = true, true
				return answer, nil
			}
			fmt.Fprint(t.out, "  please answer y, n or a: ")
		}
	}
}

// read passes on what is typed, line by line. It ends with the program: a read of a terminal cannot be given up.
func (t *terminal) read(from io.Reader) {
	defer close(t.lines)
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		t.lines <- line
	}
}

// promptWidth is how much of the arguments is shown: what is longer cannot be read anyway, and could push the question off the screen.
const promptWidth = 1000

func prompt(q host.Question) string {
	arguments := visibleName(string(q.Arguments))
	if runes := []rune(arguments); len(runes) > promptWidth {
		arguments = fmt.Sprintf("%s … (%d characters more)", string(runes[:promptWidth]), len(runes)-promptWidth)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nThe agent wants to call %s (%s)\n", q.Capability, q.Effects)
	fmt.Fprintf(&b, "  arguments  %s\n", arguments)
	fmt.Fprintf(&b, "  policy     %s, %s at %s\n", visibleName(q.Policy), q.Rule, visibleName(q.Position))
	if q.Note != "" {
		fmt.Fprintf(&b, "  note       %s\n", visibleName(q.Note))
	}
	b.WriteString("Allow it? [y]es, [n]o, [a]lways in this session: ")
	return b.String()
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown user"
}
