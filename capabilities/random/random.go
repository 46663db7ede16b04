// Package random is the capability family "random": bytes of the host's random source.
//
// Without it a guest has no entropy: whatever it draws is the same in each new session. With it, Python's own sources of
// randomness draw from the host, each time through the gate: os.urandom, and so secrets, uuid.uuid4 and
// random.SystemRandom; and the generators of the module random are seeded from it when a session first imports something.
package random

import (
	"context"
	"crypto/rand"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// MaxBytes is how many bytes one call gives at most; beyond it ValueError is raised.
const MaxBytes = 1 << 20

// Family gives the family. Its one function reads from crypto/rand.
func Family() capabilities.Family {
	return capabilities.Family{
		Name: "random",
		Doc:  "Randomness that nobody can predict",
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{
				Family: "random", Function: "bytes", Signature: "(n, /)",
				Doc: "Return n random bytes.", Effects: capabilities.Reads,
			}, randomBytes),
		},
	}
}

func randomBytes(_ context.Context, args capabilities.Arguments) (any, error) {
	n, ok := args.Get("n").(int64)
	if !ok {
		return nil, capabilities.Raise("TypeError", "n must be int, not %s", values.TypeName(args.Get("n")))
	}
	if n < 0 || n > MaxBytes {
		return nil, capabilities.Raise("ValueError", "n must be between 0 and %d, not %d", MaxBytes, n)
	}
	drawn := make([]byte, n)
	rand.Read(drawn) // never fails: it ends the program instead
	return drawn, nil
}
