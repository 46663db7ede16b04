//go:build linux || darwin

package host

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guestMemory is a guest's linear memory: a range of addresses as long as it may ever become, of which the first size bytes
// can be used. It never moves. It begins as the image's bytes, which come from the file when they are first touched and
// are copied only when the guest writes to them; or as initial, when there is no image yet.
type guestMemory struct {
	image   *image
	initial []byte

	address unsafe.Pointer
	max     uint64
	size    uint64
}

// reserve takes the addresses. Nothing of them counts as memory yet.
func (m *guestMemory) reserve(max uint64) error {
	address, err := unix.MmapPtr(-1, 0, nil, uintptr(max), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|mapNoReserve)
	if err != nil {
		return fmt.Errorf("host: reserve %d bytes of addresses: %w", max, err)
	}
	m.address, m.max = address, max
	if m.image == nil {
		m.Reallocate(uint64(len(m.initial)))
		if m.size < uint64(len(m.initial)) {
			m.Free()
			return fmt.Errorf("host: the memory limit is below the guest's first %d bytes", len(m.initial))
		}
		copy(unsafe.Slice((*byte)(m.address), m.size), m.initial)
		return nil
	}
	if m.image.size > max {
		m.Free()
		return fmt.Errorf("host: the memory limit is below the %d bytes that the guest has when it has started", m.image.size)
	}
	_, err = unix.MmapPtr(int(m.image.file.Fd()), 0, address, uintptr(m.image.size),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_FIXED|mapNoReserve)
	if err != nil {
		m.Free()
		return fmt.Errorf("host: map the guest's image: %w", err)
	}
	m.size = m.image.size
	return nil
}

// Reallocate implements experimental.LinearMemory. The memory can be longer than asked for, never shorter.
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > m.max {
		return nil
	}
	if size > m.size {
		more := unsafe.Slice((*byte)(unsafe.Add(m.address, m.size)), size-m.size)
		if err := unix.Mprotect(more, unix.PROT_READ|unix.PROT_WRITE); err != nil {
			return nil // to the guest, memory.grow has failed
		}
		m.size = size
	}
	return unsafe.Slice((*byte)(m.address), m.size)
}

// Free implements experimental.LinearMemory.
func (m *guestMemory) Free() {
	if m.address != nil {
		unix.MunmapPtr(m.address, uintptr(m.max))
		m.address = nil
	}
}

// An image is what a guest's memory holds after its start. Its file is read-only to everyone from then on, and must stay open as
// long as memories are made from it.
type image struct {
	file  *os.File
	size  uint64 // bytes of memory: whole pages of 64 KiB
	state []uint64
}

func openImage(file *os.File, size uint64, state []uint64) (*image, error) {
	return &image{file: file, size: size, state: state}, nil
}

func (i *image) close() error { return i.file.Close() }
