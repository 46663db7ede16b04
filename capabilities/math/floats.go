package math

import (
	"context"
	"math"
	"math/big"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

func degrees(x float64) float64 {
	const perRadian = 180 / float64(math.Pi)
	return x * perRadian
}

func radians(x float64) float64 {
	const perDegree = float64(math.Pi) / 180
	return x * perDegree
}

func ulp(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x != x || isInf(x):
		return x
	case x == math.MaxFloat64:
		return x - math.Nextafter(x, 0)
	}
	return math.Nextafter(x, math.Inf(1)) - x
}

// remainder gives x − n·y for the integer n nearest to x/y, even if there are two.
func remainder(x, y float64) float64 {
	switch {
	case x != x:
		return x
	case y != y:
		return y
	case isInf(x) || y == 0:
		return math.NaN()
	case isInf(y):
		return x
	}
	ax, ay := math.Abs(x), math.Abs(y)
	m := math.Mod(ax, ay)
	c := ay - m
	var r float64
	switch {
	case m < c:
		r = m
	case m > c:
		r = -c
	default:
		r = m - 2*math.Mod(0.5*(ax-m), ay)
	}
	return math.Copysign(1, x) * r
}

func fmod(_ context.Context, args capabilities.Arguments) (any, error) {
	x, y, err := floatPair(args)
	if err != nil {
		return nil, err
	}
	r := math.Mod(x, y)
	if r != r && x == x && y == y {
		return nil, domainError()
	}
	return r, nil
}

func fma(_ context.Context, args capabilities.Arguments) (any, error) {
	x, y, err := floatPair(args)
	if err != nil {
		return nil, err
	}
	z, err := asFloat(args.At(2))
	if err != nil {
		return nil, err
	}
	r := math.FMA(x, y, z)
	switch {
	case r != r && x == x && y == y && z == z:
		return nil, capabilities.Raise("ValueError", "invalid operation in fma")
	case isInf(r) && isFinite(x) && isFinite(y) && isFinite(z):
		return nil, capabilities.Raise("OverflowError", "overflow in fma")
	}
	return r, nil
}

func frexp(_ context.Context, args capabilities.Arguments) (any, error) {
	x, err := asFloat(args.At(0))
	if err != nil {
		return nil, err
	}
	if !isFinite(x) {
		return values.Tuple{x, int64(0)}, nil
	}
	m, e := math.Frexp(x)
	return values.Tuple{m, int64(e)}, nil
}

func ldexp(_ context.Context, args capabilities.Arguments) (any, error) {
	x, err := asFloat(args.At(0))
	if err != nil {
		return nil, err
	}
	n, ok := exactInt(args.At(1))
	if !ok {
		return nil, capabilities.Raise("TypeError", "Expected an int as second argument to ldexp.")
	}
	if x == 0 || !isFinite(x) {
		return x, nil
	}
	// Every exponent beyond these has the same result.
	const most = 1 << 12
	k := most
	if n.IsInt64() {
		k = int(max(-most, min(most, n.Int64())))
	} else if n.Sign() < 0 {
		k = -most
	}
	r := dd{x, 0}.scale(k)
	if isInf(r) {
		return nil, rangeError()
	}
	return r, nil
}

func modf(_ context.Context, args capabilities.Arguments) (any, error) {
	x, err := asFloat(args.At(0))
	if err != nil {
		return nil, err
	}
	switch {
	case x != x:
		return values.Tuple{x, x}, nil
	case isInf(x):
		return values.Tuple{math.Copysign(0, x), x}, nil
	}
	whole := math.Trunc(x)
	return values.Tuple{math.Copysign(x-whole, x), whole}, nil
}

func isClose(_ context.Context, args capabilities.Arguments) (any, error) {
	var f [4]float64
	for i := range f {
		var err error
		if f[i], err = asFloat(args.At(i)); err != nil {
			return nil, err
		}
	}
	a, b, relative, absolute := f[0], f[1], f[2], f[3]
	switch {
	case relative < 0 || absolute < 0:
		return nil, capabilities.Raise("ValueError", "tolerances must be non-negative")
	case a == b:
		return true, nil
	case isInf(a) || isInf(b):
		return false, nil
	}
	diff := math.Abs(b - a)
	return diff <= math.Abs(relative*b) || diff <= math.Abs(relative*a) || diff <= absolute, nil
}

func nextAfter(_ context.Context, args capabilities.Arguments) (any, error) {
	x, y, err := floatPair(args)
	if err != nil {
		return nil, err
	}
	if args.At(2) == nil {
		if x == y {
			return y, nil // of two zeros the second, as in C
		}
		return math.Nextafter(x, y), nil
	}
	n, err := asInt(args.At(2))
	if err != nil {
		return nil, err
	}
	if n.Sign() < 0 {
		return nil, capabilities.Raise("ValueError", "steps must be a non-negative integer")
	}
	return stepsAfter(x, y, n), nil
}

// stepsAfter takes n steps from x towards y, but not beyond it.
func stepsAfter(x, y float64, n *big.Int) float64 {
	steps := uint64(math.MaxUint64)
	if n.IsUint64() {
		steps = n.Uint64()
	}
	switch {
	case steps == 0 || x != x:
		return x
	case y != y:
		return y
	}
	const sign = 1 << 63
	bx, by := math.Float64bits(x), math.Float64bits(y)
	ax, ay := bx&^sign, by&^sign
	switch {
	case bx == by:
		return x
	case (bx^by)&sign != 0 && ax+ay <= steps:
		return y
	case (bx^by)&sign != 0 && ax < steps:
		return math.Float64frombits(by&sign | (steps - ax))
	case (bx^by)&sign != 0:
		return math.Float64frombits(bx - steps)
	case max(ax, ay)-min(ax, ay) < steps:
		return y
	case ax > ay:
		return math.Float64frombits(bx - steps)
	}
	return math.Float64frombits(bx + steps)
}

// frexpInt gives n > 0 as m·2^e with m in 0.5 … 1, rounded half to even.
func frexpInt(n *big.Int) (m float64, e int) {
	f := new(big.Float).SetPrec(53).SetInt(n)
	e = f.MantExp(f)
	m, _ = f.Float64()
	return m, e
}
