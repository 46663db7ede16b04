package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// WASI error numbers, from the same document as the signatures.
const (
	errnoSuccess    = 0
	errnoInval      = 28
	errnoNotsup     = 58
	errnoNotcapable = 76
)

// stubs makes the functions that replace WASI imports. Its fields are the indices of the globals that hold their state.
// Guest memory is reached by ordinary loads and stores only, so that a bad pointer traps as it would in the guest's own code.
type stubs struct{ clock, entropy uint32 }

// function is the body of the stub for one WASI function.
func (s stubs) function(name string) function {
	if stub := wasiFunctions[name].stub; stub != nil {
		return stub(s)
	}
	return fail(s)
}

func succeed(stubs) function { return function{code: wasm.Code{}.I32(errnoSuccess)} }

func fail(stubs) function { return function{code: wasm.Code{}.I32(errnoNotcapable)} }

func trap(stubs) function { return function{code: wasm.Code{}.Do(wasm.OpUnreachable)} }

// noStrings is (count, size) -> errno: no arguments, no environment.
func noStrings(stubs) function {
	return function{code: wasm.Code{}.
		Get(0).I32(0).Access(wasm.OpI32Store, 0).
		Get(1).I32(0).Access(wasm.OpI32Store, 0).
		I32(errnoSuccess)}
}
