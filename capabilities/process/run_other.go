//go:build !linux

package process

import (
	"context"
	"runtime"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// run refuses: without Linux's limits for another process, a program would have more than its grant says.
func (p *plan) run(context.Context, policies.Scope) (any, error) {
	return nil, capabilities.Raise("RuntimeError", "process.run is not available on %s: it cannot bound a program there", runtime.GOOS)
}
