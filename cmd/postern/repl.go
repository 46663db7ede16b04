package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"golang.org/x/term"

	"github.com/postern-sandbox/postern/host"
)

const replUsage = "repl [--policy F] [--session F]"

func (c *cli) repl(args []string) int {
	f := c.newFlags(replUsage, `Runs Python interactively under a policy, as python does: a value is printed, and a block ends with an empty line. Ctrl-C stops what
runs, Ctrl-D ends. Code that had to be stopped by force never happened: the session is as it was before it.`)
	policyPath := f.String("policy", "", "the policy `FILE`")
	sessionPath := f.String("session", "", "go on with the session in `FILE`, and keep it there; a new one if there is no such file")
	logger := f.logLevel()
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) > 0 {
		return c.fail(usageError("usage: postern "+replUsage, "repl takes no arguments: `postern run` runs files"))
	}
	log, err := logger()
	if err != nil {
		return c.fail(usageError("", "%v", err))
	}
	// Ctrl-C is for the code, not for this program.
	c.ctx = context.WithoutCancel(c.ctx)
	h, err := c.newHost(*policyPath, "", c.approver(), log)
	if err != nil {
		return c.fail(err)
	}
	err = c.converse(h.Host, *sessionPath)
	if err = errors.Join(err, h.Close()); err != nil {
		return c.fail(err)
	}
	return exitOK
}

// converse reads, runs and prints until the input ends, and then keeps the session if it has a file.
func (c *cli) converse(h *host.Host, sessionPath string) (err error) {
	session, kept, err := c.session(h, sessionPath)
	if err != nil {
		return err
	}
	if kept != nil {
		defer kept.unlock()
	}
	defer func() { err = errors.Join(err, session.Close()) }()
	in := c.newLines()
	for {
		code, err := c.readCode(in, session)
		if errors.Is(err, io.EOF) {
			if in.prompt {
				fmt.Fprintln(c.stdout) // behind the last prompt
			}
			break
		}
		if err != nil {
			return err
		}
		if err := c.evaluate(session, code); err != nil {
			return err
		}
	}
	if kept != nil {
		return kept.save(session)
	}
	return nil
}

// lines reads lines: with editing and history on a terminal, plainly elsewhere, without prompts.
type lines struct {
	read   func(prompt string) (string, error)
	prompt bool
}

func (c *cli) newLines() lines {
	in, inOK := c.stdin.(*os.File)
	out, outOK := c.stdout.(*os.File)
	if !inOK || !outOK || !term.IsTerminal(int(in.Fd())) || !term.IsTerminal(int(out.Fd())) {
		reader := bufio.NewReader(c.stdin)
		return lines{read: func(string) (string, error) {
			line, err := readLine(reader)
			return strings.TrimRight(string(line), "\r\n"), err
		}}
	}
	editor := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in, out}, "")
	return lines{prompt: true, read: func(prompt string) (string, error) {
		// Raw only while a line is read, so that Ctrl-C is a signal while code runs.
		before, err := term.MakeRaw(int(in.Fd()))
		if err != nil {
			return "", err
		}
		defer term.Restore(int(in.Fd()), before)
		editor.SetPrompt(prompt)
		return editor.ReadLine()
	}}
}

// readCode reads lines until they are a whole statement or block.
func (c *cli) readCode(in lines, s *host.Session) (string, error) {
	var code strings.Builder
	block := false
	for prompt := ">>> "; ; prompt = "... " {
		line, err := in.read(prompt)
		if err != nil {
			if errors.Is(err, io.EOF) && strings.TrimSpace(code.String()) != "" && !in.prompt {
				return code.String(), nil
			}
			return "", err
		}
		if code.Len() == 0 && strings.TrimSpace(line) == "" {
			return "", nil
		}
		fmt.Fprintln(&code, line)
		trimmed := strings.TrimSpace(line)
		block = block || strings.HasSuffix(trimmed, ":") || strings.HasPrefix(trimmed, "@") || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")
		if block && trimmed != "" {
			continue
		}
		if more, err := c.unfinished(s, code.String()); err != nil || !more {
			return code.String(), err
		}
	}
}

// unfinished reports whether code ends within brackets, a long string or a line that goes on. Brackets and strings are the compiler's to
// tell: it gets the code with a return behind it, which is a mistake in a module, so that the code is compiled and never run.
func (c *cli) unfinished(s *host.Session, code string) (bool, error) {
	if strings.HasSuffix(code, "\\\n") {
		return true, nil
	}
	if !strings.ContainsAny(code, "([{") && !strings.Contains(code, `"""`) && !strings.Contains(code, "'''") {
		return false, nil
	}
	r, err := s.Exec(c.ctx, code+"\nreturn\n", host.ExecOptions{Filename: "<stdin>"})
	if err == nil {
		err = keep(s)
	}
	if err != nil || r.Error == nil {
		return false, err
	}
	return strings.Contains(r.Error.Message, "was never closed") || strings.Contains(r.Error.Message, "unterminated triple-quoted"), nil
}

// evaluate runs code and prints what came of it. Its own mistakes are no error.
func (c *cli) evaluate(s *host.Session, code string) error {
	if strings.TrimSpace(code) == "" {
		return nil
	}
	ctx, stop := signal.NotifyContext(c.ctx, os.Interrupt)
	shown := &printer{cli: c}
	result, err := s.Exec(ctx, code, host.ExecOptions{Filename: "<stdin>", Output: shown.output()})
	stop()
	switch {
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(c.stderr, "KeyboardInterrupt")
	case err != nil:
		return err
	default:
		if err := shown.end(result); err != nil {
			return err
		}
		if result.Repr != nil && *result.Repr != "None" {
			if shown.write(c.stdout, *result.Repr+"\n"); shown.err != nil {
				return shown.err
			}
		}
	}
	switch {
	case s.Lost():
		fmt.Fprintln(c.stderr, "postern: the code was stopped by force, and there was no state to go back to: this is a new session")
		return s.Reset(c.ctx)
	case result != nil && result.Restored:
		fmt.Fprintln(c.stderr, "postern: the code was stopped by force: the session is as it was before")
	}
	return keep(s)
}

// keep makes what the session is now the state that it falls back to. While code has files open, and when a tool remembers something, that is not possible.
func keep(s *host.Session) error {
	if err := s.Checkpoint(); !errors.Is(err, host.ErrOpenFiles) && !errors.Is(err, host.ErrToolState) {
		return err
	}
	return nil
}
