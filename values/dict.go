package values

import (
	"iter"
	"maps"
	"slices"
)

// Dict is a Python dict: it keeps the order of insertion, and its keys are any hashable values.
// As in Python, keys are equal when their values are: 1, 1.0 and True are one key.
// The zero Dict is empty and ready to use. It is not safe for changes by one goroutine while another uses it.
type Dict struct {
	entries []entry
	index   map[any]int // by canonical key; nil while the dict is small enough to search
}

type entry struct{ key, value any }

// smallDict is the size up to which a search through the entries is quicker than an index.
const smallDict = 8

// NewDict makes an empty dict with room for n entries.
func NewDict(n int) *Dict { return &Dict{entries: make([]entry, 0, n)} }

// DictOf makes a dict of a Go map, in ascending order of the keys.
func DictOf[V any](m map[string]V) *Dict {
	d := NewDict(len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		d.SetString(k, m[k])
	}
	return d
}

// Len gives the number of entries. A nil Dict is empty.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.entries)
}

// At gives the entry at place i, which must be in 0 … Len()-1.
func (d *Dict) At(i int) (key, value any) { return d.entries[i].key, d.entries[i].value }

// All gives the entries in order.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		if d == nil {
			return
		}
		for _, e := range d.entries {
			if !yield(e.key, e.value) {
				return
			}
		}
	}
}

// Get gives the value of a key. An unhashable key is in no dict.
func (d *Dict) Get(key any) (any, bool) {
	if d == nil {
		return nil, false
	}
	k, err := keyOf(key)
	if err != nil {
		return nil, false
	}
	if i := d.find(k); i >= 0 {
		return d.entries[i].value, true
	}
	return nil, false
}

// Set gives key its value. A key that is there keeps its place, as in Python.
// The error is for a key that Python cannot hash, such as a list.
func (d *Dict) Set(key, value any) error {
	k, err := keyOf(key)
	if err != nil {
		return err
	}
	d.set(k, key, value)
	return nil
}

// SetString is Set for a key that is a str, which cannot fail.
func (d *Dict) SetString(key string, value any) {
	var k any = key
	d.set(k, k, value)
}

// StringMap gives the dict as a Go map, and false when a key is not a str.
func (d *Dict) StringMap() (map[string]any, bool) {
	m := make(map[string]any, d.Len())
	for k, v := range d.All() {
		s, ok := k.(string)
		if !ok {
			return nil, false
		}
		m[s] = v
	}
	return m, true
}

func (d *Dict) set(k, key, value any) {
	if i := d.find(k); i >= 0 {
		d.entries[i].value = value
		return
	}
	d.add(k, key, value)
}

// add puts a new entry at the end. The key, whose canonical form is k, must not be there.
func (d *Dict) add(k, key, value any) {
	d.entries = append(d.entries, entry{key, value})
	switch {
	case d.index != nil:
		d.index[k] = len(d.entries) - 1
	case len(d.entries) > smallDict:
		d.index = make(map[any]int, 2*len(d.entries))
		for i, e := range d.entries {
			if ek, err := keyOf(e.key); err == nil {
				d.index[ek] = i
			}
		}
	}
}

// find gives the place of the entry whose canonical key is k, or -1.
func (d *Dict) find(k any) int {
	if d.index != nil {
		if i, ok := d.index[k]; ok {
			return i
		}
		return -1
	}
	s, isString := k.(string)
	for i := range d.entries {
		if isString {
			if es, ok := d.entries[i].key.(string); ok && es == s {
				return i
			}
			continue
		}
		if ek, err := keyOf(d.entries[i].key); err == nil && ek == k {
			return i
		}
	}
	return -1
}

// String is the dict's repr, for messages.
func (d *Dict) String() string { return Format(d) }
