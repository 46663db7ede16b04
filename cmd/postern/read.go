package main

import (
	"io"
	"os"
)

// How much is read of a file, in bytes: a larger one, or one without an end, is refused and not read whole first.
const (
	codeLimit   = 16 << 20
	policyLimit = 1 << 20
	moduleLimit = 256 << 20
)

func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, usageError("", "%v", err)
	}
	defer file.Close()
	return readAll(file, path, limit)
}

func readAll(r io.Reader, name string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, usageError("", "%v", err)
	}
	if int64(len(data)) > limit {
		return nil, usageError("", "%s is larger than %d MiB", name, limit>>20)
	}
	return data, nil
}
