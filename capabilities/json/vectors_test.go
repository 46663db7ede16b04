package json_test

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/values"
)

// TestVectors compares with what CPython answered, byte for byte. testdata/generate.py makes the vectors.
func TestVectors(t *testing.T) {
	registry, err := capabilities.NewRegistry(json.Family())
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
	n := 0
	for lines.Scan() {
		n++
		parts := strings.Split(lines.Text(), "\t")
		c, ok := registry.Lookup(parts[0])
		if !ok {
			t.Fatalf("no capability %q", parts[0])
		}
		if got := answer(t, c, parts[1]); got != parts[2] {
			t.Errorf("%s %s\n got %s\nwant %s", parts[0], parts[1], got, parts[2])
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n < 4000 {
		t.Errorf("only %d vectors", n)
	}
}

// answer makes a call as the host does.
func answer(t *testing.T, c capabilities.Capability, request string) string {
	t.Helper()
	args, kwargs, err := values.DecodeCall([]byte(request))
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	const limit = 64 << 20
	v, err := c.Call(context.Background(), &capabilities.Call{Args: args, Kwargs: kwargs})
	var raised *capabilities.PythonError
	var out []byte
	switch {
	case errors.As(err, &raised):
		out, err = values.AppendError(nil, raised.Type, raised.Message, raised.Attributes, limit)
	case err == nil:
		out, err = values.AppendOK(nil, v, limit)
	}
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	return string(out)
}
