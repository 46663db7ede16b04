package kv

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.etcd.io/bbolt"

	"github.com/postern-sandbox/postern/capabilities"
)

// The format of the file: a bucket for each namespace, in it the bucket "values" (key → the value's JSON) and the key "used": two big-endian
// integers of 64 bits, the number of keys and the bytes of keys and values together.
var (
	valuesBucket = []byte("values")
	usedKey      = []byte("used")
)

type quotas struct{ keys, bytes int64 }

// A namespace is the keys of one namespace in a transaction. The nil namespace is empty and cannot be changed.
type namespace struct {
	bucket *bbolt.Bucket
	values *bbolt.Bucket
	used   quotas
	limits quotas
}

// existing gives a namespace to read, nil if there is none.
func existing(tx *bbolt.Tx, name string) (*namespace, error) {
	bucket := tx.Bucket([]byte(name))
	if bucket == nil {
		return nil, nil
	}
	n := &namespace{bucket: bucket, values: bucket.Bucket(valuesBucket)}
	if n.values == nil {
		return nil, errors.New("kv: the file is not one of this family")
	}
	return n, nil
}

// made gives a namespace to change.
func made(tx *bbolt.Tx, name string, limits quotas) (*namespace, error) {
	bucket, err := tx.CreateBucketIfNotExists([]byte(name))
	if err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	n := &namespace{bucket: bucket, limits: limits}
	if n.values, err = bucket.CreateBucketIfNotExists(valuesBucket); err != nil {
		return nil, fmt.Errorf("kv: %w", err)
	}
	switch used := bucket.Get(usedKey); len(used) {
	case 16:
		n.used.keys, n.used.bytes = int64(binary.BigEndian.Uint64(used)), int64(binary.BigEndian.Uint64(used[8:]))
	case 0:
	default:
		return nil, errors.New("kv: the file is not one of this family")
	}
	return n, nil
}

func (n *namespace) get(key string) []byte {
	if n == nil {
		return nil
	}
	return n.values.Get([]byte(key))
}

// put keeps a value if the quotas permit it. What takes less than before is always permitted: a quota may have been lowered.
func (n *namespace) put(key string, value []byte) error {
	before, then := n.get(key), n.used
	then.bytes += int64(len(value))
	if before == nil {
		then.keys++
		then.bytes += int64(len(key))
	} else {
		then.bytes -= int64(len(before))
	}
	switch {
	case then.keys > n.limits.keys && then.keys > n.used.keys:
		return capabilities.Raise("kv.QuotaError", "there are %d keys already, and max_keys of [grant.kv] is %d: delete some", n.used.keys, n.limits.keys)
	case then.bytes > n.limits.bytes && then.bytes > n.used.bytes:
		return capabilities.Raise("kv.QuotaError", "%d bytes are used, with this it would be %d, and max_bytes of [grant.kv] is %d: delete something", n.used.bytes, then.bytes, n.limits.bytes)
	}
	if err := n.values.Put([]byte(key), value); err != nil {
		return fmt.Errorf("kv: %w", err)
	}
	n.used = then
	return nil
}

func (n *namespace) delete(key string) (was bool, err error) {
	before := n.get(key)
	if before == nil {
		return false, nil
	}
	size := len(before)
	if err := n.values.Delete([]byte(key)); err != nil {
		return false, fmt.Errorf("kv: %w", err)
	}
	n.used.keys--
	n.used.bytes -= int64(len(key) + size)
	return true, nil
}

// finish keeps what is used.
func (n *namespace) finish() error {
	used := binary.BigEndian.AppendUint64(nil, uint64(n.used.keys))
	used = binary.BigEndian.AppendUint64(used, uint64(n.used.bytes))
	if err := n.bucket.Put(usedKey, used); err != nil {
		return fmt.Errorf("kv: %w", err)
	}
	return nil
}
