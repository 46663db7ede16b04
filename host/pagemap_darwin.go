package host

import "unsafe"

// pagemap would tell which pages are this process's own copies; here nobody can be asked.
type pagemap struct{}

func openPagemap() pagemap { return pagemap{} }

func (pagemap) close() error { return nil }

func (pagemap) private(unsafe.Pointer, uint64) ([]span, bool) { return nil, false }
