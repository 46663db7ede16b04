//go:build !linux && !darwin

package host

import (
	"fmt"
	"io"
	"os"
)

// guestMemory is a guest's linear memory where files cannot be mapped copy-on-write: it begins as a copy of the image, or of
// initial when there is none yet.
type guestMemory struct {
	image   *image
	initial []byte

	sliceMemory
}

func (m *guestMemory) reserve(max uint64) error {
	first := m.initial
	if m.image != nil {
		first = m.image.bytes
	}
	if uint64(len(first)) > max {
		return fmt.Errorf("host: the memory limit is below the guest's first %d bytes", len(first))
	}
	m.sliceMemory = sliceMemory{bytes: append([]byte(nil), first...), max: max}
	return nil
}

// An image is what a guest's memory holds after its start.
type image struct {
	bytes []byte
	size  uint64 // bytes of memory: whole pages of 64 KiB
	state []uint64
}

func openImage(file *os.File, size uint64, state []uint64) (*image, error) {
	defer file.Close()
	i := &image{bytes: make([]byte, size), size: size, state: state}
	_, err := io.ReadFull(io.NewSectionReader(file, 0, int64(size)), i.bytes)
	return i, err
}

func (i *image) close() error { return nil }
