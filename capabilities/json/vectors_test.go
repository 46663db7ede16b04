package json_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/internal/vectors"
	"github.com/postern-sandbox/postern/capabilities/json"
)

// TestVectors compares with what CPython answered, byte for byte. testdata/generate.py makes the vectors.
func TestVectors(t *testing.T) {
	registry := vectors.Registry(t, json.Family())
	vectors.Lines(t, "testdata/vectors.gz", 4000, func(line string) {
		parts := strings.Split(line, "\t")
		c, ok := registry.Lookup(parts[0])
		if !ok {
			t.Fatalf("no capability %q", parts[0])
		}
		if got := vectors.Answer(t, c, parts[1]); got != parts[2] {
			t.Errorf("%s %s\n got %s\nwant %s", parts[0], parts[1], got, parts[2])
		}
	})
}
