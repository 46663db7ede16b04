package audit_test

import (
	"fmt"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/postern-sandbox/postern/audit"
)

// memoryHashes is what package tlog keeps of a tree.
type memoryHashes []tlog.Hash

func (m memoryHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		list[i] = m[index]
	}
	return list, nil
}

func TestTreeIsThatOfPackageTlog(t *testing.T) {
	add, root, _ := audit.NewTreeForTest()
	var stored memoryHashes
	for n := range int64(1000) {
		line := fmt.Appendf(nil, "line %d", n)
		add(line)
		hashes, err := tlog.StoredHashes(n, line, stored)
		if err != nil {
			t.Fatal(err)
		}
		stored = append(stored, hashes...)
		want, err := tlog.TreeHash(n+1, stored)
		if err != nil {
			t.Fatal(err)
		}
		if root() != want {
			t.Fatalf("the root of %d lines differs", n+1)
		}
	}
}

func TestRecordsIn(t *testing.T) {
	for n := range int64(3000) {
		length := tlog.StoredHashCount(n) * tlog.HashSize
		if got := audit.RecordsIn(length); got != n {
			t.Fatalf("%d bytes: %d records, want %d", length, got, n)
		}
		if got := audit.RecordsIn(length + 31); got != n {
			t.Fatalf("%d bytes: %d records, want %d", length+31, got, n)
		}
	}
}

// The tree in memory is some hundred bytes, however many records there are.
func TestTreeIsSmall(t *testing.T) {
	add, _, bytes := audit.NewTreeForTest()
	for range 1_000_000 {
		add(nil)
	}
	if got := bytes(); got > 4096 {
		t.Errorf("%d bytes for a million records", got)
	}
}
