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
	"github.com/postern-sandbox/postern/capabilities/clock"
	"github.com/postern-sandbox/postern/capabilities/env"
	"github.com/postern-sandbox/postern/capabilities/fs"
	"github.com/postern-sandbox/postern/capabilities/http"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/kv"
	"github.com/postern-sandbox/postern/capabilities/log"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/capabilities/process"
	"github.com/postern-sandbox/postern/capabilities/random"
	"github.com/postern-sandbox/postern/capabilities/sql"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/policies"
)

// families is all the authority that this program has to grant: what is not in this list, no policy can give. (serve adds the tools
// of its client, which have the client's authority.)
func families() []capabilities.Family {
	return []capabilities.Family{
		clock.Family(),
		env.Family(),
		fs.Family(),
		http.Family(http.Config{}),
		json.Family(),
		kv.Family(),
		log.Family(),
		math.Family(),
		process.Family(),
		random.Family(),
		sql.Family(sql.Config{}),
	}
}

func registry() (*capabilities.Registry, error) { return capabilities.NewRegistry(families()...) }

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

// recordedPolicy reads the policy of a recorded session from the log's folder, and those that it extends. Its name in messages is the one it had then, since the guest was told it.
func recordedPolicy(folder string, opened *audit.Record) (*policies.Policy, *capabilities.Registry, error) {
	known, err := registry()
	if err != nil {
		return nil, nil, err
	}
	vocab, err := vocabulary(known)
	if err != nil {
		return nil, nil, err
	}
	digest := opened.Policy
	text, err := keptPolicy(folder, digest, ".toml")
	if err != nil {
		return nil, nil, err
	}
	// Policies extend each other one after the other, and are read so.
	vocab.Open = func(string) ([]byte, error) {
		next, err := keptPolicy(folder, digest, ".extends")
		if err != nil {
			return nil, err
		}
		digest = strings.TrimSpace(string(next))
		return keptPolicy(folder, digest, ".toml")
	}
	policy, err := policies.Parse(opened.PolicyFile, text, vocab)
	if err != nil {
		return nil, nil, fmt.Errorf("this program does not understand its policy: %w", err)
	}
	if policy.Digest != opened.Policy {
		return nil, nil, fmt.Errorf("the file of its policy, %s, was changed", opened.Policy)
	}
	return policy, known, nil
}

// keptPolicy reads what a log keeps of a policy.
func keptPolicy(folder, digest, suffix string) ([]byte, error) {
	hash, ok := strings.CutPrefix(digest, "sha256:")
	if _, err := hex.DecodeString(hash); !ok || err != nil || len(hash) != 64 {
		return nil, errors.New("its record names no policy")
	}
	path := filepath.Join(folder, "policies", hash+suffix)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("its policy is not there: %s", path)
	}
	return readFile(path, policyLimit)
}
