// Package postern holds what the module as a whole has: the default policy. The gate itself is package host, its
// language package policies, its command line cmd/postern.
package postern

import _ "embed"

//go:embed policy.toml
var defaultPolicy []byte

// DefaultPolicy returns the policy that is used where none is given: the file policy.toml beside this one. The caller owns the bytes.
func DefaultPolicy() []byte { return append([]byte(nil), defaultPolicy...) }
