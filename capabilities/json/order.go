package json

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

type member struct{ key, value any }

func membersOf(d *values.Dict) []member {
	members := make([]member, d.Len())
	for i := range members {
		members[i].key, members[i].value = d.At(i)
	}
	return members
}

// sortMembers sorts by key as sorted() does, with its TypeError for keys that have no order.
func sortMembers(members []member) error {
	// Python's sort compares each item with the one before it first, and so meets these pairs before any others.
	for i := 1; i < len(members); i++ {
		if _, ok := compare(members[i].key, members[i-1].key); !ok {
			return unordered(members[i].key, members[i-1].key)
		}
	}
	var failure error
	slices.SortStableFunc(members, func(a, b member) int {
		c, ok := compare(a.key, b.key)
		if !ok && failure == nil {
			failure = unordered(a.key, b.key)
		}
		return c
	})
	return failure
}

func unordered(a, b any) error {
	return capabilities.Raise("TypeError", "'<' not supported between instances of '%s' and '%s'", values.QualifiedTypeName(a), values.QualifiedTypeName(b))
}

// compare orders two keys of a dict; ok is false when Python has no order for them.
func compare(a, b any) (c int, ok bool) {
	switch a := a.(type) {
	case string:
		// The byte order of WTF-8 is the order of the characters.
		b, ok := b.(string)
		return strings.Compare(a, b), ok
	case values.Bytes:
		b, ok := b.(values.Bytes)
		return bytes.Compare(a, b), ok
	case values.Tuple:
		if b, ok := b.(values.Tuple); ok {
			return compareTuples(a, b)
		}
		return 0, false
	}
	x, okA := number(a)
	y, okB := number(b)
	if !okA || !okB {
		return 0, false
	}
	return compareNumbers(x, y), true
}

func compareTuples(a, b values.Tuple) (int, bool) {
	for i := range min(len(a), len(b)) {
		if !values.Equal(a[i], b[i]) {
			return compare(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b)), true
}

// number gives a bool, int or float as a float64 or a *big.Int.
func number(v any) (any, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1.0, true
		}
		return 0.0, true
	case int64:
		return big.NewInt(v), true
	case *big.Int:
		return v, true
	case float64:
		return v, true
	}
	return nil, false
}

func compareNumbers(a, b any) int {
	if x, ok := a.(float64); ok {
		if y, ok := b.(float64); ok {
			return cmp.Compare(x, y)
		}
		return -compareNumbers(b, a)
	}
	n := a.(*big.Int)
	switch b := b.(type) {
	case *big.Int:
		return n.Cmp(b)
	case float64:
		switch {
		case math.IsNaN(b):
			return 0
		case math.IsInf(b, 0):
			return -int(math.Copysign(1, b))
		}
		return new(big.Float).SetInt(n).Cmp(big.NewFloat(b))
	}
	return 0
}
