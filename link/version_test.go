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
	const version, want = 2, "8d362441be012228c26210ba3aad64dec932147e33713b38c6f40b6b41c3ff6e"
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
