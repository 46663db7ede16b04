package math

import (
	"context"
	"math"
	"math/big"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// fsum keeps the sum as floats that do not overlap (Shewchuk, 1997), as CPython does.
func fsum(ctx context.Context, args capabilities.Arguments) (any, error) {
	floats, err := asFloats(args.At(0))
	if err != nil {
		return nil, err
	}
	var partials []float64
	var special, infinities float64
	for i, x := range floats {
		if i%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		added := x
		n := 0
		for _, y := range partials {
			if math.Abs(x) < math.Abs(y) {
				x, y = y, x
			}
			s := quickSum(x, y)
			if s.lo != 0 {
				partials[n] = s.lo
				n++
			}
			x = s.hi
		}
		partials = partials[:n]
		switch {
		case x == 0:
		case isFinite(x):
			partials = append(partials, x)
		case isFinite(added):
			return nil, capabilities.Raise("OverflowError", "intermediate overflow in fsum")
		default:
			if isInf(added) {
				infinities += added
			}
			special += added
			partials = partials[:0]
		}
	}
	if special != 0 {
		if infinities != infinities {
			return nil, capabilities.Raise("ValueError", "-inf + inf in fsum")
		}
		return special, nil
	}
	return roundPartials(partials), nil
}

// roundPartials adds floats of ascending magnitude that do not overlap, and rounds once, half to even.
func roundPartials(p []float64) float64 {
	n := len(p)
	if n == 0 {
		return 0
	}
	n--
	sum := dd{p[n], 0}
	for n > 0 && sum.lo == 0 {
		n--
		sum = quickSum(sum.hi, p[n])
	}
	// What is left below may show that a tie is none.
	if n > 0 && (sum.lo < 0 && p[n-1] < 0 || sum.lo > 0 && p[n-1] > 0) {
		y := sum.lo * 2
		if x := sum.hi + y; y == x-sum.hi {
			return x
		}
	}
	return sum.hi
}

func hypot(_ context.Context, args capabilities.Arguments) (any, error) {
	floats, err := floatsOf(args.Rest())
	if err != nil {
		return nil, err
	}
	return norm(floats), nil
}

// twoLists takes the first two arguments, which must be of one length; otherwise says what the ValueError says.
func twoLists(args capabilities.Arguments, otherwise string) (p, q []any, err error) {
	if p, err = asList(args.At(0)); err != nil {
		return nil, nil, err
	}
	if q, err = asList(args.At(1)); err != nil {
		return nil, nil, err
	}
	if len(p) != len(q) {
		return nil, nil, capabilities.Raise("ValueError", "%s", otherwise)
	}
	return p, q, nil
}

func dist(_ context.Context, args capabilities.Arguments) (any, error) {
	p, q, err := twoLists(args, "both points must have the same number of dimensions")
	if err != nil {
		return nil, err
	}
	differences := make([]float64, len(p))
	for i := range p {
		a, err := asFloat(p[i])
		if err != nil {
			return nil, err
		}
		b, err := asFloat(q[i])
		if err != nil {
			return nil, err
		}
		differences[i] = a - b
	}
	return norm(differences), nil
}

// norm gives sqrt(Σx²), scaled and with compensated sums as CPython's vector_norm, which explains it. It changes v.
func norm(v []float64) float64 {
	most, nan := 0.0, false
	for i, x := range v {
		v[i] = math.Abs(x)
		nan = nan || x != x
		if v[i] > most {
			most = v[i]
		}
	}
	switch {
	case isInf(most):
		return most
	case nan:
		return math.NaN()
	case most == 0 || len(v) <= 1:
		return most
	}
	_, e := math.Frexp(most)
	if e < -1023 {
		const smallestNormal = 0x1p-1022
		for i := range v {
			v[i] /= smallestNormal
		}
		return smallestNormal * norm(v)
	}
	scale := math.Ldexp(1, -e)
	sum, low, carry := 1.0, 0.0, 0.0
	add := func(a dd) {
		s := quickSum(sum, a.hi)
		sum = s.hi
		low += a.lo
		carry += s.lo
	}
	for _, x := range v {
		x *= scale
		add(productOf(x, x))
	}
	h := math.Sqrt(sum - 1 + (low + carry))
	add(productOf(-h, h))
	h += (sum - 1 + (low + carry)) / (2 * h)
	return h / scale
}

// triple is a sum of products in three floats (Ogita, Rump and Oishi, 2005, algorithm 5.10).
type triple struct{ hi, lo, tiny float64 }

func (t triple) addProduct(x, y float64) triple {
	p := productOf(x, y)
	s := sumOf(t.hi, p.hi)
	r1 := sumOf(t.lo, p.lo)
	r2 := sumOf(r1.hi, s.lo)
	return triple{s.hi, r2.hi, t.tiny + r1.lo + r2.lo}
}

func (t triple) float() float64 {
	s := sumOf(t.lo, t.hi)
	return t.tiny + s.lo + s.hi
}

func sumProd(ctx context.Context, args capabilities.Arguments) (any, error) {
	p, q, err := twoLists(args, "Inputs are not the same length")
	if err != nil {
		return nil, err
	}
	// As in CPython, ints are summed up first, then floats, and from the first pair that fits neither on, or where the
	// float sum is not finite, term by term.
	total := any(int64(0))
	i, sum := sumIntProducts(p, q)
	if sum.Sign() != 0 {
		total = sum
	}
	t, used := triple{}, false
	for ; i < len(p); i++ {
		x, y, ok := floatProduct(p[i], q[i])
		if !ok {
			break
		}
		next := t.addProduct(x, y)
		if !isFinite(next.hi) {
			break
		}
		t, used = next, true
	}
	if used {
		if total, err = add(total, t.float()); err != nil {
			return nil, err
		}
	}
	for ; i < len(p); i++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		term, err := multiply("sumprod", p[i], q[i])
		if err != nil {
			return nil, err
		}
		if total, err = add(total, term); err != nil {
			return nil, err
		}
	}
	return number("sumprod", total)
}

// sumIntProducts sums up to the first pair that is not of ints which fit a machine word, products and sum included.
func sumIntProducts(p, q []any) (n int, sum *big.Int) {
	sum = new(big.Int)
	for n < len(p) {
		x, ok := p[n].(int64)
		y, ok2 := q[n].(int64)
		if !ok || !ok2 {
			break
		}
		product := new(big.Int).Mul(big.NewInt(x), big.NewInt(y))
		next := new(big.Int).Add(sum, product)
		if !product.IsInt64() || !next.IsInt64() {
			break
		}
		sum = next
		n++
	}
	return n, sum
}

// floatProduct gives the factors of a pair of which at least one is a float, and the other an int or bool that fits one.
func floatProduct(a, b any) (x, y float64, ok bool) {
	_, fa := a.(float64)
	_, fb := b.(float64)
	if !fa && !fb || !isNumber(a) || !isNumber(b) {
		return 0, 0, false
	}
	x, errX := asFloat(a)
	y, errY := asFloat(b)
	return x, y, errX == nil && errY == nil
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, *big.Int, float64, bool:
		return true
	}
	return false
}

func prod(ctx context.Context, args capabilities.Arguments) (any, error) {
	list, err := asList(args.At(0))
	if err != nil {
		return nil, err
	}
	r := args.At(1)
	for i, v := range list {
		if i%64 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if r, err = multiply("prod", r, v); err != nil {
			return nil, err
		}
	}
	return number("prod", r)
}

// number gives an int in its one form; others as they are.
func number(function string, v any) (any, error) {
	if n, ok := v.(*big.Int); ok {
		return intResult(function, n)
	}
	return v, nil
}

// multiply is Python's a * b of numbers. An int result is a *big.Int or an int64.
func multiply(function string, a, b any) (any, error) {
	if !isNumber(a) || !isNumber(b) {
		if isNumber(a) {
			a = b
		}
		return nil, capabilities.Raise("TypeError", "%s(): multiplication of '%s' is not available here", function, values.QualifiedTypeName(a))
	}
	_, fa := a.(float64)
	_, fb := b.(float64)
	if fa || fb {
		x, err := asFloat(a)
		if err != nil {
			return nil, err
		}
		y, err := asFloat(b)
		return float64(x * y), err
	}
	if b == any(int64(1)) {
		n, _ := exactInt(a) // so that ones cost nothing; True becomes 1
		return n, nil
	}
	x, _ := exactInt(a)
	y, _ := exactInt(b)
	if x.BitLen()+y.BitLen() > 2*maxBits {
		return nil, tooLong(function)
	}
	r := new(big.Int).Mul(x, y)
	if r.BitLen() > 2*maxBits {
		return nil, tooLong(function)
	}
	return r, nil
}

// add is Python's a + b of numbers.
func add(a, b any) (any, error) {
	x, okX := exactInt(a)
	y, okY := exactInt(b)
	if okX && okY {
		return new(big.Int).Add(x, y), nil
	}
	f, err := asFloat(a)
	if err != nil {
		return nil, err
	}
	g, err := asFloat(b)
	return f + g, err
}
