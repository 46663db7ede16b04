package host

import (
	"context"
	"runtime"
	"time"
)

// Making an instance costs half a millisecond, and the first run in it as much again, because each page that it writes to has to
// be made. Putting one back to what it began as costs a fifth of that, and the pages are there already. So the
// instances of closed sessions are put back and kept for new ones: memory, globals and the kernel's memory are then what they are in a
// new one, byte for byte, and an instance with anything else to it is not kept.

// NoSpare as [Config.Spare] keeps no instances.
const NoSpare = -1

// spareInstances is how many instances a host keeps.
func (c *Config) spareInstances() int {
	if c.Spare == 0 {
		return runtime.GOMAXPROCS(0)
	}
	return max(c.Spare, 0)
}

// newInstance returns an instance that begins as d says, nil for the image: a spare one or a new one.
func (h *Host) newInstance(ctx context.Context, d *delta) (*instance, error) {
	if in := h.takeSpare(); in != nil {
		if in.restart(d) {
			return in, nil
		}
		in.close(context.WithoutCancel(ctx))
	}
	return h.compiled.instantiate(ctx, h.files, &guestMemory{image: h.image, begin: d})
}

func (h *Host) takeSpare() *instance {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := len(h.spare)
	if n == 0 {
		return nil
	}
	in := h.spare[n-1]
	h.spare = h.spare[:n-1]
	return in
}

// retire keeps an instance for another session, if it can be made clean and there is room, and closes it otherwise.
func (h *Host) retire(in *instance) error {
	if h.roomForSpare(nil) && in.restart(nil) && h.roomForSpare(in) {
		return nil
	}
	return in.close(context.Background())
}

// roomForSpare reports whether there is room for one more spare instance, and keeps in there if it is not nil.
func (h *Host) roomForSpare(in *instance) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.spare) >= h.spareLimit {
		return false
	}
	if in != nil {
		h.spare = append(h.spare, in)
	}
	return true
}

// restart makes the instance as if it were new and began as d says. It is false if that cannot be done with this one, which
// is then of no use any more.
func (in *instance) restart(d *delta) bool {
	size := in.image.size
	if d != nil {
		size = d.size
	}
	// Memory does not shrink.
	if in.broken || in.hidden || in.memory.size() != size || !in.descriptors.none() {
		return false
	}
	if in.module != nil {
		if in.kernelMemory.size() != in.kernelSize ||
			!in.memory.restore(in.image.pagemap, in.image.bytes) || !in.kernelMemory.restore(in.image.pagemap, in.kernelStart) {
			return false
		}
	} else if in.begin != nil {
		return false
	}
	if d != nil {
		d.write(in.memory.bytes())
	}
	in.begin = d
	in.stdio.take()
	if in.module != nil {
		in.setGlobals()
		in.meter.asked = time.Time{}
	}
	return true
}
