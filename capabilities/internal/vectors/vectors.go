// Package vectors reads the committed answers of other implementations for the tests of the families, and makes calls as
// the host does. It is for tests alone.
package vectors

import (
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// Lines gives each line of a gzipped file to f. The test fails when there are fewer than least.
func Lines(t *testing.T, path string, least int, f func(line string)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		f(lines.Text())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if n < least {
		t.Errorf("%s has only %d lines, want %d", path, n, least)
	}
}

// Registry is a registry of one family.
func Registry(t *testing.T, family capabilities.Family) *capabilities.Registry {
	t.Helper()
	registry, err := capabilities.NewRegistry(family)
	if err != nil {
		t.Fatal(err)
	}
	return registry
}

// Answer makes a call as the host does: from a request to an answer, both in JSON.
func Answer(t *testing.T, c capabilities.Capability, request string) string {
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
