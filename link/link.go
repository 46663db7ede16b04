// Package link turns WebAssembly into WebAssembly: it makes a guest's import section equal to a policy's grants, and adds
// fuel metering.
//
// Everything here is a pure function of bytes: no files, no clock, no state. All of it may be called from many goroutines
// at once, and the same input gives the same output, byte for byte. Input is not trusted: whatever is not a WebAssembly
// 2.0 module (that is, 1.0 with sign extension, saturating conversions, several values, bulk memory, reference types and
// SIMD) is an error that names the offset in the input, such as
//
//	link: offset 0x1234: unknown instruction 0xfe
//
// What a link does is described in docs/linking.md.
package link

import (
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// What linking and metering add to a module's exports: mutable i64 globals, which the host can read and set, and a function.
// The module's own code, which was compiled before they existed, cannot name them.
const (
	// ClockGlobal holds the virtual time in nanoseconds since the guest's start, initially 0.
	ClockGlobal = reserved + "clock"
	// EntropyGlobal holds the state of the generator behind random_get, initially 0.
	EntropyGlobal = reserved + "entropy"
	// FuelGlobal holds the fuel that is left, initially math.MaxInt64. When it is negative after a trap, the
	// fuel had run out.
	FuelGlobal = reserved + "fuel"
	// RefuelFunction is called when the fuel has become negative, and traps if it still is.
	RefuelFunction = reserved + "refuel"
)

// Version changes when the same input gives another output than before: what was linked by another version is stale.
const Version = 3

// reserved begins the name of every export that link adds, and of no other.
const reserved = "postern:"

// The modules that a guest may import from, and the placeholder that linking replaces.
const (
	// UserModule is the module of the granted functions, the only one in which a policy decides what is imported.
	UserModule        = "extism:host/user"
	kernelModule      = "extism:host/env"
	wasiModule        = "wasi_snapshot_preview1"
	placeholderModule = "postern:link"
	placeholderName   = "call"
)

// Options say what a guest is linked for. The zero value grants nothing.
type Options struct {
	// Functions are the granted functions as symbols, such as "math_sqrt", in any order.
	Functions []string
	// KeepWASI are functions of wasi_snapshot_preview1 that stay imports although they are not in the
	// default list, so that the host serves them.
	KeepWASI []string
	// Meter adds fuel metering, as the function Meter does.
	Meter bool
}

// Link returns a guest whose imports are what opts grant. In the place of the placeholder postern:link::call there is one
// import of UserModule for each of opts.Functions, in the order that Order gives, and a function that calls them by index.
// WASI functions that are not kept become functions inside the module: see docs/linking.md for what each does.
//
// It fails when base is not a base guest: malformed, linked already, without the placeholder, or with imports that a guest
// may not have (then the error is an *ImportError). It fails too when opts.Functions has a name twice or one that is not a symbol.
func Link(base []byte, opts Options) ([]byte, error) {
	functions, err := Order(opts.Functions)
	if err != nil {
		return nil, err
	}
	kept, err := keepList(opts.KeepWASI)
	if err != nil {
		return nil, err
	}
	m, err := decode(base)
	if err != nil {
		return nil, err
	}
	if err := checkBase(m); err != nil {
		return nil, err
	}
	relink(m, functions, kept)
	m.CapTables()
	if opts.Meter {
		addFuel(m)
	}
	return m.Encode(), nil
}

func decode(module []byte) (*wasm.Module, error) {
	m, err := wasm.Decode(module)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	return m, nil
}

// checkBase checks that m is a base guest.
func checkBase(m *wasm.Module) error {
	if e, ok := reservedExport(m); ok {
		return fmt.Errorf("link: the module is linked already: it exports %q", e)
	}
	var problems ImportError
	placeholders := 0
	for _, i := range m.Imports {
		switch {
		case i.Module == UserModule:
			return fmt.Errorf("link: the module is linked already: it imports %s::%s", i.Module, i.Name)
		case i.Module == placeholderModule && i.Name == placeholderName && signature(m, i) == placeholderType:
			placeholders++
		default:
			problems.add(m, i, refusal(m, i))
		}
	}
	if len(problems.Extra) > 0 {
		return &problems
	}
	if placeholders != 1 {
		return fmt.Errorf("link: not a base guest: it imports %s::%s %d times, want once", placeholderModule, placeholderName, placeholders)
	}
	if n := m.MemoryCount(); n != 1 {
		return fmt.Errorf("link: not a base guest: it has %d memories, want one", n)
	}
	return nil
}

// reservedExport finds an export whose name only link may give.
func reservedExport(m *wasm.Module) (name string, found bool) {
	for _, e := range m.Exports {
		if strings.HasPrefix(e.Name, reserved) {
			return e.Name, true
		}
	}
	return "", false
}
