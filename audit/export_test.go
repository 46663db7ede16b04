package audit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// EncodeForTest is the line of a record.
func EncodeForTest(number int64, r *Record) ([]byte, error) {
	var known digests
	first, err := r.appendBody(appendNumber(nil, number), &known)
	if err != nil {
		return nil, err
	}
	again, err := r.appendBody(appendNumber(nil, number), &known)
	if err != nil || !bytes.Equal(first, again) {
		return nil, fmt.Errorf("encoded twice: %q and %q, %w", first, again, err)
	}
	return first, nil
}

// Syncs is how often records waited for the disk.
func (l *Folder) Syncs() int64 { return l.syncs.Load() }

// NewTreeForTest gives what adds lines to a tree, its root, and its size in bytes.
func NewTreeForTest() (add func(line []byte), root func() [32]byte, bytes func() int) {
	t := new(tree)
	return func(line []byte) { t.add(line, nil) }, func() [32]byte { return t.root() }, func() int { return 32 * cap(t.edge) }
}

// RecordsIn is recordsIn.
var RecordsIn = recordsIn

// ParseCheckpoints is parseCheckpoints.
var ParseCheckpoints = parseCheckpoints

// HashesForTest makes the file of hashes of lines.
func HashesForTest() (add func(line []byte), root func() [32]byte, file func() []byte) {
	t := new(tree)
	var data []byte
	return func(line []byte) {
		for _, h := range t.add(line, nil) {
			data = append(data, h[:]...)
		}
	}, func() [32]byte { return t.root() }, func() []byte { return data }
}

// ReforgeForTest does what somebody can do who owns a folder without a key: it makes hashes and checkpoint fit the lines.
func ReforgeForTest(t testing.TB, folder, log string) {
	var forged tree
	hashes, err := os.Create(filepath.Join(folder, hashesFile))
	if err != nil {
		t.Fatal(err)
	}
	defer hashes.Close()
	err = eachLine(folder, []int64{0}, func(line []byte, number int64) error {
		return hashFile{hashes}.write(number, forged.add(line, nil))
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := newCheckpoint(log, &forged, nil)
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, checkpointsFile), c.entry(), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}
