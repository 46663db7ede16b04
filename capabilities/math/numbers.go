package math

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// asFloat converts an argument as PyFloat_AsDouble does: a float, an int or bool, a Decimal.
func asFloat(v any) (float64, error) {
	switch v := v.(type) {
	case float64:
		return v, nil
	case int64:
		return float64(v), nil
	case bool:
		if v {
			return 1, nil
		}
		return 0, nil
	case *big.Int:
		return bigFloat(v)
	case values.Decimal:
		return decimalFloat(string(v))
	}
	return 0, capabilities.Raise("TypeError", "must be real number, not %s", values.QualifiedTypeName(v))
}

// bigFloat rounds half to even, and does not give an infinity.
func bigFloat(n *big.Int) (float64, error) {
	f, _ := new(big.Float).SetInt(n).Float64()
	if math.IsInf(f, 0) {
		return 0, capabilities.Raise("OverflowError", "int too large to convert to float")
	}
	return f, nil
}

func decimalFloat(s string) (float64, error) {
	switch rest := strings.TrimPrefix(s, "-"); {
	case strings.HasPrefix(rest, "sNaN"):
		return 0, capabilities.Raise("ValueError", "cannot convert signaling NaN to float")
	case strings.HasPrefix(rest, "NaN"):
		return math.NaN(), nil
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(f, 0) { // a Decimal out of range becomes an infinity
		return 0, fmt.Errorf("math: %w", err)
	}
	return f, nil
}

// asInt converts an argument as PyNumber_Index does: an int or bool. The result must not be changed.
func asInt(v any) (*big.Int, error) {
	if n, ok := exactInt(v); ok {
		return n, nil
	}
	return nil, capabilities.Raise("TypeError", "'%s' object cannot be interpreted as an integer", values.QualifiedTypeName(v))
}

func exactInt(v any) (*big.Int, bool) {
	switch v := v.(type) {
	case int64:
		return big.NewInt(v), true
	case bool:
		if v {
			return big.NewInt(1), true
		}
		return new(big.Int), true
	case *big.Int:
		return v, true
	}
	return nil, false
}

// maxBits is the length of the largest integer that can cross, values.MaxDigits digits. Whatever would give a larger one
// is refused before it is computed, where that can be foreseen; so the work is bounded too.
const maxBits = 332_193

// tooLong is for results that could not cross from the host.
func tooLong(function string) error {
	return capabilities.Raise("OverflowError", "%s(): the result has more than %d digits, which is the most that an integer from the host can have",
		function, values.MaxDigits)
}

// intResult gives an integer as a value.
func intResult(function string, n *big.Int) (any, error) {
	if n.IsInt64() {
		return n.Int64(), nil
	}
	// Of the integers with maxBits bits, some have a digit too many.
	if bits := n.BitLen(); bits > maxBits || bits == maxBits && len(new(big.Int).Abs(n).String()) > values.MaxDigits {
		return nil, tooLong(function)
	}
	return n, nil
}

// asList gives the items of an iterable.
func asList(v any) ([]any, error) {
	switch v := v.(type) {
	case values.List:
		return v, nil
	case values.Tuple:
		return v, nil
	case values.Set:
		return v, nil
	case values.FrozenSet:
		return v, nil
	case *values.Dict:
		list := make([]any, 0, v.Len())
		for k := range v.All() {
			list = append(list, k)
		}
		return list, nil
	case values.Bytes:
		return byteList(v), nil
	case values.ByteArray:
		return byteList(v), nil
	case string:
		list := make([]any, 0, len(v))
		for _, c := range v {
			list = append(list, string(c))
		}
		return list, nil
	case values.Repr:
		return nil, capabilities.Raise("TypeError", "a '%s' object cannot cross to the host: give a list", v.Type)
	}
	return nil, capabilities.Raise("TypeError", "'%s' object is not iterable", values.QualifiedTypeName(v))
}

func byteList(b []byte) []any {
	list := make([]any, len(b))
	for i, c := range b {
		list[i] = int64(c)
	}
	return list
}

// asFloats gives the items of an iterable as floats.
func asFloats(v any) ([]float64, error) {
	list, err := asList(v)
	if err != nil {
		return nil, err
	}
	return floatsOf(list)
}

func floatsOf(list []any) ([]float64, error) {
	floats := make([]float64, len(list))
	for i, v := range list {
		var err error
		if floats[i], err = asFloat(v); err != nil {
			return nil, err
		}
	}
	return floats, nil
}
