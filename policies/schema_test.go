package policies_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/policies"
)

// Whatever the schema calls a default, a minimum or a maximum, Parse accepts;
// and what lies beyond the bounds it refuses.
func TestBoundsAreAccepted(t *testing.T) {
	accepts := func(path, value string) bool {
		src := fmt.Sprintf("policy = 1\nname = \"n\"\n%s = %s\n", path, value)
		_, err := policies.Parse("p", []byte(src), vocabulary())
		return err == nil
	}
	tested := 0
	for _, key := range policies.Schema(policies.Vocabulary{}) {
		if !strings.HasPrefix(key.Path, "limits.") {
			continue
		}
		tested++
		beyond := [2]string{"0", "9_000_000_000_000_000"}
		quoted := key.Type != "an integer"
		if strings.Contains(key.Type, "duration") {
			beyond = [2]string{`"0s"`, `"1000h"`}
		}
		for _, value := range []string{key.Default, key.Min, key.Max} {
			if quoted {
				value = `"` + value + `"`
			}
			if !accepts(key.Path, value) {
				t.Errorf("%s = %s is refused", key.Path, value)
			}
		}
		for _, value := range beyond {
			if accepts(key.Path, value) {
				t.Errorf("%s = %s is accepted", key.Path, value)
			}
		}
	}
	if tested != 7 {
		t.Errorf("%d limits", tested)
	}
}
