package mcpclient

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/postern-sandbox/postern/internal/procgroup"
	"github.com/postern-sandbox/postern/policies"
)

// A command is a server that was started, and is spoken with over its standard streams.
type command struct {
	logger hclog.Logger
	guard  *guard
	name   string
	cmd    *exec.Cmd
	group  *procgroup.Group

	secrets *secrets

	stdin          *os.File
	stdout, stderr *os.File
	outgoing       chan outgoing
	incoming       chan incoming
	closed         chan struct{} // when no more is read and written
	listened       chan struct{} // closed when stderr was read to its end
	closing        sync.Once
	ending         sync.Once

	mu        sync.Mutex
	lastWords []string // of stderr
}

type outgoing struct {
	line    []byte
	written chan error
}

type incoming struct {
	message jsonrpc.Message
	err     error
}

// How long a server has to end by itself when its input has ended, and when it was asked to.
const endPatience = 2 * time.Second

// newCommand prepares a command.
func newCommand(server *policies.Server, config Config) (*command, error) {
	program, err := findProgram(server.Command[0], server.Folder)
	if err != nil {
		return nil, &hinted{err, "command names the program, and its arguments each as a string of its own"}
	}
	environment, err := environment(server, config)
	if err != nil {
		return nil, err
	}
	return &command{
		logger: config.Logger, name: server.Command[0], secrets: config.secrets,
		cmd:      &exec.Cmd{Path: program, Args: server.Command, Dir: server.Folder, Env: environment},
		outgoing: make(chan outgoing), incoming: make(chan incoming), closed: make(chan struct{}), listened: make(chan struct{}),
	}, nil
}

// findProgram finds a program by its name in PATH, or by its path, which is relative to the policy's folder.
func findProgram(name, folder string) (string, error) {
	if !strings.ContainsRune(name, '/') && !strings.ContainsRune(name, filepath.Separator) {
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("there is no program %q in PATH", name)
		}
		return filepath.Abs(path)
	}
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(folder, name)
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return "", fmt.Errorf("%s cannot be started: %w", name, cause(err))
	}
	return filepath.Abs(found)
}

// inherited are the variables that a server needs to find anything, and gets without being named.
func inherited() []string {
	if runtime.GOOS == "windows" {
		return []string{"HOME", "PATH", "PATHEXT", "SYSTEMROOT", "TEMP", "USERPROFILE"}
	}
	return []string{"HOME", "PATH"}
}

// environment is all variables that a server gets.
func environment(server *policies.Server, config Config) ([]string, error) {
	var list []string
	set := func(name, value string) { list = append(list, name+"="+value) }
	for _, name := range inherited() {
		_, own := server.Env[name]
		if value, ok := config.Environment(name); ok && !own && !slices.Contains(server.EnvFrom, name) {
			set(name, value)
		}
	}
	for name, value := range server.Env {
		set(name, value)
	}
	for _, name := range server.EnvFrom {
		value, ok := config.Environment(name)
		if !ok {
			return nil, &hinted{fmt.Errorf("the variable %s, which env_from names, is not set", name), "set it in the environment that postern is started with"}
		}
		set(name, value)
	}
	slices.Sort(list)
	return list, nil
}

// Connect implements [mcp.Transport].
func (c *command) Connect(context.Context) (mcp.Connection, error) { return c, nil }

// start starts the server.
func (c *command) start(g *guard) error {
	c.guard = g
	var theirs []*os.File
	pipe := func(ours **os.File, reading bool) (end *os.File, err error) {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		if *ours, end = w, r; reading {
			*ours, end = r, w
		}
		theirs = append(theirs, end)
		return end, nil
	}
	defer func() {
		for _, file := range theirs {
			file.Close()
		}
	}()
	stdin, err := pipe(&c.stdin, false)
	if err != nil {
		return err
	}
	stdout, err := pipe(&c.stdout, true)
	if err != nil {
		return errors.Join(err, c.stdin.Close())
	}
	stderr, err := pipe(&c.stderr, true)
	if err != nil {
		return errors.Join(err, c.stdin.Close(), c.stdout.Close())
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = stdin, stdout, stderr
	if c.group, err = procgroup.Start(c.cmd, procgroup.Options{Tied: true}); err != nil {
		return errors.Join(fmt.Errorf("%s cannot be started: %w", c.name, cause(err)), c.stdin.Close(), c.stdout.Close(), c.stderr.Close())
	}
	go c.read()
	go c.write()
	go c.listen()
	return nil
}

// cause is the reason of an error without the path.
func cause(err error) error {
	var path *os.PathError
	var search *exec.Error
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &search):
		return search.Err
	}
	return err
}

// read reads messages, each a line. A line that does not begin as an object is the server's own noise.
func (c *command) read() {
	lines := bufio.NewReaderSize(c.stdout, 64<<10)
	logged := 0
	for {
		line, skipped, err := c.line(lines)
		trimmed := bytes.TrimSpace(line)
		if err == nil && (len(trimmed) == 0 || trimmed[0] != '{') {
			if len(trimmed) > 0 && logged < maxLogged && c.logger.IsDebug() {
				logged++
				text := c.secrets.text(string(trimmed))
				c.logger.Debug("stdout has what is no message", "line", printable(text[:min(len(text), 200)]))
			}
			continue
		}
		in := incoming{err: err}
		if err == nil {
			if in.message, err = jsonrpc.DecodeMessage(trimmed); err != nil {
				in.err = c.guard.fail(errNotMessage)
			}
		}
		if response, ok := in.message.(*jsonrpc.Response); ok && skipped {
			c.guard.exceeds(response.ID)
		}
		select {
		case c.incoming <- in:
		case <-c.closed:
			return
		}
		if in.err != nil {
			return
		}
	}
}

// line reads a line, and keeps no more than a message may have. One that has more is skipped: the line is what answers the request that it is the answer to, or empty.
func (c *command) line(lines *bufio.Reader) (line []byte, skipped bool, err error) {
	var skip skipper
	for length := 0; ; {
		part, err := lines.ReadSlice('\n')
		length += len(part)
		switch large := int64(length) > c.guard.limit(); {
		case large && (c.guard.listing.Load() || length > maxSkipped):
			return nil, false, c.guard.fail(c.guard.tooLarge())
		case large || skipped:
			if !skipped {
				skip.pass(line)
			}
			skip.pass(part)
			line, skipped = nil, true
		default:
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil:
			return nil, false, io.EOF // the server has ended, or closed its output
		case skipped:
			return skip.answer(), true, nil
		}
		return line, false, nil
	}
}

// write writes messages one after the other. While the server does not read, others wait, as long as they want to.
func (c *command) write() {
	for {
		select {
		case out := <-c.outgoing:
			_, err := c.stdin.Write(out.line)
			out.written <- err
		case <-c.closed:
			return
		}
	}
}

// The bounds of what a server's stderr adds to the log, and what on its stdout is no message.
const (
	maxLogged    = 1000 // lines of one connection, of each
	maxLoggedLen = 1000 // bytes of a line
	keptWords    = 5    // lines that are kept, for messages
)

// listen hands stderr to the log. It is read to its end, whatever is done with it.
func (c *command) listen() {
	defer close(c.listened)
	defer c.stderr.Close()
	lines := bufio.NewReaderSize(c.stderr, 64<<10)
	logged, cut := 0, false
	for {
		part, err := lines.ReadSlice('\n')
		line := c.secrets.text(string(part))
		if text := printable(line[:min(len(line), maxLoggedLen)]); text != "" && !cut {
			if logged++; logged <= maxLogged {
				c.logger.Info("stderr", "line", text)
			} else if logged == maxLogged+1 {
				c.logger.Info("stderr has more lines, which are not logged")
			}
			c.mu.Lock()
			if c.lastWords = append(c.lastWords, text); len(c.lastWords) > keptWords {
				c.lastWords = c.lastWords[1:]
			}
			c.mu.Unlock()
		}
		cut = errors.Is(err, bufio.ErrBufferFull)
		if err != nil && !cut {
			return
		}
	}
}

// Read implements [mcp.Connection].
func (c *command) Read(ctx context.Context) (jsonrpc.Message, error) {
	select {
	case in := <-c.incoming:
		return in.message, in.err
	case <-c.closed:
		return nil, io.EOF
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Write implements [mcp.Connection].
func (c *command) Write(ctx context.Context, m jsonrpc.Message) error {
	line, err := jsonrpc.EncodeMessage(m)
	if err != nil {
		return err
	}
	out := outgoing{append(line, '\n'), make(chan error, 1)}
	select {
	case c.outgoing <- out:
	case <-c.closed:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err = <-out.written:
		return err
	case <-c.closed:
		return io.ErrClosedPipe
	case <-ctx.Done():
		return ctx.Err() // it is written, or the connection ends
	}
}

// Close implements [mcp.Connection]. It ends reading and writing, and the server's input with it.
func (c *command) Close() error {
	c.closing.Do(func() {
		close(c.closed)
		c.stdin.Close()
	})
	return nil
}

// SessionID implements [mcp.Connection].
func (c *command) SessionID() string { return "" }

// end ends the server: by the end of its input, then by SIGTERM, then by SIGKILL, each to all of its group but the first.
func (c *command) end() {
	c.ending.Do(func() {
		c.Close()
		for _, more := range []func(){c.group.Terminate, c.group.Kill} {
			select {
			case <-c.group.Ended():
			case <-time.After(endPatience):
				more()
			}
		}
		<-c.group.Ended()
		c.stdout.Close()
		// What it has written last is still in the pipe. A program that has left the group may hold the other end for ever.
		select {
		case <-c.listened:
		case <-time.After(wordsPatience):
			c.stderr.Close()
		}
	})
}

// words says how the server has ended, if it has, with its last words.
func (c *command) words(err error) error {
	if err != nil && !c.over(err) {
		return err
	}
	patience := time.After(wordsPatience)
	select {
	case <-c.group.Ended():
	case <-patience:
		return errors.New("the server has closed its output")
	}
	select {
	case <-c.listened:
	case <-patience:
	}
	text := "the server has ended"
	if state := c.cmd.ProcessState; state != nil {
		text += " with " + state.String()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.lastWords) > 0 {
		text += "; its last words: " + strings.Join(c.lastWords, " / ")
	}
	return errors.New(text)
}

// over reports whether an error is about streams that have ended.
func (c *command) over(err error) bool {
	ends := []error{io.EOF, io.ErrClosedPipe, os.ErrClosed, syscall.EPIPE, mcp.ErrConnectionClosed}
	return c.guard.failure() != nil || slices.ContainsFunc(ends, func(end error) bool { return errors.Is(err, end) })
}

// wordsPatience is how long a server that has closed its output is waited for, to say how it has ended, and how long the last of its stderr is.
const wordsPatience = time.Second
