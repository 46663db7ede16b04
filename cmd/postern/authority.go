package main

import (
	"encoding/hex"
	"errors"
	"fmt"
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
	"github.com/postern-sandbox/postern/mcpclient"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/serve"
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

// loadPolicy reads and checks a policy that is to be run; an empty path is the default policy.
func loadPolicy(path string, r *capabilities.Registry) (*policies.Policy, error) {
	name, text, err := policyText(path)
	if err != nil {
		return nil, err
	}
	policy, err := parsePolicy(name, text, r)
	if err == nil {
		return policy, nil
	}
	if known, vocabularyErr := wideVocabulary(r); vocabularyErr == nil {
		if wide, wideErr := policies.Parse(name, text, known); wideErr == nil && wide.Grant(serve.ToolsFamily) != nil {
			return nil, usageError("`postern serve` runs it, for a program that provides them",
				"%v: [grant.%s] grants functions of the client of serve, and here is none", wide.Grant(serve.ToolsFamily).Position, serve.ToolsFamily)
		}
	}
	return nil, err
}

// lookPolicy reads and checks a policy that is only looked at. It can grant the functions of a client of serve, whichever they are.
func lookPolicy(path string, r *capabilities.Registry) (*policies.Policy, error) {
	name, text, err := policyText(path)
	if err != nil {
		return nil, err
	}
	known, err := wideVocabulary(r)
	if err != nil {
		return nil, err
	}
	policy, err := policies.Parse(name, text, known)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	return policy, nil
}

// policyText reads the text of a policy; an empty path is the default policy.
func policyText(path string) (name string, text []byte, err error) {
	if path == "" {
		return defaultPolicyName, postern.DefaultPolicy(), nil
	}
	text, err = readFile(path, policyLimit)
	return path, text, err
}

// wideVocabulary is vocabulary, with what only the client of serve knows.
func wideVocabulary(r *capabilities.Registry) (policies.Vocabulary, error) {
	known, err := vocabulary(r)
	if err == nil {
		known.Families[serve.ToolsFamily] = policies.Family{Open: true, Doc: "Functions of the program that uses postern serve"}
	}
	return known, err
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
	known, err = withRecorded(known, folder, opened)
	return policy, known, err
}

// withRecorded is a registry with the functions of the MCP servers of a recorded session. They cannot be called.
func withRecorded(known *capabilities.Registry, folder string, opened *audit.Record) (*capabilities.Registry, error) {
	families := known.Families()
	for _, tool := range opened.Tools {
		if tool.Plugin != "" {
			continue
		}
		description, err := keptText(folder, tool.Schema, ".json", mcpclient.MaxDescription)
		if err != nil {
			return nil, fmt.Errorf("what its MCP server %s has said of its tools is not there: %w", visibleName(tool.Name), err)
		}
		if audit.Digest(description) != tool.Schema {
			return nil, fmt.Errorf("the file of what its MCP server %s has said of its tools, %s, was changed", visibleName(tool.Name), tool.Schema)
		}
		family, err := mcpclient.Recorded(tool.Name, description)
		if err != nil {
			return nil, err
		}
		families = append(families, family)
	}
	return capabilities.NewRegistry(families...)
}

// keptPolicy reads what a log keeps of a policy.
func keptPolicy(folder, digest, suffix string) ([]byte, error) {
	text, err := keptText(folder, digest, suffix, policyLimit)
	if err != nil {
		return nil, fmt.Errorf("its policy is not there: %w", err)
	}
	return text, nil
}

// keptText reads what lies beside a log under a digest.
func keptText(folder, digest, suffix string, limit int64) ([]byte, error) {
	hash, ok := strings.CutPrefix(digest, "sha256:")
	if _, err := hex.DecodeString(hash); !ok || err != nil || len(hash) != 64 {
		return nil, errors.New("its record names none")
	}
	return readFile(filepath.Join(folder, "policies", hash+suffix), limit)
}
