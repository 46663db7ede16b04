package main

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

var update = flag.Bool("update", false, "write what the schema says into docs/")

// What docs/ says of the policy language is made of the schema, with the families of this program. When this fails:
//
//	go test ./cmd/postern -run TestReference -update
func TestReference(t *testing.T) {
	known, err := registry()
	if err != nil {
		t.Fatal(err)
	}
	vocab, err := vocabulary(known)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"../../docs/policy.md", "../../docs/capabilities.md"} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		made, err := policies.Reference(page, vocab)
		if err != nil {
			t.Fatal(err)
		}
		current(t, path, made)
	}
	if vocab, err = wideVocabulary(known); err != nil {
		t.Fatal(err)
	}
	schema, err := policies.JSONSchema(vocab)
	if err != nil {
		t.Fatal(err)
	}
	current(t, "../../docs/policy.schema.json", schema)
}

// current checks that a file is what was made, or makes it so.
func current(t *testing.T, path string, made []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, made, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, made) {
		t.Errorf("%s is stale (%v): go test ./cmd/postern -run TestReference -update", path, err)
	}
}
