// Package familytest makes calls of a family as the host does: bound, decided by a policy, then made with what was decided.
package familytest

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// Denied is the error of a call that the policy did not allow.
type Denied struct{ policies.Decision }

func (d *Denied) Error() string { return d.Reason }

// A Session makes calls under a policy, one at a time.
type Session struct {
	Policy   *policies.Policy
	Registry *capabilities.Registry
	Usage    policies.Usage
	Logger   hclog.Logger
}

// Folder is where the policy of a session stands.
func (s *Session) Folder() string { return filepath.Dir(s.Policy.File) }

// New makes a session under a policy that is said to stand in a folder and to have one grant, of the family: all functions, and the given keys.
func New(t testing.TB, family capabilities.Family, folder, keys string) *Session {
	t.Helper()
	registry, err := capabilities.NewRegistry(family)
	if err != nil {
		t.Fatal(err)
	}
	src := "policy = 1\nname = \"test\"\n[audit]\nlog = \"audit\"\n[grant." + family.Name + "]\nfunctions = ["
	for _, c := range family.Capabilities {
		src += `"` + c.Spec().Function + `", `
	}
	policy, err := policies.Parse(filepath.Join(folder, "policy.toml"), []byte(src+"]\n"+keys), policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	return &Session{Policy: policy, Registry: registry}
}

// Call calls a capability by its full name.
func (s *Session) Call(ctx context.Context, name string, args ...any) (any, error) {
	return s.CallWith(ctx, name, args, nil)
}

// CallWith is Call with keywords.
func (s *Session) CallWith(ctx context.Context, name string, args []any, keywords map[string]any) (any, error) {
	capability, ok := s.Registry.Lookup(name)
	if !ok {
		panic("familytest: no capability " + name)
	}
	spec := capability.Spec()
	signature, _ := s.Registry.Signature(name)
	call := &capabilities.Call{Args: args}
	for k, v := range keywords {
		call.Kwargs = append(call.Kwargs, values.Keyword{Name: k, Value: v})
	}
	bound, err := signature.Bind(spec.Family, spec.Function, call)
	if err != nil {
		return nil, err
	}
	decision := s.Policy.Decide(&policies.Call{Capability: name, Arguments: bound, Now: time.Now(), Usage: &s.Usage})
	if !decision.Allow {
		return nil, &Denied{decision}
	}
	call.Scope, call.Canonical = s.Policy.Grant(spec.Family).Scope, decision.Canonical
	call.Session = capabilities.Session{ID: "test", Policy: s.Policy, Usage: &s.Usage, Logger: s.Logger}
	return capability.Call(ctx, call)
}
