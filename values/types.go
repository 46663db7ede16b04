package values

// List is a Python list.
type List = []any

// Tuple is a Python tuple.
type Tuple []any

// Set is a Python set, in iteration order, without equal members.
type Set []any

// FrozenSet is a Python frozenset, in iteration order, without equal members.
type FrozenSet []any

// Bytes is a Python bytes object.
type Bytes []byte

// ByteArray is a Python bytearray.
type ByteArray []byte

// Decimal is the text of a Python decimal.Decimal, as its str() gives it: "1.10", "-0", "1E+3", "Infinity", "NaN".
type Decimal string

// Repr stands for a Python object that cannot cross: what its repr() said and the name of its class.
// It is one way: in Python it becomes a str.
type Repr struct {
	Type string
	Text string
}

// Keyword is a keyword argument of a call.
type Keyword struct {
	Name  string
	Value any
}
