package values

import "bytes"

// Equal reports whether two values are equal as Python's == finds, except that a nan is equal to a nan, a Repr to the same
// Repr, and that decimals, dates and times are compared by their text. So every value equals its own copy.
func Equal(a, b any) bool { return equal(a, b, 0) }

func equal(a, b any, depth int) bool {
	if depth > 2*MaxDepth {
		return false
	}
	switch a := a.(type) {
	case List:
		b, ok := b.(List)
		return ok && equalItems(a, b, depth)
	case Tuple:
		b, ok := b.(Tuple)
		return ok && equalItems(a, b, depth)
	case *Dict:
		b, ok := b.(*Dict)
		return ok && equalDicts(a, b, depth)
	case Set:
		return equalSets(a, b)
	case FrozenSet:
		return equalSets(a, b)
	case Bytes:
		return equalBytes(a, b)
	case ByteArray:
		return equalBytes(a, b)
	}
	y := keyer{copies: true}
	ka, errA := y.key(a, 0)
	kb, errB := y.key(b, 0)
	return errA == nil && errB == nil && ka == kb
}

func equalItems(a, b []any, depth int) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !equal(a[i], b[i], depth+1) {
			return false
		}
	}
	return true
}

func equalBytes(a []byte, b any) bool {
	switch b := b.(type) {
	case Bytes:
		return bytes.Equal(a, b)
	case ByteArray:
		return bytes.Equal(a, b)
	}
	return false
}

// equalDicts compares without regard to order.
func equalDicts(a, b *Dict, depth int) bool {
	if a.Len() != b.Len() {
		return false
	}
	keys := func(d *Dict) []any {
		list := make([]any, d.Len())
		for i := range list {
			list[i], _ = d.At(i)
		}
		return list
	}
	places := placesOf(keys(b))
	for key, i := range placesOf(keys(a)) {
		j, ok := places[key]
		if !ok {
			return false
		}
		_, v := a.At(i)
		if _, w := b.At(j); !equal(v, w, depth+1) {
			return false
		}
	}
	return len(places) == b.Len()
}

func equalSets(a []any, other any) bool {
	var b []any
	switch other := other.(type) {
	case Set:
		b = other
	case FrozenSet:
		b = other
	default:
		return false
	}
	if len(a) != len(b) {
		return false
	}
	places := placesOf(b)
	for key := range placesOf(a) {
		if _, ok := places[key]; !ok {
			return false
		}
	}
	return len(places) == len(b)
}

// occurrence is a hashable value, and which of its copies: a set may hold several nans.
type occurrence struct {
	key  any
	copy int
}

// placesOf gives the places of hashable values. Those that are not hashable, which no set has, are left out.
func placesOf(list []any) map[occurrence]int {
	places := make(map[occurrence]int, len(list))
	copies := map[any]int{}
	y := keyer{copies: true}
	for i, v := range list {
		key, err := y.key(v, 0)
		if err != nil {
			continue
		}
		o := occurrence{key: key}
		if _, ok := places[o]; ok {
			copies[key]++
			o.copy = copies[key]
		}
		places[o] = i
	}
	return places
}
