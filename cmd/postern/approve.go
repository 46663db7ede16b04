package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/postern-sandbox/postern/host"
)

// terminal is the approver of the command line: it asks on the terminal, one question at a time, wherever stdout and stderr go.
type terminal struct {
	shown *atomic.Bool  // that of cli
	free  chan struct{} // holds one token: whoever has it may ask
}

// approver returns an approver if somebody sits at a terminal, which is so if stdin is one: nil means that nobody can be asked.
func (c *cli) approver() host.Approver {
	if in, ok := c.stdin.(*os.File); !ok || !isTerminal(in) {
		return nil
	}
	t := &terminal{shown: &c.shown, free: make(chan struct{}, 1)}
	t.free <- struct{}{}
	return t
}

// openTerminal opens the terminal itself: stdin may have been read to its end.
func openTerminal() (in, out *os.File, err error) {
	from, to := "/dev/tty", "/dev/tty"
	if runtime.GOOS == "windows" {
		from, to = "CONIN$", "CONOUT$"
	}
	if in, err = os.OpenFile(from, os.O_RDWR, 0); err != nil {
		return nil, nil, errors.New("there is no terminal to ask on")
	}
	if out, err = os.OpenFile(to, os.O_RDWR, 0); err != nil {
		in.Close()
		return nil, nil, errors.New("there is no terminal to ask on")
	}
	return in, out, nil
}

// Approve implements [host.Approver].
func (t *terminal) Approve(ctx context.Context, q host.Question) (host.Answer, error) {
	select {
	case <-t.free:
	case <-ctx.Done():
		return host.Answer{}, ctx.Err()
	}
	defer func() { t.free <- struct{}{} }()
	in, out, err := openTerminal()
	if err != nil {
		return host.Answer{}, err
	}
	// To close it ends a read that nobody waits for any more, so that it takes nothing that is typed later.
	defer in.Close()
	defer out.Close()
	lines, reader := make(chan string, 1), bufio.NewReader(in)
	read := func() {
		line, err := reader.ReadString('\n')
		if err != nil {
			close(lines)
			return
		}
		lines <- line
	}
	if t.shown.Load() {
		if err := discardTyped(in); err != nil {
			return host.Answer{}, err
		}
	}
	fmt.Fprint(out, prompt(q))
	for {
		go read()
		select {
		case <-ctx.Done():
			fmt.Fprintln(out)
			return host.Answer{}, ctx.Err()
		case line, open := <-lines:
			if !open {
				fmt.Fprintln(out)
				return host.Answer{}, errors.New("the terminal was closed")
			}
			if answer, ok := answerOf(line); ok {
				return answer, nil
			}
			fmt.Fprint(out, "  please answer y, n or a: ")
		}
	}
}

// discardTyped makes a terminal forget what was typed until now. Code that prints what looks like a question can have somebody answer
// that one, and the answer must not be taken for one to the question that comes next.
func discardTyped(in *os.File) error {
	raw, err := in.SyscallConn() // Fd would make reads that cannot be ended
	if err != nil {
		return err
	}
	var discarded error
	if err := raw.Control(func(fd uintptr) { discarded = discardInput(fd) }); err != nil {
		return err
	}
	if discarded != nil {
		return fmt.Errorf("what was typed before the question cannot be discarded: %w", discarded)
	}
	return nil
}

func answerOf(line string) (answer host.Answer, ok bool) {
	answer.By = "terminal (" + userName() + ")"
	switch strings.ToLower(strings.TrimSpace(line)) {
	case "y", "yes":
		answer.Allow = true
	case "n", "no":
	case "a", "always":
		answer.Allow, answer.Session = true, true
	default:
		return host.Answer{}, false
	}
	return answer, true
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
