package link_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/link"
)

// TestVersion holds Version to its word. When it fails, the output has changed: raise Version, then put the new digest here.
func TestVersion(t *testing.T) {
	const version, want = 3, "4a83d31853c920e1485e7379742b0b64824bb8616565729613b0a572059046ed"
	linked, err := link.Link(toy.Wasm(), link.Options{Functions: []string{"a_b", "c_d"}, Meter: true})
	if err != nil {
		t.Fatal(err)
	}
	detached, err := link.Detach(linked)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(append(append(linked, detached.Module...), detached.Memory...))
	if got := hex.EncodeToString(sum[:]); link.Version != version || got != want {
		t.Errorf("version %d with digest %s, want version %d with %s", link.Version, got, version, want)
	}
}
