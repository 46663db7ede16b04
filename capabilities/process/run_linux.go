package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/internal/procgroup"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// run runs the program in a folder of its own, which is removed when it has ended, and kills all of its process group then.
//
// What it reads and writes are files in that folder and not pipes: a process that is left over holds nobody up, and the system bounds
// what is written.
func (p *plan) run(ctx context.Context, scope policies.Scope) (result any, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "postern-process-")
	if err != nil {
		return nil, err
	}
	defer remove(ctx, folder)
	for name, content := range p.files {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			return nil, err
		}
	}
	streams, err := openStreams(p.stdin)
	if err != nil {
		return nil, err
	}
	defer streams.close()
	cmd := &exec.Cmd{
		Path: p.argv[0], Args: p.argv, Dir: folder, Env: environment(folder),
		Stdin: streams.stdin, Stdout: streams.stdout, Stderr: streams.stderr,
	}
	group, err := procgroup.Start(cmd, procgroup.Options{Started: func(pid int) error { return setLimits(ctx, pid, scope) }})
	if err != nil {
		return nil, p.startError(err)
	}
	if err := wait(ctx, group); err != nil {
		return nil, err
	}
	return p.result(cmd.ProcessState, streams, scope.Number("max_output"))
}

// environment is all that a program knows of its surroundings.
func environment(folder string) []string {
	return []string{"PATH=/usr/local/bin:/usr/bin:/bin", "HOME=" + folder, "TMPDIR=" + folder, "PWD=" + folder, "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC"}
}

// startError says why a program could not be started, without the paths of this machine but the one that the policy names.
func (p *plan) startError(err error) error {
	var failed *fs.PathError
	var number syscall.Errno
	if !errors.As(err, &failed) || !errors.As(err, &number) {
		return err
	}
	class := "OSError"
	switch number {
	case syscall.ENOENT:
		class = "FileNotFoundError"
	case syscall.EACCES:
		class = "PermissionError"
	}
	return capabilities.Raise(class, "the program of the command %s cannot be started: %v", p.command, number)
}

// wait waits until the program has ended or ctx is done, and kills its process group.
func wait(ctx context.Context, group *procgroup.Group) error {
	select {
	case <-group.Ended():
		return nil
	case <-ctx.Done():
	}
	group.Kill()
	select {
	case <-group.Ended():
	case <-time.After(killGrace): // the system has not let go of it; it dies when that does
	}
	return ctx.Err()
}

// killGrace is how long a killed program is waited for.
const killGrace = 30 * time.Millisecond

// remove removes a folder, and does not wait for it when ctx is done: a program can leave a great many files.
func remove(ctx context.Context, folder string) {
	removed := make(chan struct{})
	go func() {
		defer close(removed)
		_ = os.RemoveAll(folder)
	}()
	select {
	case <-removed:
	case <-ctx.Done():
	}
}

// setLimits bounds a process that has just started, and those that it starts from now on. One that has ended needs none.
func setLimits(ctx context.Context, pid int, scope policies.Scope) error {
	cpu := uint64(24 * 60 * 60)
	if deadline, ok := ctx.Deadline(); ok {
		cpu = uint64(max(time.Until(deadline).Seconds(), 0)) + 2 // what has left its group ends too, some time
	}
	for _, limit := range []struct {
		resource int
		most     uint64
	}{
		{unix.RLIMIT_AS, uint64(scope.Number("memory"))},
		{unix.RLIMIT_FSIZE, uint64(scope.Number("max_output")) + 1}, // one more tells that it is too much
		{unix.RLIMIT_CORE, 0},
		{unix.RLIMIT_NOFILE, 256},
		{unix.RLIMIT_CPU, cpu},
	} {
		err := unix.Prlimit(pid, limit.resource, &unix.Rlimit{Cur: limit.most, Max: limit.most}, nil)
		if errors.Is(err, unix.ESRCH) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("process: limit a process: %w", err)
		}
	}
	return nil
}

// streams are a program's standard streams: files without names.
type streams struct{ stdin, stdout, stderr *os.File }

func openStreams(stdin []byte) (s streams, err error) {
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	for _, f := range []**os.File{&s.stdin, &s.stdout, &s.stderr} {
		if *f, err = os.CreateTemp("", "postern-process-stream-"); err != nil {
			return s, err
		}
		if err = os.Remove((*f).Name()); err != nil {
			return s, err
		}
	}
	if _, err = s.stdin.Write(stdin); err != nil {
		return s, err
	}
	_, err = s.stdin.Seek(0, io.SeekStart)
	return s, err
}

func (s streams) close() {
	for _, f := range []*os.File{s.stdin, s.stdout, s.stderr} {
		if f != nil {
			f.Close()
		}
	}
}

// result makes what Python gets. guest/src/lib/_postern_process.py makes an object of it.
func (p *plan) result(state *os.ProcessState, s streams, most int64) (any, error) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok {
		return nil, errors.New("process: no status")
	}
	code := status.ExitStatus()
	if status.Signaled() {
		code = -int(status.Signal())
	}
	d := new(values.Dict)
	d.SetString("command", p.command)
	d.SetString("returncode", int64(code))
	for _, stream := range []struct {
		name string
		file *os.File
	}{{"stdout", s.stdout}, {"stderr", s.stderr}} {
		content, err := io.ReadAll(io.NewSectionReader(stream.file, 0, most+1))
		if err != nil {
			return nil, err
		}
		if int64(len(content)) > most {
			return nil, capabilities.Raise("process.TooLarge", "%s of the command %s is larger than %d bytes (max_output of [grant.process])", stream.name, p.command, most)
		}
		if isText(content) {
			d.SetString(stream.name, string(content))
		} else {
			d.SetString(stream.name, values.Bytes(content))
		}
	}
	return d, nil
}

// isText reports whether what a program wrote is UTF-8, and such as crosses as a str without growing much.
func isText(content []byte) bool {
	return utf8.Valid(content) && !strings.ContainsFunc(string(content), func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' })
}
