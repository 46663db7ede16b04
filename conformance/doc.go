// Package conformance holds tests that run real programs in the real guest: what an agent would write must do what it
// does in native CPython 3.13. It has no code of its own.
package conformance
