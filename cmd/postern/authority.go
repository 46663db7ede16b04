package main

import (
	"fmt"

	"github.com/postern-sandbox/postern"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/capabilities/process"
	"github.com/postern-sandbox/postern/capabilities/random"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/policies"
)

// registry is all the authority that this program has to grant: what is not in this list, no policy can give.
func registry() (*capabilities.Registry, error) {
	return capabilities.NewRegistry(http.Family(http.Config{}), json.Family(), math.Family(), process.Family(), random.Family())
}

// vocabulary is what a policy's names are checked against.
func vocabulary(r *capabilities.Registry) (policies.Vocabulary, error) {
	modules, err := guest.Modules()
	if err != nil {
		return policies.Vocabulary{}, err
	}
	return policies.Vocabulary{Families: r.Vocabulary(), Modules: modules, Open: openPolicy}, nil
}

// openPolicy reads the policy that another one extends.
func openPolicy(path string) ([]byte, error) { return readFile(path, policyLimit) }

// defaultPolicyName is how messages and audit records call the built-in policy's file.
const defaultPolicyName = "(default policy)"

// loadPolicy reads and checks a policy; an empty path is the default policy.
func loadPolicy(path string, r *capabilities.Registry) (*policies.Policy, error) {
	name, text := defaultPolicyName, postern.DefaultPolicy()
	if path != "" {
		name = path
		var err error
		if text, err = readFile(path, policyLimit); err != nil {
			return nil, err
		}
	}
	known, err := vocabulary(r)
	if err != nil {
		return nil, err
	}
	policy, err := policies.Parse(name, text, known)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return policy, nil
}
