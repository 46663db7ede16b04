package math_test

import (
	"context"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/internal/vectors"
	"github.com/postern-sandbox/postern/capabilities/math"
)

// TestTruth compares with values computed with many digits and rounded once: the elementary functions must give the very
// same floats. testdata/truth.py makes the values.
func TestTruth(t *testing.T) {
	registry := vectors.Registry(t, math.Family())
	vectors.Lines(t, "testdata/truth.gz", 4000, func(line string) {
		words := strings.Fields(line)
		var call capabilities.Call
		for _, w := range words[1:] {
			x, err := strconv.ParseFloat(w, 64)
			if err != nil {
				t.Fatal(err)
			}
			call.Args = append(call.Args, x)
		}
		last := len(call.Args) - 1
		want := call.Args[last].(float64)
		call.Args = call.Args[:last]
		c, ok := registry.Lookup("math." + words[0])
		if !ok {
			t.Fatalf("no function %q", words[0])
		}
		if got, err := c.Call(context.Background(), &call); err != nil || got != want {
			t.Errorf("%s%v = %v, %v, want %v", words[0], call.Args, got, err, want)
		}
	})
}
