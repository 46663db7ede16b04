package schema

import (
	"context"
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

	// maxDigits is how many digits a number may have: what our own reader takes. So many bits it has at most.
	maxDigits = 400
	maxBits   = maxDigits * 10 / 3

	// maxSteps is how many comparisons of a value with a schema one call may take, each some hundred nanoseconds at most. It is far beyond what a value within its other limits takes, unless
	// its schema branches on purpose.
	maxSteps = 5_000_000
	// stepsPerLook is after how many of them it is looked whether there is time left.
	stepsPerLook = 5_000
	// maxHops is through how many references and alternatives one value is followed.
	maxHops = 32
)

// A budget is what one call may take of the time to compare values with their schemas.
type budget struct {
	ctx    context.Context
	steps  int
	looked int // steps, when the context was looked at
	spent  bool
}

// spend takes steps, and reports whether there were enough. When there are not, there are none any more.
func (b *budget) spend(n int) bool {
	b.steps += n
	if b.steps-b.looked >= stepsPerLook {
		b.looked = b.steps
		b.spent = b.spent || b.ctx.Err() != nil
	}
	b.spent = b.spent || b.steps > maxSteps
	return !b.spent
}

// compare takes the steps for a number that is compared with others as a fraction. The next look sees whether there were enough.
func (b *budget) compare(v any, s *shape) {
	const fraction = 20
	asFraction := false
	switch v := v.(type) {
	case float64:
		asFraction = s.enum != nil && !isSmall(v)
	case int64:
		asFraction = s.least != nil && !s.least.fits || s.most != nil && !s.most.fits
	case *big.Int:
		asFraction = s.enum != nil || s.least != nil || s.most != nil
	}
	if asFraction {
		b.steps += fraction
	}
}

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
