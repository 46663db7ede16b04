//go:build unix && !linux

package procgroup

import "syscall"

// prepare makes the command one of a group of its own.
func (g *Group) prepare(bool) (release func()) {
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return func() {}
}

func (g *Group) start() error { return g.cmd.Start() }

// reap waits until the program has ended, and kills what it has left in its group, whose number is not another's as long as somebody is in it.
func (g *Group) reap() {
	_ = g.cmd.Wait()
	g.Kill()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
}
