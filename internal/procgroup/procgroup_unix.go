//go:build unix

package procgroup

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

type platform struct{}

func (platform) signal(cmd *exec.Cmd, kill bool) {
	signal := unix.SIGTERM
	if kill {
		signal = unix.SIGKILL
	}
	_ = unix.Kill(-cmd.Process.Pid, signal)
}

// tie puts a shell into the group that reads from a pipe, whose other end only this process has. When this process ends, however that happens, the shell kills
// its group. Without a shell there is no such guard.
func (g *Group) tie() (release func()) {
	theirs, ours, err := os.Pipe()
	if err != nil {
		return func() {}
	}
	defer theirs.Close()
	guard := &exec.Cmd{
		Path: "/bin/sh", Args: []string{"sh", "-c", "read end; kill -9 0"}, Env: []string{}, Dir: "/", Stdin: theirs,
		SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pgid: g.cmd.Process.Pid},
	}
	if guard.Start() != nil {
		ours.Close()
		return func() {}
	}
	return func() {
		_ = guard.Wait() // it was killed with its group
		ours.Close()
	}
}
