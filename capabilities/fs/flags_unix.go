//go:build unix

package fs

import "syscall"

const (
	// noWait opens what may not be a file after all without waiting for its other end, and without making a terminal this process's own.
	noWait = syscall.O_NONBLOCK | syscall.O_NOCTTY
	// folderOnly opens folders only.
	folderOnly = syscall.O_DIRECTORY
)
