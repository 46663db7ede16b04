package host_test

import (
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/guest/toy"
	"github.com/postern-sandbox/postern/host"
)

// What a sealed guest does is tested in conformance/, with the real one.
func TestSealRefuses(t *testing.T) {
	linked := config(t)
	linked.Linked = toy.Wasm()
	unknown := config(t)
	unknown.Capabilities = nil
	for want, c := range map[string]host.Config{
		"no exchange":                 config(t), // the toy has none
		"linked already":              linked,
		"there is no such capability": unknown,
	} {
		if module, err := host.Seal(t.Context(), c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d bytes, %v; want %q", len(module), err, want)
		}
	}
}
