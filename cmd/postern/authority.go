package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-sandbox/postern"
	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/capabilities/random"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/policies"
)

// registry is all the authority that this program has to grant: what is not in this list, no policy can give.
func registry() (*capabilities.Registry, error) {
	return capabilities.NewRegistry(json.Family(), math.Family(), random.Family())
}

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

// recordedPolicy reads the policy of a recorded session from the log's folder. Its name in messages is the one it had then, since the guest was told it.
func recordedPolicy(folder string, opened *audit.Record) (*policies.Policy, *capabilities.Registry, error) {
	known, err := registry()
	if err != nil {
		return nil, nil, err
	}
	hash, ok := strings.CutPrefix(opened.Policy, "sha256:")
	if _, err := hex.DecodeString(hash); !ok || err != nil || len(hash) != 64 {
		return nil, nil, errors.New("its record names no policy")
	}
	path := filepath.Join(folder, "policies", hash+".toml")
	if _, err := os.Stat(path); err != nil {
		return nil, nil, fmt.Errorf("its policy is not there: %s", path)
	}
	text, err := readFile(path, policyLimit)
	if err != nil {
		return nil, nil, err
	}
	if audit.Digest(text) != opened.Policy {
		return nil, nil, fmt.Errorf("the file of its policy, %s, was changed", opened.Policy)
	}
	vocab, err := vocabulary(known)
	if err != nil {
		return nil, nil, err
	}
	policy, err := policies.Parse(opened.PolicyFile, text, vocab)
	if err != nil {
		return nil, nil, fmt.Errorf("this program does not understand its policy: %w", err)
	}
	return policy, known, nil
}
