package host_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/host"
)

func pool(t *testing.T, h *host.Host, config host.PoolConfig) *host.Pool {
	t.Helper()
	p, err := h.NewPool(config)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPoolBounds(t *testing.T) {
	c := config(t)
	c.Policy.Limits.Memory = 4 << 20
	h := open(t, c)
	one := h.SessionMemory()
	if one < 4<<20 {
		t.Errorf("a session may take %d", one)
	}
	for _, test := range []struct {
		config host.PoolConfig
		size   int // 0: refused
	}{
		{host.PoolConfig{Sessions: 3}, 3},
		{host.PoolConfig{Sessions: 3, Memory: 2 * one}, 2},
		{host.PoolConfig{Sessions: 3, Memory: 2*one - 1}, 1},
		{host.PoolConfig{Sessions: 3, Memory: one}, 1},
		{host.PoolConfig{Sessions: 3, Memory: one - 1}, 0},
		{host.PoolConfig{Sessions: -1}, 0},
		{host.PoolConfig{Memory: -1}, 0},
	} {
		p, err := h.NewPool(test.config)
		if (err != nil) != (test.size == 0) || err == nil && p.Size() != test.size {
			t.Errorf("%+v: %v", test.config, err)
		}
	}
}

func TestPoolUnderLoad(t *testing.T) {
	h := open(t, config(t))
	p := pool(t, h, host.PoolConfig{Sessions: 3})
	var now, most atomic.Int64
	var users sync.WaitGroup
	for i := range 40 {
		users.Go(func() {
			err := p.Do(t.Context(), func(s *host.Session) error {
				n := now.Add(1)
				defer now.Add(-1)
				for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
				}
				if got := get(t, s, "x"); got != "" {
					t.Errorf("x is %s in a clean session", got)
				}
				set(t, s, "x", i)
				if i%5 == 0 {
					exec(t, s, "trap") // a session that breaks is replaced
				} else if got := get(t, s, "x"); got != itoa(i) {
					t.Errorf("x is %s, want %d", got, i)
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	users.Wait()
	if most.Load() > 3 {
		t.Errorf("%d at once", most.Load())
	}
}

func TestPoolServesInOrder(t *testing.T) {
	h := open(t, config(t))
	p := pool(t, h, host.PoolConfig{Sessions: 1})
	s, err := p.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var order []int
	var users sync.WaitGroup
	for i := range 5 {
		users.Go(func() {
			if err := p.Do(t.Context(), func(*host.Session) error { order = append(order, i); return nil }); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(20 * time.Millisecond) // until it waits; if it does not yet, it comes later all the same
	}
	p.Put(s)
	p.Put(s)
	users.Wait()
	for i, n := range order {
		if i != n {
			t.Fatalf("served in the order %v", order)
		}
	}
}

func TestWaitingForAPool(t *testing.T) {
	h := open(t, config(t))
	p := pool(t, h, host.PoolConfig{Sessions: 1})
	s, err := p.Get(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a deadline: %v", err)
	}
	closed := make(chan error)
	go func() {
		_, err := p.Get(t.Context())
		closed <- err
	}()
	time.Sleep(20 * time.Millisecond)
	h.Close()
	if err := <-closed; !errors.Is(err, host.ErrClosed) {
		t.Errorf("a host that closes: %v", err)
	}
	if err := p.Put(s); err != nil {
		t.Errorf("putting back after that: %v", err)
	}
	if _, err := p.Get(t.Context()); !errors.Is(err, host.ErrClosed) {
		t.Errorf("after that: %v", err)
	}
}
