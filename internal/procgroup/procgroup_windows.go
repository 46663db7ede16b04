package procgroup

import (
	"os/exec"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// platform is a job: the processes that the program starts belong to it too, and all are killed when the last handle to it is closed, as by the
// end of this process.
type platform struct{ job windows.Handle }

func (g *Group) prepare(bool) (release func()) {
	g.cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP, HideWindow: true}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.system.job != 0 {
			_ = windows.CloseHandle(g.system.job)
			g.system.job = 0
		}
	}
}

func (g *Group) tie() (release func()) { return func() {} }

func (g *Group) start() error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return err
	}
	g.system.job = job
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE},
	}
	if _, err := windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits))); err != nil {
		return err
	}
	if err := g.cmd.Start(); err != nil {
		return err
	}
	// What it starts before it is in the job is not: a moment after its start.
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false, uint32(g.cmd.Process.Pid))
	if err == nil {
		defer windows.CloseHandle(process)
		err = windows.AssignProcessToJobObject(job, process)
	}
	if err != nil {
		_ = g.cmd.Process.Kill()
		_ = g.cmd.Wait()
	}
	return err
}

func (g *Group) reap() {
	_ = g.cmd.Wait()
	g.Kill()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.gone = true
}

// signal kills: there is no way to ask.
func (p platform) signal(*exec.Cmd, bool) {
	if p.job != 0 {
		_ = windows.TerminateJobObject(p.job, 1)
	}
}
