package policies_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// What a policy leaves out of the log stays out, whatever extends it, and what it wants on the disk is on the disk.
func TestAuditOfExtendedPolicies(t *testing.T) {
	const base = "policy = 1\nname = \"base\"\n[audit]\nredact = [\"math.sqrt.x\"]\nkey = \"keys/audit\"\ndurability = \"effects\"\n"
	vocab := vocabulary()
	vocab.Open = func(path string) ([]byte, error) {
		if path != "dir/shared/base.toml" {
			return nil, os.ErrNotExist
		}
		return []byte(base), nil
	}
	parse := func(audit string) (*policies.Policy, error) {
		return policies.Parse("dir/p.toml", []byte("policy = 1\nname = \"n\"\nextends = \"shared/base.toml\"\n[audit]\n"+audit), vocab)
	}
	p, err := parse("redact = [\"math.cos.x\"]\ndurability = \"always\"\n")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(p.Audit.Redact, []string{"math.sqrt.x", "math.cos.x"}) || p.Audit.Key != "shared/keys/audit" || p.Audit.Durability != "always" {
		t.Errorf("%+v", p.Audit)
	}
	if !slices.Equal(p.Base.Audit.Redact, []string{"math.sqrt.x"}) || string(p.Base.Source()) != base {
		t.Errorf("base %+v", p.Base.Audit)
	}
	if p, err = parse("redact = []\n"); err != nil || !slices.Equal(p.Audit.Redact, []string{"math.sqrt.x"}) {
		t.Errorf("emptied: %v", err)
	}
	if _, err = parse("durability = \"batch\"\n"); err == nil || !strings.Contains(err.Error(), "a power failure can take more records") {
		t.Errorf("less durable: %v", err)
	}
}
