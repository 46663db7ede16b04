package host

import (
	"context"
	"errors"
	"fmt"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/values"
)

// ErrSealed is returned by [New] for a [Config.Linked] that [Seal] made: it is started and configured already, and holds no limits that this host could set.
var ErrSealed = errors.New("host: a self-contained guest is for other Extism hosts")

// Seal returns the guest for a policy as one module that any Extism host can run without mounts, WASI or configuration: started and configured, with its
// files inside. What it imports are Extism's kernel and the functions that the policy grants, which that host must serve. The module itself keeps
// limits.fuel, host_calls, memory, output, result and recursion; what is decided, timed or recorded about a call it cannot keep:
// docs/extism.md. The same guest, packages and policy, read from the same path, give the same bytes.
//
// Of the configuration it uses what is about making the guest: nothing is run for code, so Audit, Sinks, Spare and the approver have no say. [Config.Linked]
// must be nil. The context ends it early.
func Seal(ctx context.Context, config Config) ([]byte, error) {
	if config.Linked != nil {
		return nil, errors.New("host: seal: the guest is linked already")
	}
	config.Audit, config.Sinks, config.Spare = audit.Discard, nil, NoSpare
	h, err := New(ctx, config)
	if err != nil {
		return nil, err
	}
	defer h.Close()
	m, err := h.linkModule(h.symbols()) // the same that h runs, and it has not kept its bytes
	if err != nil {
		return nil, err
	}
	// In the words that a program sees which makes one call too many.
	tooMany, err := values.AppendLimit(nil, "host_calls", h.figures("host_calls", Usage{HostCalls: h.limits.HostCalls + 1}), kib)
	if err != nil {
		return nil, fmt.Errorf("host: seal: %w", err)
	}
	sealing := link.Sealing{
		Memory:       h.program.image.bytes,
		State:        h.program.image.state,
		Files:        h.program.files,
		Pages:        uint32(h.bounds.pages),
		Fuel:         h.limits.Fuel,
		HostCalls:    h.limits.HostCalls,
		TooManyCalls: tooMany,
	}
	if h.packages != nil {
		sealing.Mounts = []string{packagesMount}
	}
	sealed, err := link.Seal(m.wasm, sealing)
	if err != nil {
		return nil, fmt.Errorf("host: %w", err)
	}
	return sealed, nil
}
