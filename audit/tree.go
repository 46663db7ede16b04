package audit

import (
	"errors"
	"fmt"
	"io"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"
)

// A tree is the right edge of a Merkle tree: what is needed to add leaves to it and to know its root. It takes 32 bytes for each
// doubling of its size.
type tree struct {
	size int64
	edge []tlog.Hash // roots of the perfect trees of which it consists, largest first: one for each bit of size
}

// add adds a leaf and appends to hashes what tlog stores for it: its own hash and that of each subtree that it completes.
func (t *tree) add(line []byte, hashes []tlog.Hash) []tlog.Hash {
	h := tlog.RecordHash(line)
	return t.addHash(h, hashes)
}

func (t *tree) addHash(h tlog.Hash, hashes []tlog.Hash) []tlog.Hash {
	hashes = append(hashes, h)
	for n := t.size; n&1 == 1; n >>= 1 {
		last := len(t.edge) - 1
		h = tlog.NodeHash(t.edge[last], h)
		t.edge = t.edge[:last]
		hashes = append(hashes, h)
	}
	t.edge = append(t.edge, h)
	t.size++
	return hashes
}

// root is the tree's hash. An empty tree has none.
func (t *tree) root() tlog.Hash {
	if len(t.edge) == 0 {
		return tlog.Hash{}
	}
	h := t.edge[len(t.edge)-1]
	for i := len(t.edge) - 2; i >= 0; i-- {
		h = tlog.NodeHash(t.edge[i], h)
	}
	return h
}

func (t *tree) clone() tree { return tree{t.size, append([]tlog.Hash(nil), t.edge...)} }

// A hashFile is the file "tree" of a log: the hashes of all records, and of all subtrees, where tlog.StoredHashIndex puts them. It can be made again from
// the records at any time. It lets a log be opened without reading all of it, and tells which record was changed.
type hashFile struct{ file readerWriterAt }

type readerWriterAt interface {
	io.ReaderAt
	io.WriterAt
}

var errHashes = errors.New("audit: the file of the tree's hashes is too short")

// ReadHashes implements tlog.HashReader.
func (f hashFile) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if _, err := f.file.ReadAt(hashes[i][:], index*tlog.HashSize); err != nil {
			if errors.Is(err, io.EOF) {
				err = errHashes
			}
			return nil, err
		}
	}
	return hashes, nil
}

// write puts the hashes that belong to the records from number first on.
func (f hashFile) write(first int64, hashes []tlog.Hash) error {
	flat := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		flat = append(flat, h[:]...)
	}
	_, err := f.file.WriteAt(flat, tlog.StoredHashIndex(0, first)*tlog.HashSize)
	return err
}

// load reads the edge of the tree of a given size.
func (f hashFile) load(size int64) (tree, error) {
	t := tree{size: size}
	var indexes []int64
	for start, level := int64(0), bits.Len64(uint64(size))-1; level >= 0; level-- {
		if size>>level&1 == 1 {
			indexes = append(indexes, tlog.StoredHashIndex(level, start>>level))
			start += 1 << level
		}
	}
	var err error
	if t.edge, err = f.ReadHashes(indexes); err != nil {
		return tree{}, fmt.Errorf("audit: read tree: %w", err)
	}
	return t, nil
}

// recordsIn is how many records a file of the given length has hashes of.
func recordsIn(length int64) int64 {
	hashes := length / tlog.HashSize
	// A tree of n records has between n and 2n hashes.
	low, high := hashes/2, hashes
	for low < high {
		middle := low + (high-low+1)/2
		if tlog.StoredHashCount(middle) <= hashes {
			low = middle
		} else {
			high = middle - 1
		}
	}
	return low
}
