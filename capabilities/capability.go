// Package capabilities says what a capability is: a named power implemented in Go, such as math.sqrt, that a policy can
// grant to Python code. It holds no capability itself and knows no policy; capabilities come in families, one package each,
// and a Registry is built of families where the program starts, so that what can be granted is readable in one place.
package capabilities

import (
	"context"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// Effects says what a call of a capability can do beyond computing its result. Reads and Writes combine with |. The zero value says nothing,
// and NewRegistry refuses it: what was forgotten must not pass for harmless.
type Effects uint8

const (
	// Pure is the absence of effects: equal arguments give equal results, on every platform.
	Pure Effects = 1
	// Reads is for capabilities whose result depends on the world: files, the network, the clock.
	Reads Effects = 2
	// Writes is for capabilities that change the world.
	Writes Effects = 4
)

// String gives "pure", "reads", "writes", "reads and writes", or "unknown" for what NewRegistry refuses.
func (e Effects) String() string {
	switch e {
	case Pure:
		return "pure"
	case Reads:
		return "reads"
	case Writes:
		return "writes"
	case Reads | Writes:
		return "reads and writes"
	}
	return "unknown"
}

// Spec describes a capability. It must not change while the capability is in use.
type Spec struct {
	// Family and Function name it, as "math" and "sqrt".
	Family, Function string
	// Signature is the parameter list in Python's syntax: "(x, /)", "(url: str, *, timeout: float = 5.0)". Defaults are literals;
	// "..." is a default that cannot be said, and the function then sees that the argument was not given. Annotations are
	// what conditions of policies are checked against, see ParseSignature; nobody converts or checks an argument by them.
	Signature string
	// Doc is one line, for tool listings.
	Doc string
	// Effects is what a call can do. It is in the record of each decision.
	Effects Effects
}

// Name gives "family.function".
func (s Spec) Name() string { return s.Family + "." + s.Function }

// Call is the arguments of one call, as package values decodes them.
type Call struct {
	Args   []any
	Kwargs []values.Keyword

	// Scope is the scope of the grant, for capabilities that bound by it what they do: sizes, times. The host sets it.
	Scope policies.Scope
	// Canonical is what the family's Decide made of the arguments, nil if it made nothing. Capabilities act on it, and
	// not on the arguments again: what was decided and what is done must be the same.
	Canonical any
	// Session is that of the call. The host sets it.
	Session Session
}

// Session is what a capability may know of the session that calls it. All of it is zero where there is none, as in a test.
type Session struct {
	// ID is that of the session in audit records.
	ID string
	// Policy is the policy that decided. It must not be changed.
	Policy *policies.Policy
	// Usage counts what the session has used, for quotas of the capability's own: see Usage.Spend. A session makes one call at a time.
	Usage *policies.Usage
	// Logger is the host's, for what an operator should see. Nil means none.
	Logger hclog.Logger
}

// Capability is a named power. Its methods may be called by many goroutines at once.
type Capability interface {
	// Spec describes the capability; it always gives the same.
	Spec() Spec
	// Call does the work. The result is any value that values.Append takes. An error that is a *PythonError becomes that
	// exception in Python, a *Denied is the denial of the call; any other is a fault of the host, of which Python sees no details. Call returns soon after ctx
	// is done, with its error. It must not keep or change the arguments.
	Call(ctx context.Context, call *Call) (any, error)
}

// New makes a capability of a Go function, which gets its arguments bound to the signature: a call that does not fit raises
// TypeError and does not reach fn. When the signature is malformed, NewRegistry says so, and calls fail.
func New(spec Spec, fn func(ctx context.Context, args Arguments) (any, error)) Capability {
	signature, err := ParseSignature(spec.Signature)
	return &function{spec, signature, err, fn}
}

type function struct {
	spec      Spec
	signature *Signature
	err       error
	fn        func(context.Context, Arguments) (any, error)
}

func (f *function) Spec() Spec { return f.spec }

func (f *function) Call(ctx context.Context, call *Call) (any, error) {
	if f.err != nil {
		return nil, f.err
	}
	args, err := f.signature.Bind(f.spec.Family, f.spec.Function, call)
	if err != nil {
		return nil, err
	}
	args.call = call
	return f.fn(ctx, args)
}
