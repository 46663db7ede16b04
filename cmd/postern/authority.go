package main

import (
	"fmt"

	"github.com/postern-sandbox/postern"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/capabilities/random"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/policies"
)

// families is all the authority that this program has to grant: what is not in this list, no policy can give. (serve adds the tools
// of its client, which have the client's authority.)
func families() []capabilities.Family {
	return []capabilities.Family{json.Family(), math.Family(), random.Family()}
}

func registry() (*capabilities.Registry, error) { return capabilities.NewRegistry(families()...) }

// vocabulary is what a policy's names are checked against.
func vocabulary(r *capabilities.Registry) (policies.Vocabulary, error) {
	modules, err := guest.Modules()
	if err != nil {
		return policies.Vocabulary{}, err
	}
	return policies.Vocabulary{Families: r.Functions(), Modules: modules}, nil
}

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
	return parsePolicy(name, text, r)
}

// parsePolicy checks a policy against what there is to grant.
func parsePolicy(name string, text []byte, r *capabilities.Registry) (*policies.Policy, error) {
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
