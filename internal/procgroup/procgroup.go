// Package procgroup starts a program in a process group of its own, and ends it with what it has started.
package procgroup

import (
	"os/exec"
	"sync"
)

// A Group is a program that was started, and its process group.
type Group struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu     sync.Mutex // of what follows, and of the state of platform
	gone   bool       // the program was waited for: its number may be another's
	system platform
}

// Options are how a program is started.
type Options struct {
	// Tied says that the program, and what it has started, is to be killed when this process ends, however that happens. On Unix a shell in the group waits for
	// that; on Linux, where there is no /bin/sh, the system kills the program alone. What has left the group is not reached. On Windows the system kills all.
	Tied bool

	// Started is called when the program was started, while its number cannot be another's. After an error the program is killed, and Start returns
	// the error. It may be nil.
	Started func(pid int) error
}

// Start starts a program, which has no files but those of the command. When it has ended, what it has left in its group is killed.
func Start(cmd *exec.Cmd, options Options) (*Group, error) {
	g := &Group{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		defer close(g.ended)
		release := g.prepare(options.Tied)
		defer release()
		if err := g.start(); err != nil {
			started <- err
			return
		}
		if options.Tied {
			defer g.tie()()
		}
		var err error
		if options.Started != nil {
			if err = options.Started(cmd.Process.Pid); err != nil {
				g.Kill()
			}
		}
		started <- err
		g.reap()
	}()
	if err := <-started; err != nil {
		<-g.ended
		return nil, err
	}
	return g, nil
}

// Ended is closed when the program has ended and its group was killed. Then cmd.ProcessState says how.
func (g *Group) Ended() <-chan struct{} { return g.ended }

// Terminate asks the group to end, where there is a way to ask, and kills it elsewhere.
func (g *Group) Terminate() { g.signal(false) }

// Kill kills the group.
func (g *Group) Kill() { g.signal(true) }

func (g *Group) signal(kill bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gone {
		g.system.signal(g.cmd, kill)
	}
}

// wait waits for the program, whose number can be another's from then on.
func (g *Group) wait() {
	g.mu.Lock()
	defer g.mu.Unlock()
	_ = g.cmd.Wait() // how it ended is in cmd.ProcessState
	g.gone = true
}
