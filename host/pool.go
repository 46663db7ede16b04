package host

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"golang.org/x/sync/semaphore"
)

// PoolConfig bounds a [Pool].
type PoolConfig struct {
	// Sessions is how many sessions there are at once at most. 0 means one for each processor: more of them only help when
	// their code waits for host functions.
	Sessions int

	// Memory bounds, in bytes, what the guests of all sessions may take together, were each to use all that limits.memory allows: there are
	// fewer sessions at once if they might take more. 0 is no bound but that of Sessions.
	Memory int64
}

// A Pool hands out clean sessions of one host to many goroutines, and no more than it may at once. Who comes first is served first.
// It is safe for concurrent use.
type Pool struct {
	host *Host
	size int64
	free *semaphore.Weighted // it queues in order

	mu  sync.Mutex
	out map[*Session]struct{} // those that were handed out
}

// NewPool makes a pool. It needs no closing; closing the host ends its sessions. The host keeps as many spare interpreters as
// the pool has sessions.
func (h *Host) NewPool(config PoolConfig) (*Pool, error) {
	size := int64(config.Sessions)
	switch {
	case size < 0 || config.Memory < 0:
		return nil, errors.New("host: a pool's bounds cannot be negative")
	case size == 0:
		size = int64(runtime.GOMAXPROCS(0))
	}
	if config.Memory > 0 {
		one := h.SessionMemory()
		if one > config.Memory {
			return nil, fmt.Errorf("host: a pool of %d bytes has no room for one session, which may take %d", config.Memory, one)
		}
		size = min(size, config.Memory/one)
	}
	h.program.keep(int(size))
	return &Pool{host: h, size: size, free: semaphore.NewWeighted(size), out: make(map[*Session]struct{})}, nil
}

// SessionMemory is how much memory, in bytes, the guest of one session may take: what limits.memory allows, and what its messages to and
// from the host can. The states that a session has kept (Checkpoint, Fork, Save, Restore) are the host's memory besides, each as large as what it has changed, and at most as limits.memory
// allows; so are the values of a host call while it runs.
func (h *Host) SessionMemory() int64 { return int64(h.bounds.pages)*pageSize + int64(h.bounds.kernel) }

// Size is how many sessions there can be at once.
func (p *Pool) Size() int { return int(p.size) }

// Get returns a clean session, waiting for one until ctx ends. Whoever gets it gives it back with Put.
func (p *Pool) Get(ctx context.Context) (*Session, error) {
	// A host that closes wakes those who wait.
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(p.host.closing, func() { cancel(ErrClosed) })()
	if err := p.free.Acquire(waiting, 1); err != nil {
		return nil, fmt.Errorf("host: pool: %w", context.Cause(waiting))
	}
	s, err := p.host.NewSession(ctx)
	if err != nil {
		p.free.Release(1)
		return nil, err
	}
	p.mu.Lock()
	p.out[s] = struct{}{}
	p.mu.Unlock()
	return s, nil
}

// Put takes back a session that Get returned, and closes it. A session that is busy stays with its user: [ErrBusy]. Putting one back again
// does nothing.
func (p *Pool) Put(s *Session) error {
	err := s.Close()
	if errors.Is(err, ErrBusy) {
		return err
	}
	p.mu.Lock()
	_, ours := p.out[s]
	delete(p.out, s)
	p.mu.Unlock()
	if ours {
		p.free.Release(1)
	}
	return err
}

// Do calls f with a clean session, and takes it back when f returns.
func (p *Pool) Do(ctx context.Context, f func(*Session) error) (err error) {
	s, err := p.Get(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Put(s)) }()
	return f(s)
}
