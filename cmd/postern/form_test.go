package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// The policies of the repository are in the form that `postern policy fmt` writes, and nothing is said against them.
func TestPoliciesAreInForm(t *testing.T) {
	known, err := registry()
	if err != nil {
		t.Fatal(err)
	}
	vocab, err := vocabulary(known)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../../examples/*/policy.toml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	for _, file := range append(files, "../../policy.toml") {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := policies.Format(file, src, vocab); err != nil || string(out) != string(src) {
			t.Errorf("postern policy fmt -w %s: %v", file, err)
		}
		policy, err := policies.Parse(file, src, vocab)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, w := range policy.Warnings {
			t.Errorf("postern policy check --strict: %v", w)
		}
	}
}
