package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// A customer is a host for the customer's policy, and a pool of its sessions.
type customer struct {
	host *host.Host
	pool *host.Pool
}

// customerName is what may stand in a URL: it is part of file names.
var customerName = regexp.MustCompile(`^[a-z][a-z0-9]{0,31}$`)

var (
	errNoCustomer = errors.New("there is no such customer")
	errPreparing  = errors.New("the customer's first formula waits for its sandbox, which is being compiled")
)

// open makes the host of a customer: its policy, its data, and no one else's.
func (s *Service) open(ctx context.Context, name string) (*customer, error) {
	file := filepath.Join(s.config.Folder, "policies", name+".toml")
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoCustomer
	} else if err != nil {
		return nil, err
	}
	data, err := os.Open(filepath.Join(s.config.Folder, "data", name+".csv"))
	if err != nil {
		return nil, err
	}
	defer data.Close()
	orders, err := readOrders(data)
	if err != nil {
		return nil, err
	}
	// All the authority that a policy of a customer can give.
	registry, err := capabilities.NewRegistry(math.Family(), ordersFamily(orders))
	if err != nil {
		return nil, err
	}
	modules, err := guest.Modules()
	if err != nil {
		return nil, err
	}
	// Customers see this name in messages: not where it lies.
	policy, err := policies.Parse(name+".toml", text, policies.Vocabulary{Families: registry.Vocabulary(), Modules: modules})
	if err != nil {
		return nil, err
	}
	h, err := host.New(ctx, host.Config{
		Policy: policy, Capabilities: registry, Audit: s.config.Audit, Logger: s.config.Logger,
		Labels: map[string]string{"customer": name},
	})
	if err != nil {
		return nil, err
	}
	pool, err := h.NewPool(host.PoolConfig{Sessions: s.config.Sessions})
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &customer{host: h, pool: pool}, nil
}

// An opening is a customer's host that is made, or is being made.
type opening struct {
	done     chan struct{}
	customer *customer
	err      error
}

// customer gives the host of a customer, which the first request makes and others wait for. A failure is not kept: when the policy
// has been corrected, the next request finds it so.
func (s *Service) customer(ctx context.Context, name string) (*customer, error) {
	if !customerName.MatchString(name) {
		return nil, errNoCustomer
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil, host.ErrClosed
	}
	o := s.customers[name]
	if o == nil {
		o = &opening{done: make(chan struct{})}
		s.customers[name] = o
		// Not under the context of this request: others wait for it too.
		go s.finish(o, name)
	}
	s.mu.Unlock()
	select {
	case <-o.done:
		return o.customer, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", errPreparing, ctx.Err())
	}
}

func (s *Service) finish(o *opening, name string) {
	defer close(o.done)
	if o.customer, o.err = s.open(s.running, name); o.err == nil {
		return
	}
	if !errors.Is(o.err, errNoCustomer) {
		o.err = fmt.Errorf("customer %s: %w", name, o.err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed { // then Close waits for this one
		delete(s.customers, name)
	}
}
