//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd && !windows

package main

import "errors"

func discardInput(uintptr) error { return errors.ErrUnsupported }
