package host

import (
	"bytes"
	"errors"
	"fmt"
)

// A delta is what a guest has become since its start: what differs from the image. It is never changed once it is made,
// so that many sessions can begin with it.
type delta struct {
	size    uint64 // bytes of memory: whole pages of 64 KiB, never fewer than the image has
	globals []uint64
	pages   []uint32 // which pieces of pieceSize bytes differ, ascending
	data    []byte   // the pieces, one after the other
}

// pieceSize is the grain in which memories are compared and kept.
const pieceSize = 4 * kib

var zeroPiece [pieceSize]byte

// ErrOpenFiles is returned when a session is to be saved, forked or kept while its code has files open: what is open is not part of the
// interpreter's memory.
var ErrOpenFiles = errors.New("host: the session has files open; close them first")

// errHidden is for guests that Detach cannot take the whole state of.
var errHidden = errors.New("host: this guest keeps state outside of its memory: it cannot be saved, forked or reset")

// capture returns what the instance is, which must not be running.
func (in *instance) capture() (*delta, error) {
	switch {
	case in.hidden:
		return nil, errHidden
	case in.module == nil:
		return in.begin, nil // not entered: it is what it began as
	case !in.descriptors.none():
		return nil, ErrOpenFiles
	}
	d := &delta{size: in.memory.size(), globals: make([]uint64, len(in.globals))}
	for i, global := range in.globals {
		d.globals[i] = global.Get()
	}
	now, first, spans := in.memory.bytes(), in.image.bytes, in.memory.changed()
	if room := total(spans); room < d.size {
		d.data = make([]byte, 0, room)
	}
	for _, s := range spans {
		for at := s.from &^ (pieceSize - 1); at < s.to; at += pieceSize {
			piece, was := now[at:at+pieceSize], zeroPiece[:]
			if at < uint64(len(first)) {
				was = first[at : at+pieceSize]
			}
			if !bytes.Equal(piece, was) {
				d.pages = append(d.pages, uint32(at/pieceSize))
				d.data = append(d.data, piece...)
			}
		}
	}
	return d, nil
}

// write puts the delta's pieces into a memory that begins as the image and has the delta's size.
func (d *delta) write(memory []byte) {
	for i, page := range d.pages {
		copy(memory[int(page)*pieceSize:], d.data[i*pieceSize:(i+1)*pieceSize])
	}
}

// check says whether the delta can be applied to an image under a bound on memory.
func (d *delta) check(i *image, max uint64) error {
	switch {
	case d.size%pageSize != 0 || d.size < i.size:
		return fmt.Errorf("host: a memory of %d bytes", d.size)
	case d.size > max:
		return fmt.Errorf("host: the session's memory has %d bytes, more than limits.memory allows", d.size)
	case len(d.globals) != len(i.state):
		return fmt.Errorf("host: %d globals, want %d", len(d.globals), len(i.state))
	case len(d.data) != len(d.pages)*pieceSize:
		return errors.New("host: pages are missing")
	}
	for n, page := range d.pages {
		if uint64(page) >= d.size/pieceSize || n > 0 && page <= d.pages[n-1] {
			return fmt.Errorf("host: page %d is out of order or outside of memory", page)
		}
	}
	return nil
}

// A span is a range of a memory, in bytes.
type span struct{ from, to uint64 }

func total(spans []span) (bytes uint64) {
	for _, s := range spans {
		bytes += s.to - s.from
	}
	return bytes
}
