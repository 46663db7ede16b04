// Package unmetered lets the benchmarks run a guest whose module is not metered, to tell what fuel costs. Nobody outside of package
// host's tree can import it: nothing stops such a guest.
package unmetered

import "context"

type key struct{}

// With returns a context with which host.New takes a linked module that is not metered.
func With(ctx context.Context) context.Context { return context.WithValue(ctx, key{}, true) }

// In reports whether the context is one that With has returned.
func In(ctx context.Context) bool { return ctx.Value(key{}) != nil }
