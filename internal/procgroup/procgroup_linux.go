package procgroup

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// prepare makes the command one of a group of its own.
func (g *Group) prepare(tied bool) (release func()) {
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if !tied {
		return func() {}
	}
	// The signal comes when the thread that has started the program ends: it must live as long.
	runtime.LockOSThread()
	g.cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}

func (g *Group) start() error {
	// What this process has inherited or opened without close-on-exec would otherwise be the program's too.
	if err := unix.CloseRange(3, math.MaxInt32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return fmt.Errorf("procgroup: Linux 5.11 or later is needed: close_range: %w", err)
	}
	return g.cmd.Start()
}

// reap waits until the program has ended, kills what it has left in its group, and gives back the number.
func (g *Group) reap() {
	for errors.Is(unix.Waitid(unix.P_PID, g.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil), unix.EINTR) {
	}
	g.Kill()
	g.wait()
}
