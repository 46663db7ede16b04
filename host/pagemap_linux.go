package host

import (
	"encoding/binary"
	"os"
	"unsafe"
)

// pagemap tells which pages of this process are its own copies. The format is that of
// https://www.kernel.org/doc/Documentation/admin-guide/mm/pagemap.rst.
type pagemap struct {
	file *os.File // nil: it cannot be asked
}

func openPagemap() pagemap {
	file, err := os.Open("/proc/self/pagemap")
	if err != nil {
		return pagemap{} // no /proc: everything is compared
	}
	return pagemap{file}
}

func (p pagemap) close() error {
	if p.file == nil {
		return nil
	}
	return p.file.Close()
}

const (
	pagemapEntry = 8 // bytes

	pagemapPresent = 1 << 63
	pagemapSwapped = 1 << 62
	pagemapFile    = 1 << 61 // a page of a file, or of shared memory: nobody has written to it
)

// private returns the spans of a range of memory that may differ from the file that is mapped there, or from
// zeros. It is false if that cannot be said.
func (p pagemap) private(address unsafe.Pointer, size uint64) ([]span, bool) {
	if p.file == nil {
		return nil, false
	}
	page := uint64(os.Getpagesize())
	entries := make([]byte, size/page*pagemapEntry)
	if n, err := p.file.ReadAt(entries, int64(uint64(uintptr(address))/page*pagemapEntry)); err != nil || n != len(entries) {
		return nil, false
	}
	var spans []span
	for at := uint64(0); at < size; at += page {
		entry := binary.LittleEndian.Uint64(entries[at/page*pagemapEntry:])
		if entry&pagemapSwapped == 0 && (entry&pagemapPresent == 0 || entry&pagemapFile != 0) {
			continue
		}
		if n := len(spans); n > 0 && spans[n-1].to == at {
			spans[n-1].to = at + page
		} else {
			spans = append(spans, span{at, at + page})
		}
	}
	return spans, true
}
