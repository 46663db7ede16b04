//go:build !linux && !darwin

package host

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// guestMemory is a linear memory where files cannot be mapped copy-on-write: it begins as a copy of the image, or of
// initial when there is none. Where the delta says so it differs.
type guestMemory struct {
	image   *image
	begin   *delta // nil: the image as it is
	initial []byte
	limit   uint64 // bytes that it may have, if that is fewer than its module could take; 0: no such limit
	refused bool   // the guest has asked for more than limit

	held []byte
	max  uint64
}

func (m *guestMemory) reserve(max uint64) error {
	max = m.most(max)
	m.max = max
	first := m.initial
	if m.image != nil {
		first = m.image.bytes
	}
	if uint64(len(first)) > max {
		return fmt.Errorf("host: the memory limit is below the guest's first %d bytes", len(first))
	}
	m.held = append([]byte(nil), first...)
	if m.begin != nil {
		if err := m.begin.check(m.image, max); err != nil {
			return err
		}
		if m.Reallocate(m.begin.size) == nil {
			return errors.New("host: no memory for the session")
		}
		m.begin.write(m.held)
	}
	return nil
}

// Reallocate implements [experimental.LinearMemory].
func (m *guestMemory) Reallocate(size uint64) []byte {
	if size > m.max {
		m.refused = m.limit > 0
		return nil
	}
	if grow := int(size) - len(m.held); grow > 0 {
		m.held = append(m.held, make([]byte, grow)...)
	}
	return m.held
}

// Free implements [experimental.LinearMemory].
func (m *guestMemory) Free() { m.held = nil }

func (m *guestMemory) bytes() []byte { return m.held }

func (m *guestMemory) size() uint64 { return uint64(len(m.held)) }

// changed returns where the memory may differ from the image.
func (m *guestMemory) changed() []span { return []span{{0, m.size()}} }

// restore puts the memory back to what first says, and zeros behind it.
func (m *guestMemory) restore(_ pagemap, first []byte) bool {
	clear(m.held[copy(m.held, first):])
	return true
}

// pagemap would tell which pages are this process's own copies; here all of them are.
type pagemap struct{}

// An image is what a guest's memory holds after its start.
type image struct {
	bytes   []byte
	size    uint64 // bytes of memory: whole pages of 64 KiB
	state   []uint64
	digest  string // of memory and state, "sha256:…"
	pagemap pagemap
}

func openImage(file *os.File, size uint64, state []uint64, digest string) (*image, error) {
	defer file.Close()
	i := &image{bytes: make([]byte, size), size: size, state: state, digest: digest}
	_, err := io.ReadFull(io.NewSectionReader(file, 0, int64(size)), i.bytes)
	return i, err
}

func (i *image) close() error { return nil }
