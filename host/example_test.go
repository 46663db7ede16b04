package host_test

import (
	"context"
	"fmt"
	"log"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// A program grants a function of its own beside one of the families, and runs an agent's Python that calls both.
func Example() {
	ctx := context.Background()
	price := capabilities.New(capabilities.Spec{
		Family: "shop", Function: "price", Signature: "(article, /)", Doc: "Price of an article in euros.", Effects: capabilities.Reads,
	}, func(_ context.Context, args capabilities.Arguments) (any, error) {
		if args.Get("article") != "lamp" {
			return nil, capabilities.Raise("LookupError", "no article %s", values.Format(args.Get("article")))
		}
		return values.Decimal("19.90"), nil
	})
	registry, err := capabilities.NewRegistry(math.Family(),
		capabilities.Family{Name: "shop", Doc: "The shop's catalogue.", Capabilities: []capabilities.Capability{price}})
	if err != nil {
		log.Fatal(err)
	}
	policy, err := policies.Parse("policy.toml", []byte(`
policy = 1
name = "clerk"
[grant.shop]
functions = ["price"]
`), policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		log.Fatal(err)
	}
	h, err := host.New(ctx, host.Config{Policy: policy, Capabilities: registry, Audit: audit.Discard})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	session, err := h.NewSession(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	for _, code := range []string{
		"import shop\nshop.price('lamp') * 3",
		"shop.price('chair')",
		"import math",
	} {
		result, err := session.Exec(ctx, code, host.ExecOptions{})
		switch {
		case err != nil: // no result: the context ended, the session was lost, the audit log failed
			log.Fatal(err)
		case result.Error != nil: // what the code raised
			fmt.Println(result.Error)
		default:
			fmt.Println(*result.Repr)
		}
	}
	// Output:
	// Decimal('59.70')
	// LookupError: no article 'chair'
	// ImportError: import of 'math' is not authorized by policy 'clerk'
}

// What code prints is there before it has ended.
func ExampleOutput() {
	ctx := context.Background()
	h, err := host.New(ctx, host.Config{Audit: audit.Discard})
	if err != nil {
		log.Fatal(err)
	}
	defer h.Close()
	session, err := h.NewSession(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer session.Close()

	ctx, stop := context.WithCancel(ctx)
	defer stop()
	_, err = session.Exec(ctx, "print('the first of many')\nwhile True: pass", host.ExecOptions{
		Output: func(stream, text string) {
			fmt.Printf("%s: %s", stream, text)
			stop() // seen enough
		},
	})
	fmt.Println(err)
	// Output:
	// stdout: the first of many
	// host: exec: context canceled
}
