package host

import (
	"context"
	"fmt"

	"github.com/tetratelabs/wazero/api"
	"github.com/tetratelabs/wazero/experimental"
)

// wasiBounds says which parameter of a function of WASI is a length that it works on at once, and how long that may be. wazero takes any length, so
// that one call, which takes one unit of fuel and is not interrupted, could copy a path of the size of the guest's memory, or write a
// thousand times as much as that.
var wasiBounds = map[string]struct {
	parameter int
	most      uint32
}{
	"path_open":         {3, maxPath},
	"path_filestat_get": {3, maxPath},
	"fd_read":           {2, maxVectors},
	"fd_pread":          {2, maxVectors},
	"fd_write":          {2, maxVectors},
}

const (
	maxPath    = mib  // bytes; code may try any text as a path
	maxVectors = 1024 // buffers of one call: what POSIX systems take at most
)

// keepBounds panics, which is a trap to the guest, when a function of WASI is asked for more than it may do at once.
func keepBounds(name string, params []uint64) {
	if bound, ok := wasiBounds[name]; ok && uint32(params[bound.parameter]) > bound.most {
		panic(fmt.Errorf("host: the guest asked %s for %d at once, more than %d", name, uint32(params[bound.parameter]), bound.most))
	}
}

// boundHook is deadlineHook with bounds.
type boundHook struct{ name string }

func (h boundHook) Before(ctx context.Context, _ api.Module, _ api.FunctionDefinition, params []uint64, _ experimental.StackIterator) {
	keepDeadline(ctx)
	keepBounds(h.name, params)
}

func (boundHook) After(context.Context, api.Module, api.FunctionDefinition, []uint64) {}
func (boundHook) Abort(context.Context, api.Module, api.FunctionDefinition, error)    {}
