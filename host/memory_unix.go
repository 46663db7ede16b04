//go:build linux || darwin

package host

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guestMemory is a linear memory: a range of addresses as long as it may ever become, of which the first used bytes
// can be used. It never moves. It begins as the image's bytes, which come from the file when they are first touched and
// are copied only when the guest writes to them; or, when there is no image, as initial. Where the delta says so it differs.
type guestMemory struct {
	image   *image
	begin   *delta // nil: the image as it is
	initial []byte
	limit   uint64 // bytes that it may have, if that is fewer than its module could take; 0: no such limit
	refused bool   // the guest has asked for more than limit

	address unsafe.Pointer
	max     uint64
	used    uint64
}

// reserve takes the addresses. Nothing of them counts as memory yet.
func (m *guestMemory) reserve(max uint64) error {
	max = m.most(max)
	address, err := unix.MmapPtr(-1, 0, nil, uintptr(max), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return fmt.Errorf("host: reserve %d bytes of addresses: %w", max, err)
	}
	m.address, m.max = address, max
	if err := m.fill(); err != nil {
		m.Free()
		return err
	}
	return nil
}

// fill makes the memory what it begins as.
func (m *guestMemory) fill() error {
	if m.image == nil {
		m.Reallocate(uint64(len(m.initial)))
		if m.used < uint64(len(m.initial)) {
			return fmt.Errorf("host: the memory limit is below the guest's first %d bytes", len(m.initial))
		}
		copy(m.bytes(), m.initial)
		return nil
	}
	if m.image.size > m.max {
		return fmt.Errorf("host: the memory limit is below the %d bytes that the guest has when it has started", m.image.size)
	}
	_, err := unix.MmapPtr(int(m.image.file.Fd()), 0, m.address, uintptr(m.image.size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|mapNoReserve)
	if err != nil {
		return fmt.Errorf("host: map the guest's image: %w", err)
	}
	m.used = m.image.size
	if m.begin != nil {
		if err := m.begin.check(m.image, m.max); err != nil {
			return err
		}
		if m.Reallocate(m.begin.size) == nil {
			return errors.New("host: no memory for the session")
		}
		m.begin.write(m.bytes())
	}
	return nil
}

// Reallocate implements experimental.LinearMemory. The memory can be longer than asked for, never shorter.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > m.max {
		m.refused = m.limit > 0
		return nil
	}
	if size > m.used {
		more := unsafe.Slice((*byte)(unsafe.Add(m.address, m.used)), size-m.used)
		if err := unix.Mprotect(more, unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil // to the guest, memory.grow has failed
		}
		m.used = size
	}
	return m.bytes()
}

// Free implements experimental.LinearMemory.
func (m *guestMemory) Free() {
	if m.address != nil {
		unix.MunmapPtr(m.address, uintptr(m.max))
		m.address = nil
	}
}

func (m *guestMemory) bytes() []byte { return unsafe.Slice((*byte)(m.address), m.used) }

func (m *guestMemory) size() uint64 { return m.used }

// changed returns where the memory may differ from the image.
func (m *guestMemory) changed() []span {
	if spans, ok := m.image.pagemap.private(m.address, m.used); ok {
		return spans
	}
	return []span{{0, m.used}}
}

// keptBytes is how much of what a guest has written stays its own copy when its memory is put back: the next session is likely to
// write there, too, and copying a page that is there costs a tenth of having it made.
const keptBytes = mib

// restore puts the memory back to what first says, and zeros behind it; first is the image, if there is one. It is false if it
// cannot tell what to put back, and then nothing has changed.
func (m *guestMemory) restore(pages pagemap, first []byte) bool {
	spans, ok := pages.private(m.address, m.used)
	if !ok {
		return false
	}
	memory, kept := m.bytes(), uint64(0)
	for _, s := range spans {
		if kept += s.to - s.from; kept > keptBytes && m.image != nil {
			if unix.Madvise(memory[s.from:s.to], unix.MADV_DONTNEED) == nil {
				continue // it is the file's again
			}
		}
		n := 0
		if s.from < uint64(len(first)) {
			n = copy(memory[s.from:s.to], first[s.from:])
		}
		clear(memory[s.from+uint64(n) : s.to])
	}
	return true
}

// An image is what a guest's memory holds after its start. Its file is read-only to everyone from then on, and must stay open as
// long as memories are made from it.
type image struct {
	file    *os.File
	size    uint64 // bytes of memory: whole pages of 64 KiB
	state   []uint64
	digest  string // of memory and state, "sha256:…"
	bytes   []byte // the file's memory, to compare with
	pagemap pagemap
}

func openImage(file *os.File, size uint64, state []uint64, digest string) (*image, error) {
	bytes, err := unix.Mmap(int(file.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE|mapNoReserve)
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("host: map the guest's image: %w", err)
	}
	return &image{file: file, size: size, state: state, digest: digest, bytes: bytes, pagemap: openPagemap()}, nil
}

func (i *image) close() error {
	return errors.Join(unix.Munmap(i.bytes), i.pagemap.close(), i.file.Close())
}
