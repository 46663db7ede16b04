package host

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
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

// A program is a module made ready to run: its machine code, what each instance of it begins with, and clean instances. It is safe
// for concurrent use once it is made.
type program struct {
	*compiled
	image *image
	files fs.FS

	memoryLimit uint64 // bytes of each memory, if that is fewer than the module could take; 0: no such limit

	mu         sync.Mutex
	spare      []*instance // clean ones
	spareLimit int
}

// newInstance returns an instance that begins as d says, nil for the image: a spare one or a new one.
func (p *program) newInstance(ctx context.Context, d *delta) (*instance, error) {
	if in := p.takeSpare(); in != nil {
		if in.restart(d) {
			return in, nil
		}
		in.close(context.WithoutCancel(ctx))
	}
	return p.instantiate(ctx, p.files, &guestMemory{image: p.image, begin: d, limit: p.memoryLimit})
}

func (p *program) takeSpare() *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.spare)
	if n == 0 {
		return nil
	}
	in := p.spare[n-1]
	p.spare = p.spare[:n-1]
	return in
}

// retire keeps an instance for another session, if it can be made clean and there is room, and closes it otherwise.
func (p *program) retire(in *instance) error {
	if p.roomForSpare(nil) && in.restart(nil) && p.roomForSpare(in) {
		return nil
	}
	return in.close(context.Background())
}

// roomForSpare reports whether there is room for one more spare instance, and keeps in there if it is not nil.
func (p *program) roomForSpare(in *instance) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.spare) >= p.spareLimit {
		return false
	}
	if in != nil {
		p.spare = append(p.spare, in)
	}
	return true
}

// keep sees to it that at least so many spare instances are kept.
func (p *program) keep(spare int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.spareLimit = max(p.spareLimit, spare)
}

// closeSpare closes the spare instances; from then on none is kept.
func (p *program) closeSpare() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, in := range p.spare {
		errs = append(errs, in.close(context.Background()))
	}
	p.spare, p.spareLimit = nil, 0
	return errors.Join(errs...)
}

// close frees what the program has opened, when no instance of it is left.
func (p *program) close() error {
	var errs []error
	if p.compiled != nil {
		errs = append(errs, p.compiled.close(context.Background()))
	}
	if p.image != nil {
		errs = append(errs, p.image.close())
	}
	return errors.Join(errs...)
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
	in.memory.refused = false
	clear(in.plugin.Var)
	in.stdio.take()
	if in.module != nil {
		in.setGlobals()
		in.meter.asked = time.Time{}
	}
	return true
}
