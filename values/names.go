package values

import (
	"math/big"
	"time"
)

// TypeName gives the name of the Python class that a value has: "int", "NoneType", "list"; for a Repr, its Type.
func TypeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case bool:
		return "bool"
	case int64, int, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case List:
		return "list"
	case Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case Set:
		return "set"
	case FrozenSet:
		return "frozenset"
	case Bytes, []byte:
		return "bytes"
	case ByteArray:
		return "bytearray"
	case complex128:
		return "complex"
	case DateTime, time.Time:
		return "datetime"
	case Date:
		return "date"
	case Time:
		return "time"
	case TimeDelta, time.Duration:
		return "timedelta"
	case Decimal:
		return "Decimal"
	case Repr:
		return v.Type
	}
	return "object"
}

// QualifiedTypeName is TypeName as CPython's C code says it, with the module for classes of the standard library:
// "decimal.Decimal".
func QualifiedTypeName(v any) string {
	switch v.(type) {
	case Decimal:
		return "decimal.Decimal"
	case DateTime, time.Time, Date, Time, TimeDelta, time.Duration:
		return "datetime." + TypeName(v)
	}
	return TypeName(v)
}
