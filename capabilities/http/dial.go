package http

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
	"time"
)

// A Resolver looks up the addresses of a name. *net.Resolver is one. It returns soon after ctx is done.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// A dialer connects to hosts whose addresses the grant permits.
type dialer struct {
	resolver Resolver
	private  []netip.Prefix
}

// maxAddresses is how many addresses of a name are tried.
const maxAddresses = 16

// leastAttempt is how long one address is tried before the next one, if there is a next one.
const leastAttempt = 2 * time.Second

// dial looks a host up once, and connects to one of the addresses that it has looked at: a name whose addresses change in between
// leads nowhere else.
func (d *dialer) dial(ctx context.Context, host, port string) (net.Conn, error) {
	addresses, err := d.lookUp(ctx, host)
	if err != nil {
		return nil, err
	}
	var permitted []netip.Addr
	var refusal error = errNoAddress
	for _, address := range addresses {
		if kind := denied(address, d.private); kind != "" {
			refusal = &addressError{host, kind}
		} else {
			permitted = append(permitted, address)
		}
	}
	err = refusal
	for i, address := range permitted {
		var conn net.Conn
		if conn, err = d.connect(ctx, address, port, len(permitted)-i); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// lookUp gives the addresses of a host, which may be an address itself.
func (d *dialer) lookUp(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address}, nil
	}
	addresses, err := d.resolver.LookupNetIP(ctx, "ip", host)
	return addresses[:min(len(addresses), maxAddresses)], err
}

// connect connects to an address, with its share of the time if there are others to try.
func (d *dialer) connect(ctx context.Context, address netip.Addr, port string, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, max(time.Until(deadline)/time.Duration(left), leastAttempt))
		defer cancel()
	}
	// The same question again about what the system is about to connect to.
	control := func(_, address string, _ syscall.RawConn) error {
		dialled, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		if kind := denied(dialled.Addr(), d.private); kind != "" {
			return &addressError{dialled.Addr().String(), kind}
		}
		return nil
	}
	nd := net.Dialer{Control: control}
	return nd.DialContext(ctx, "tcp", net.JoinHostPort(address.WithZone("").Unmap().String(), port))
}

var errNoAddress = errors.New("http: the name has no address")

// An addressError says that a host has no address that may be reached.
type addressError struct {
	host string
	kind string // of one of its addresses: "a loopback address"
}

func (e *addressError) Error() string { return fmt.Sprintf("%q leads to %s", e.host, e.kind) }
