package link

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// gap is how many zeros in a row are left out of the data segments: each segment takes about ten bytes itself.
const gap = 64

// attach is what Detach undoes, for the memory and the globals of an instance that has started: they become what the module begins
// with. pages is how far the memory may grow. The segments that code names stay the first ones.
func attach(m *wasm.Module, memory []byte, state []uint64, pages uint32) error {
	limits, ok := m.MemoryLimits()
	switch {
	case !ok:
		return errors.New("link: seal: the module does not define exactly one memory")
	case len(memory)%pageSize != 0 || len(memory)/pageSize < int(limits.Min):
		return fmt.Errorf("link: seal: a memory of %d bytes, which is not whole pages or fewer than the module begins with", len(memory))
	case len(memory) > imageLimit || uint64(len(memory)) > uint64(pages)*pageSize:
		return fmt.Errorf("link: seal: the memory has %d bytes, and may have %d", len(memory), min(imageLimit, uint64(pages)*pageSize))
	}
	m.SetMemoryLimits(wasm.Limits{Min: uint32(len(memory) / pageSize), Max: pages, HasMax: true})
	if err := setState(m, state); err != nil {
		return err
	}
	segments := m.Segments()
	for i, s := range segments {
		if s.Offset != nil {
			return fmt.Errorf("link: seal: data segment %d is not detached", i)
		}
	}
	setSegments(m, append(segments, pieces(memory)...))
	return nil
}

// setState makes the values of the module's mutable globals, in the order of StateGlobal, their initial ones.
func setState(m *wasm.Module, state []uint64) error {
	n := 0
	for i, g := range m.Globals {
		if !g.Mutable {
			continue
		}
		if n == len(state) {
			return fmt.Errorf("link: seal: values of %d globals, and the module has more", len(state))
		}
		initial, ok := wasm.Constant(g.Type, state[n])
		if !ok {
			return fmt.Errorf("link: seal: global %d is a %s", i, wasm.TypeName(g.Type))
		}
		m.Globals[i].Init = initial
		n++
	}
	if n != len(state) {
		return fmt.Errorf("link: seal: values of %d globals, and the module has %d", len(state), n)
	}
	return nil
}

// pieces are the active segments of all that is not zero in a memory.
func pieces(memory []byte) []wasm.Segment {
	var segments []wasm.Segment
	for at := 0; at < len(memory); {
		if binary.LittleEndian.Uint64(memory[at:]) == 0 { // a memory is whole pages
			at += 8
			continue
		}
		end := at + 8
		for end < len(memory) && !zero(memory[end:min(end+gap, len(memory))]) {
			end += 8
		}
		segments = append(segments, wasm.Segment{Offset: wasm.Code{}.I32(int32(uint32(at))).End(), Bytes: bytes.TrimRight(memory[at:end], "\x00")})
		at = end
	}
	return segments
}

var zeros [gap]byte

func zero(data []byte) bool { return bytes.Equal(data, zeros[:len(data)]) }

// setSegments replaces the data section, and announces it for code that names segments.
func setSegments(m *wasm.Module, segments []wasm.Segment) {
	m.SetSegments(segments)
	count := m.Data.Count
	m.DataCount = &count
}
