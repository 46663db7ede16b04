package math_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	gomath "math"
	"os"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
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
	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("testdata/vectors.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	n, tested := 0, map[string]bool{}
	for lines.Scan() {
		n++
		parts := strings.Split(lines.Text(), "\t")
		c, ok := registry.Lookup(parts[0])
		if !ok {
			t.Fatalf("no capability %q", parts[0])
		}
		tested[parts[0]] = true
		got := answer(t, c, parts[1])
		if got != parts[2] && !near(got, parts[2], tolerances[c.Spec().Function]) {
			t.Errorf("%s %s\n got %s\nwant %s", parts[0], parts[1], got, parts[2])
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n < 4000 {
		t.Errorf("only %d vectors", n)
	}
	for _, c := range math.Family().Capabilities {
		if !tested[c.Spec().Name()] {
			t.Errorf("no vectors of %s", c.Spec().Name())
		}
	}
}

// answer makes a call as the host does.
func answer(t *testing.T, c capabilities.Capability, request string) string {
	t.Helper()
	args, kwargs, err := values.DecodeCall([]byte(request))
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	v, err := c.Call(context.Background(), &capabilities.Call{Args: args, Kwargs: kwargs})
	var raised *capabilities.PythonError
	var out []byte
	switch {
	case errors.As(err, &raised):
		out, err = values.AppendError(nil, raised.Type, raised.Message, raised.Attributes, gomath.MaxInt)
	case err == nil:
		out, err = values.AppendOK(nil, v, gomath.MaxInt)
	}
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	return string(out)
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
