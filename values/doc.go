// Package values holds Python values in Go and reads and writes them as the tagged JSON of docs/abi.md ("Values").
//
// Decode gives these Go types, and Append takes them:
//
//	None                 nil
//	bool                 bool
//	int                  int64 if it fits, otherwise *big.Int
//	float                float64
//	str                  string (see below)
//	list                 List, which is []any
//	tuple                Tuple
//	dict                 *Dict, ordered, with any hashable keys
//	set, frozenset       Set, FrozenSet
//	bytes, bytearray     Bytes, ByteArray
//	complex              complex128
//	datetime, date, time DateTime, Date, Time
//	timedelta            TimeDelta
//	Decimal              Decimal
//	anything else        Repr
//
// Append also takes plain Go values, so that a capability may return what it has: every integer and float type, []byte
// (bytes), time.Time (an aware datetime), time.Duration (a timedelta), other slices and arrays (list), maps (dict, in key
// order), pointers (None or what they point to) and structs (a dict of the exported fields, named by their json tags).
//
// # Strings
//
// A Python str may hold lone surrogates, which UTF-8 cannot. They are kept as WTF-8: the three bytes that UTF-8 would use
// if surrogates were allowed. No other invalid UTF-8 is taken, and a surrogate pair is always the one character it stands
// for. So a str survives in both directions, byte order is code point order, and a str without lone surrogates is
// an ordinary Go string.
//
// # Concurrency
//
// The functions keep no state. A value may be read by many goroutines, but a Dict must not be changed meanwhile.
package values
