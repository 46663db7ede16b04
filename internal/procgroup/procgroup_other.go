//go:build !unix && !windows

package procgroup

import "os/exec"

type platform struct{}

func (g *Group) prepare(bool) (release func()) { return func() {} }

func (g *Group) tie() (release func()) { return func() {} }

func (g *Group) start() error { return g.cmd.Start() }

func (g *Group) reap() {
	_ = g.cmd.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
}

func (platform) signal(cmd *exec.Cmd, _ bool) { _ = cmd.Process.Kill() }
