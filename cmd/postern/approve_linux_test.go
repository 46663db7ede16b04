package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A screen is a terminal for a command: what it shows, and what is typed.
type screen struct {
	file  *os.File
	mu    sync.Mutex
	shown bytes.Buffer
}

// openScreen gives a terminal, and the file that a command has for it.
func openScreen(t *testing.T) (s *screen, command *os.File) {
	t.Helper()
	file, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { file.Close() })
	raw, err := file.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	var failed error
	err = raw.Control(func(fd uintptr) {
		if failed = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); failed == nil {
			number, failed = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil || failed != nil {
		t.Fatal(err, failed)
	}
	command, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { command.Close() })
	s = &screen{file: file}
	go io.Copy(s, file) // until the terminal is closed
	return s, command
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.Write(p)
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.shown.String()
}

func (s *screen) await(t *testing.T, text string, times int) {
	t.Helper()
	for start := time.Now(); strings.Count(s.text(), text) < times; time.Sleep(time.Millisecond) {
		if time.Since(start) > 2*time.Minute {
			t.Fatalf("%q is not there:\n%s", text, s.text())
		}
	}
}

func (s *screen) enter(t *testing.T, line string) {
	t.Helper()
	if _, err := s.file.WriteString(line + "\n"); err != nil {
		t.Fatal(err)
	}
}

// The code asks for something harmless itself, and when that is answered, for something else by way of a call. The first answer does not count.
func TestAnswersToWhatCodePrints(t *testing.T) {
	for answer, want := range map[string]int{"n": exitDenied, "y": exitOK} {
		s, terminal := openScreen(t)
		folder := t.TempDir()
		for name, text := range map[string]string{
			"policy.toml": "policy = 1\nname = \"p\"\naudit.log = \"none\"\n[limits]\nwall_time = \"60s\"\nhost_calls = 1_000_000_000\n" +
				"[grant.fs]\nfunctions = [\"glob\"]\nroots = {files = \"files\"}\n[grant.math]\nfunctions = [\"sqrt\"]\napprove = \"always\"\n",
			"agent.py":   "import fs, math\nprint('Is it a nice day? [y]es, [n]o:', end=' ')\nwhile not fs.glob('files/go'): pass\nmath.sqrt(4)\n",
			"files/none": "",
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(folder, name)), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command := exec.CommandContext(t.Context(), "postern", "run", "--log-level", "error", "--policy", "policy.toml", "agent.py")
		command.Dir = folder
		command.Stdin, command.Stdout, command.Stderr = terminal, terminal, terminal
		command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := command.Start(); err != nil {
			t.Fatal(err)
		}
		s.await(t, "Is it a nice day?", 1)
		s.enter(t, "y")
		s.await(t, "y\r\n", 1) // the terminal has it
		if err := os.WriteFile(filepath.Join(folder, "files", "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		s.await(t, "The agent wants to call math.sqrt", 1)
		s.await(t, "lways in this session: ", 1)
		s.enter(t, answer)
		command.Wait()
		if got := command.ProcessState.ExitCode(); got != want {
			t.Errorf("the question was answered with %s, and the exit code is %d, want %d:\n%s", answer, got, want, s.text())
		}
	}
}
