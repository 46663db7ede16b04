package math

import (
	"context"
	"math"
	"math/big"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

func ceil(_ context.Context, args capabilities.Arguments) (any, error) {
	return rounded("ceil", args.At(0), math.Ceil, 1)
}

func floor(_ context.Context, args capabilities.Arguments) (any, error) {
	return rounded("floor", args.At(0), math.Floor, -1)
}

func trunc(_ context.Context, args capabilities.Arguments) (any, error) {
	switch v := args.At(0).(type) {
	case float64, int64, bool, *big.Int, values.Decimal:
		return rounded("trunc", v, math.Trunc, 0)
	default:
		return nil, capabilities.Raise("TypeError", "type %s doesn't define __trunc__ method", values.QualifiedTypeName(v))
	}
}

// rounded gives an int; direction is that of round, for a Decimal.
func rounded(function string, v any, round func(float64) float64, direction int) (any, error) {
	if n, ok := exactInt(v); ok {
		return intResult(function, n)
	}
	if d, ok := v.(values.Decimal); ok {
		return roundedDecimal(function, string(d), direction)
	}
	x, err := asFloat(v)
	switch {
	case err != nil:
		return nil, err
	case x != x:
		return nil, capabilities.Raise("ValueError", "cannot convert float NaN to integer")
	case isInf(x):
		return nil, capabilities.Raise("OverflowError", "cannot convert float infinity to integer")
	}
	n, _ := big.NewFloat(round(x)).Int(nil)
	return intResult(function, n)
}

func gcd(ctx context.Context, args capabilities.Arguments) (any, error) {
	r := new(big.Int)
	for _, v := range args.Rest() {
		n, err := asInt(v)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r = new(big.Int).GCD(nil, nil, r, new(big.Int).Abs(n))
	}
	return intResult("gcd", r)
}

func lcm(ctx context.Context, args capabilities.Arguments) (any, error) {
	r := big.NewInt(1)
	for _, v := range args.Rest() {
		n, err := asInt(v)
		if err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if r.Sign() == 0 || n.Sign() == 0 {
			r = new(big.Int)
			continue // the other arguments are still checked
		}
		n = new(big.Int).Abs(n)
		r.Mul(r, n.Div(n, new(big.Int).GCD(nil, nil, r, n)))
		if r.BitLen() > maxBits {
			return nil, tooLong("lcm")
		}
	}
	return intResult("lcm", r)
}

func isqrt(_ context.Context, args capabilities.Arguments) (any, error) {
	n, err := asInt(args.At(0))
	if err != nil {
		return nil, err
	}
	if n.Sign() < 0 {
		return nil, capabilities.Raise("ValueError", "isqrt() argument must be nonnegative")
	}
	return intResult("isqrt", new(big.Int).Sqrt(n))
}

func factorial(ctx context.Context, args capabilities.Arguments) (any, error) {
	return factorialOf(ctx, args.At(0))
}

func factorialOf(ctx context.Context, v any) (any, error) {
	n, err := asInt(v)
	if err != nil {
		return nil, err
	}
	switch {
	case n.Sign() < 0:
		return nil, capabilities.Raise("ValueError", "factorial() not defined for negative values")
	case !n.IsInt64():
		return nil, capabilities.Raise("OverflowError", "factorial() argument should not exceed %d", int64(math.MaxInt64))
	case n.Int64() > 30_000: // which has 121,288 digits
		return nil, tooLong("factorial")
	}
	r, err := fallingProduct(ctx, n, n.Int64())
	if err != nil {
		return nil, err
	}
	return intResult("factorial", r)
}

// choose gives the arguments of perm and comb.
func choose(args capabilities.Arguments) (n, k *big.Int, err error) {
	if n, err = asInt(args.At(0)); err != nil {
		return nil, nil, err
	}
	if k, err = asInt(args.At(1)); err != nil {
		return nil, nil, err
	}
	if n.Sign() < 0 {
		return nil, nil, capabilities.Raise("ValueError", "n must be a non-negative integer")
	}
	if k.Sign() < 0 {
		return nil, nil, capabilities.Raise("ValueError", "k must be a non-negative integer")
	}
	return n, k, nil
}

func perm(ctx context.Context, args capabilities.Arguments) (any, error) {
	if args.At(1) == nil {
		return factorialOf(ctx, args.At(0))
	}
	n, k, err := choose(args)
	if err != nil {
		return nil, err
	}
	if n.Cmp(k) < 0 {
		return int64(0), nil
	}
	if !k.IsInt64() {
		return nil, capabilities.Raise("OverflowError", "k must not exceed %d", int64(math.MaxInt64))
	}
	// All factors but the least are at least 2; more than half of them are above k/2.
	count := k.Int64()
	if count > maxBits || bitsOfProduct(new(big.Int).Sub(n, new(big.Int).Rsh(k, 1)), (count+1)/2) > maxBits {
		return nil, tooLong("perm")
	}
	r, err := fallingProduct(ctx, n, count)
	if err != nil {
		return nil, err
	}
	return intResult("perm", r)
}

func comb(ctx context.Context, args capabilities.Arguments) (any, error) {
	n, k, err := choose(args)
	if err != nil {
		return nil, err
	}
	if rest := new(big.Int).Sub(n, k); rest.Sign() < 0 {
		return int64(0), nil
	} else if rest.Cmp(k) < 0 {
		k = rest
	}
	if !k.IsInt64() {
		return nil, capabilities.Raise("OverflowError", "min(n - k, k) must not exceed %d", int64(math.MaxInt64))
	}
	// C(n, k) ≥ (n/k)^k ≥ 2^k.
	count := k.Int64()
	if count > maxBits || count > 0 && bitsOfProduct(new(big.Int).Div(n, k), count) > maxBits {
		return nil, tooLong("comb")
	}
	r, err := fallingProduct(ctx, n, count)
	if err != nil {
		return nil, err
	}
	d, err := fallingProduct(ctx, k, count)
	if err != nil {
		return nil, err
	}
	return intResult("comb", r.Quo(r, d))
}

// bitsOfProduct is a lower bound of the bits of count factors that are each at least least.
func bitsOfProduct(least *big.Int, count int64) int64 {
	bits := int64(max(0, least.BitLen()-1))
	if bits > 0 && count > 4*maxBits/bits {
		return 4 * maxBits
	}
	return bits * count
}

// fallingProduct gives n·(n−1)·…·(n−count+1), by halves, since multiplication is quickest for factors of equal length.
func fallingProduct(ctx context.Context, n *big.Int, count int64) (*big.Int, error) {
	if count <= 16 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		r, factor := big.NewInt(1), new(big.Int).Set(n)
		for range count {
			r.Mul(r, factor)
			factor.Sub(factor, big.NewInt(1))
		}
		return r, nil
	}
	a, err := fallingProduct(ctx, n, count/2)
	if err != nil {
		return nil, err
	}
	b, err := fallingProduct(ctx, new(big.Int).Sub(n, big.NewInt(count/2)), count-count/2)
	if err != nil {
		return nil, err
	}
	return a.Mul(a, b), nil
}
