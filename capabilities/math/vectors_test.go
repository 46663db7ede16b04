package math_test

import (
	gomath "math"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities/internal/vectors"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/values"
)

// tolerances are how many ulps a result may be from CPython's, whose own are those of the C library it was built with.
// For all other functions it must be the same float.
var tolerances = map[string]uint64{
	"acos": 1, "acosh": 1, "asin": 1, "asinh": 1, "atan": 1, "atan2": 1, "atanh": 1, "cbrt": 2, "cos": 1, "cosh": 1, "erf": 1, "erfc": 1,
	"exp": 1, "exp2": 1, "expm1": 1, "log": 1, "log10": 1, "log1p": 1, "log2": 1, "pow": 1, "sin": 1, "sinh": 1, "tan": 1, "tanh": 1,
	"gamma": 4, "lgamma": 4,
}

// TestVectors compares with what CPython answered. testdata/generate.py makes the vectors.
func TestVectors(t *testing.T) {
	registry := vectors.Registry(t, math.Family())
	tested := map[string]bool{}
	vectors.Lines(t, "testdata/vectors.gz", 4000, func(line string) {
		parts := strings.Split(line, "\t")
		c, ok := registry.Lookup(parts[0])
		if !ok {
			t.Fatalf("no capability %q", parts[0])
		}
		tested[parts[0]] = true
		got := vectors.Answer(t, c, parts[1])
		if got != parts[2] && !near(got, parts[2], tolerances[c.Spec().Function]) {
			t.Errorf("%s %s\n got %s\nwant %s", parts[0], parts[1], got, parts[2])
		}
	})
	for _, c := range math.Family().Capabilities {
		if !tested[c.Spec().Name()] {
			t.Errorf("no vectors of %s", c.Spec().Name())
		}
	}
}

// near reports whether two answers are floats at most ulps apart.
func near(a, b string, ulps uint64) bool {
	x, okX := floatAnswer(a)
	y, okY := floatAnswer(b)
	if !okX || !okY || gomath.Signbit(x) != gomath.Signbit(y) {
		return false
	}
	i, j := gomath.Float64bits(x), gomath.Float64bits(y)
	return max(i, j)-min(i, j) <= ulps
}

func floatAnswer(s string) (float64, bool) {
	s, ok := strings.CutPrefix(s, `{"ok":`)
	if !ok {
		return 0, false
	}
	v, err := values.Decode([]byte(strings.TrimSuffix(s, "}")))
	f, ok := v.(float64)
	return f, ok && err == nil
}
