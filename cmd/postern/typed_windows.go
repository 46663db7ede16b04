package main

import "golang.org/x/sys/windows"

func discardInput(fd uintptr) error { return windows.FlushConsoleInputBuffer(windows.Handle(fd)) }
