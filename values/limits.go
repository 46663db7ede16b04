package values

import "errors"

// The limits of docs/abi.md.
const (
	// MaxDepth is how deep the JSON of a value may nest. A list and a dict are one level, a tuple and a set two, a dict with
	// other keys than JSON allows three; the tag of a value that holds no others is none.
	MaxDepth = 200
	// MaxDigits is how many decimal digits an integer may have.
	MaxDigits = 100_000
	// MaxValues is how many values one message may hold, members included. It bounds what decoding takes: the shortest
	// value is two bytes of JSON, and more than forty in memory.
	MaxValues = 2_000_000
	// maxNumber is how many characters a JSON number may have.
	maxNumber = 400
)

// ErrTooLarge is returned by Append and its kin when the encoding would be longer than its limit.
var ErrTooLarge = errors.New("values: value is larger than its limit")

const tooDeep = "value is nested deeper than 200"

var errDepth = errors.New("values: " + tooDeep)

var errDigits = errors.New("values: integer has more than 100000 digits")
