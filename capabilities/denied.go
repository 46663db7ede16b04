package capabilities

import "github.com/postern-sandbox/postern/policies"

// Denied is the error of a call that was allowed, and then turned out to lead beyond the scope of its grant: by a redirect, by what a
// name stands for. Python sees the same exception as if the call had been denied at once. Allow and Canonical of the verdict
// mean nothing.
type Denied struct {
	policies.Verdict
}

// Error gives the reason.
func (d *Denied) Error() string { return "denied: " + d.Reason }
