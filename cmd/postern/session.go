package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/postern-sandbox/postern/host"
)

// A sessionFile is the file in which `run --session` keeps a session from one process to the next. Whoever uses it holds the lock
// beside it, so that two runs go one after the other.
type sessionFile struct {
	path   string
	unlock func()
}

// openSessionFile takes the lock, waiting for whoever has it.
func openSessionFile(path string) (*sessionFile, error) {
	unlock, err := lockedfile.MutexAt(path + ".lock").Lock()
	if err != nil {
		return nil, usageError("", "--session: %w", err)
	}
	return &sessionFile{path, unlock}, nil
}

// session returns a new session, or that of a file if path names one. The file is then locked until its unlock is called.
func (c *cli) session(h *host.Host, path string) (*host.Session, *sessionFile, error) {
	if path == "" {
		s, err := h.NewSession(c.ctx)
		return s, nil, err
	}
	kept, err := openSessionFile(path)
	if err != nil {
		return nil, nil, err
	}
	s, err := kept.load(c, h)
	if err != nil {
		kept.unlock()
		return nil, nil, err
	}
	return s, kept, nil
}

// load returns the session that the file has, or a new one if there is no file.
func (f *sessionFile) load(c *cli, h *host.Host) (*host.Session, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return h.NewSession(c.ctx)
	}
	if err != nil {
		return nil, usageError("", "--session: %w", err)
	}
	defer file.Close()
	s, err := h.Restore(c.ctx, file)
	if err == nil {
		if n, _ := file.Read(make([]byte, 1)); n > 0 {
			err = errors.Join(fmt.Errorf("%w: there is more behind its end", host.ErrNotSaved), s.Close())
		}
	}
	switch {
	case errors.Is(err, host.ErrOtherSession):
		return nil, usageError("a session goes on only under the policy and guest it was saved under; name another file to begin a new one", "%s: %w", f.path, err)
	case errors.Is(err, host.ErrNotSaved):
		return nil, usageError("the file is left as it is; name another one to begin a new session", "%s: %w", f.path, err)
	}
	return s, err
}

// save puts the session into the file, all of it or, if that fails, nothing: then the file has what it had.
func (f *sessionFile) save(s *host.Session) error {
	err := writeFile(f.path, s.Save)
	switch {
	case errors.Is(err, host.ErrToolState):
		return usageError("what a tool with stateful = true remembers is no part of a session; do without stateful in its table, or without --session", "%s: not saved: %w", f.path, err)
	case errors.Is(err, host.ErrOpenFiles):
		return &failure{err: fmt.Errorf("%s: not saved: %w", f.path, err), code: exitRaised, hint: "a file that the code has opened is not part of a session; close it, for instance with a with statement"}
	}
	return err
}

// writeFile writes a file for its owner alone, under another name until it is whole.
func writeFile(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-*")
	if err != nil {
		return err
	}
	err = write(file)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
	}
	return err
}
