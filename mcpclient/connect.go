package mcpclient

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// Config is what connecting needs of its surroundings. The zero Config has the machine's own.
type Config struct {
	// Logger gets what servers write to stderr, at level Info, and what is wrong with them. Nil means none.
	Logger hclog.Logger

	// Environment looks up the variables of env_from and headers_from; nil is os.LookupEnv.
	Environment func(name string) (string, bool)

	// Roots are the certificate authorities that are trusted; nil are the system's.
	Roots *x509.CertPool

	// Version is what servers are told of this program.
	Version string

	secrets *secrets // of the server that this is for
}

func (c Config) filled() Config {
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.Environment == nil {
		c.Environment = os.LookupEnv
	}
	c.Version = cmp.Or(c.Version, "(devel)")
	return c
}

// Servers are the connected MCP servers of one policy. They are safe for concurrent use, and must be closed after the host that uses them.
type Servers struct {
	clients []*client
}

// Connect starts or reaches all MCP servers of a policy, and asks them for their tools. What ctx says concerns Connect alone.
//
// The error joins a *[StartError] for each server that cannot be used, or is of type [policies.Errors] for what the policy says of the server's tools and is not so. Then nothing is
// left running. A nil policy, and one without servers, needs nothing.
func Connect(ctx context.Context, policy *policies.Policy, config Config) (*Servers, error) {
	s := new(Servers)
	if policy == nil {
		return s, nil
	}
	config = config.filled()
	errs := make([]error, len(policy.Servers))
	var starting sync.WaitGroup
	for i := range policy.Servers {
		c := newClient(&policy.Servers[i], config)
		s.clients = append(s.clients, c)
		starting.Go(func() { errs[i] = c.begin(ctx, policy) })
	}
	starting.Wait()
	if err := join(errs); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// join joins errors. Mistakes of the policy are told alone: they are the reason for others, or come first.
func join(errs []error) error {
	var mistakes policies.Errors
	for _, err := range errs {
		var own policies.Errors
		if errors.As(err, &own) {
			mistakes = append(mistakes, own...)
		}
	}
	if mistakes != nil {
		return mistakes
	}
	return errors.Join(errs...)
}

// Families are the servers' functions, a family for each server: for a registry, beside all others.
func (s *Servers) Families() []capabilities.Family {
	var list []capabilities.Family
	for _, c := range s.clients {
		list = append(list, c.offer.family(c.server.Name, c))
	}
	return list
}

// Close ends all connections, and the servers that were started: first by the end of their input, then by force. Calls that are under way fail. Closing again does nothing.
func (s *Servers) Close() error {
	var closing sync.WaitGroup
	for _, c := range s.clients {
		closing.Go(c.close)
	}
	closing.Wait()
	return nil
}

// A StartError says why an MCP server cannot be used.
type StartError struct {
	Server   string            // its name in the policy
	Position policies.Position // of its table
	Err      error
	Hint     string // what to do; may be empty
}

// Error implements the error interface.
func (e *StartError) Error() string {
	return fmt.Sprintf("mcp server %q: %s", e.Server, printable(e.Err.Error()))
}

// Unwrap gives the cause.
func (e *StartError) Unwrap() error { return e.Err }

// Look starts or reaches one server, asks it for its tools and ends the connection. What the policy grants of them is said in the result; that it names tools which are
// not there, or pins others, is no error here.
func Look(ctx context.Context, server *policies.Server, config Config) (*Offer, error) {
	c := newClient(server, config.filled())
	defer c.close()
	made, offer, err := c.connect(ctx)
	if err != nil {
		return nil, c.startError(err)
	}
	made.close()
	return offer, nil
}
