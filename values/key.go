package values

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
)

// The canonical keys: comparable Go values that are equal exactly when the Python values are equal. Numbers that are
// integers become int64 or bigKey, whatever their Python type.
type (
	noneKey  struct{}
	bigKey   string
	bytesKey string
	treeKey  string           // of a tuple or frozenset, see tree
	ownKey   struct{ _ byte } // its address: equal to nothing but itself, as nan and objects are
	nanKey   struct{}
)

// keyOf gives the canonical key of a value, or an error when Python could not hash it.
// Decimals, dates and times are equal when their texts are; Python also finds 1 and Decimal("1.0") equal.
func keyOf(v any) (any, error) { return new(keyer).key(v, 0) }

// keyer makes canonical keys.
type keyer struct {
	copies bool // what is equal to nothing but itself has the key of its copies
	// trees remembers the keys of tuples and frozensets by the address of their first member, if it is not nil.
	// Without it, sets in sets in sets would be gone through again at each level.
	trees map[*any]any
}

func (y *keyer) key(v any, depth int) (any, error) {
	switch v := v.(type) {
	case string, int64, DateTime, Date, Time, TimeDelta:
		return v, nil
	case Decimal:
		if strings.Contains(string(v), "NaN") && !y.copies {
			return new(ownKey), nil
		}
		return v, nil
	case nil:
		return noneKey{}, nil
	case bool:
		if v {
			return int64(1), nil
		}
		return int64(0), nil
	case int:
		return int64(v), nil
	case *big.Int:
		if v.IsInt64() {
			return v.Int64(), nil
		}
		return bigKey(v.Text(16)), nil
	case float64:
		return y.float(v), nil
	case complex128:
		switch {
		case imag(v) == 0:
			return y.float(real(v)), nil
		case !math.IsNaN(real(v)) && !math.IsNaN(imag(v)):
			return v, nil
		case y.copies:
			return bytesKey(fmt.Sprint("complex ", v)), nil
		}
		return new(ownKey), nil
	case Bytes:
		return bytesKey(v), nil
	case Tuple:
		return y.tree('(', v, depth)
	case FrozenSet:
		return y.tree('{', v, depth)
	case Repr:
		if y.copies {
			return v, nil
		}
		return new(ownKey), nil
	}
	return nil, fmt.Errorf("values: unhashable type: %q", TypeName(v))
}

func (y *keyer) float(f float64) any {
	switch {
	case f != f && y.copies:
		return nanKey{}
	case f != f:
		return new(ownKey)
	case f != math.Trunc(f) || math.IsInf(f, 0):
		return f
	case -1<<63 <= f && f < 1<<63:
		return int64(f)
	}
	n, _ := new(big.Float).SetFloat64(f).Int(nil)
	return bigKey(n.Text(16))
}

// tree gives the key of a tuple or frozenset: the texts of its members' keys after each other, or a digest of that if it is
// long. If a member is equal to nothing but itself, so is the whole.
func (y *keyer) tree(kind byte, members []any, depth int) (any, error) {
	if depth > MaxDepth {
		return nil, errDepth
	}
	if len(members) == 0 {
		return treeKey(kind), nil
	}
	if k, ok := y.trees[&members[0]]; ok {
		return k, nil
	}
	k, err := y.newTree(kind, members, depth)
	if err == nil && y.trees != nil {
		y.trees[&members[0]] = k
	}
	return k, err
}

func (y *keyer) newTree(kind byte, members []any, depth int) (any, error) {
	text := []byte{kind}
	var parts []string
	for _, m := range members {
		k, err := y.key(m, depth+1)
		if err != nil {
			return nil, err
		}
		if _, ok := k.(*ownKey); ok {
			return k, nil
		}
		if kind == '{' {
			parts = append(parts, string(appendKey(nil, k)))
		} else {
			text = appendKey(text, k)
		}
	}
	slices.Sort(parts) // the order of a set's members means nothing
	for _, p := range parts {
		text = append(text, p...)
	}
	if len(text) > 64 {
		digest := sha256.Sum256(text)
		return treeKey("#" + string(digest[:])), nil
	}
	return treeKey(text), nil
}

// appendKey writes a canonical key as text: a letter for its type, and its length before what varies in length, so that no
// two different keys have one text.
func appendKey(dst []byte, k any) []byte {
	number := binary.LittleEndian.AppendUint64
	switch k := k.(type) {
	case string:
		return appendText(dst, 's', k)
	case int64:
		return number(append(dst, 'i'), uint64(k))
	case float64:
		return number(append(dst, 'f'), math.Float64bits(k))
	case complex128:
		// Adding zero makes -0.0 and 0.0 one.
		return number(number(append(dst, 'c'), math.Float64bits(real(k)+0)), math.Float64bits(imag(k)+0))
	case noneKey:
		return append(dst, 'n')
	case bigKey:
		return appendText(dst, 'I', string(k))
	case bytesKey:
		return appendText(dst, 'b', string(k))
	case treeKey:
		return appendText(dst, 't', string(k))
	}
	return appendText(dst, 'o', fmt.Sprintf("%T %v", k, k))
}

func appendText(dst []byte, kind byte, text string) []byte {
	return append(binary.AppendUvarint(append(dst, kind), uint64(len(text))), text...)
}
