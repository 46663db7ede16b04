package schema

import (
	"math/big"

	"github.com/postern-sandbox/postern/values"
)

// What a schema may have. More is a mistake, which is told, and nothing is cut off silently.
const (
	// MaxText is the longest document, in bytes.
	MaxText = 256 << 10
	// MaxFunctions is how many functions an XTP document may describe.
	MaxFunctions = 500
	// MaxParameters is how many parameters a function may have.
	MaxParameters = 100

	maxNodes = 20_000 // values in one document
	maxDepth = 64     // of nesting in a document
	maxDoc   = 4 << 10
	maxName  = 64 // of a function or parameter, in bytes of Python's name

	// maxSteps is how many comparisons of a value with a schema one call may take. It is far beyond what a value within its other limits takes, unless
	// its schema branches on purpose.
	maxSteps = 5_000_000
	// maxHops is through how many references and alternatives one value is followed.
	maxHops = 32
)

// steps is what one look at a value counts for: a long one that is compared with many alternatives is read for each of them, and for each is asked whether it has
// what it must have.
func steps(v any) int {
	const bytesPerStep, membersPerStep = 64, 8
	switch v := v.(type) {
	case string:
		return 1 + len(v)/bytesPerStep
	case []byte:
		return 1 + len(v)/bytesPerStep
	case *big.Int:
		return 1 + v.BitLen()/8/bytesPerStep
	case *values.Dict:
		return 1 + v.Len()/membersPerStep
	}
	return 1
}
