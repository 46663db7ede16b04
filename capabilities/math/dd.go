package math

import "math"

// dd is a double-double: the unevaluated sum of two floats of which the second is at most half an ulp of the first.
// It holds about 106 bits. The elementary functions are computed in it and rounded to a float once, at the end, so that they
// are as good as correctly rounded.
//
// They use nothing but operations that IEEE 754 rounds exactly, and no product goes into a sum unrounded: Go may fuse
// x*y + z into one operation on some machines and not on others, unless the product is converted. So results have the
// same bits on every platform.
type dd struct{ hi, lo float64 }

// float rounds to the nearest float.
func (a dd) float() float64 { return a.hi + a.lo }

// sumOf gives a+b exactly.
func sumOf(a, b float64) dd {
	s := a + b
	v := s - a
	return dd{s, (a - (s - v)) + (b - v)}
}

// quickSum gives a+b exactly if |a| ≥ |b|.
func quickSum(a, b float64) dd {
	s := a + b
	return dd{s, b - (s - a)}
}

// productOf gives a·b exactly, unless it over- or underflows.
func productOf(a, b float64) dd {
	p := float64(a * b)
	return dd{p, math.FMA(a, b, -p)}
}

func (a dd) add(b dd) dd {
	s, t := sumOf(a.hi, b.hi), sumOf(a.lo, b.lo)
	s = quickSum(s.hi, s.lo+t.hi)
	return quickSum(s.hi, s.lo+t.lo)
}

func (a dd) neg() dd { return dd{-a.hi, -a.lo} }

func (a dd) sub(b dd) dd { return a.add(b.neg()) }

func (a dd) mul(b dd) dd {
	p := productOf(a.hi, b.hi)
	return quickSum(p.hi, p.lo+(float64(a.hi*b.lo)+float64(a.lo*b.hi)))
}

func (a dd) square() dd { return a.mul(a) }

// times multiplies by a float.
func (a dd) times(b float64) dd {
	p := productOf(a.hi, b)
	return quickSum(p.hi, p.lo+float64(a.lo*b))
}

// half divides by two, exactly.
func (a dd) half() dd { return dd{float64(a.hi / 2), float64(a.lo / 2)} }

// double multiplies by two, exactly.
func (a dd) double() dd { return dd{a.hi + a.hi, a.lo + a.lo} }

func (a dd) div(b dd) dd {
	q1 := a.hi / b.hi
	r := a.sub(b.times(q1))
	q2 := r.hi / b.hi
	r = r.sub(b.times(q2))
	q := quickSum(q1, q2)
	return q.add(dd{r.hi / b.hi, 0})
}

func (a dd) sqrt() dd {
	if a.hi == 0 {
		return a
	}
	x := math.Sqrt(a.hi)
	r := a.sub(productOf(x, x))
	return quickSum(x, r.hi/(2*x))
}

// scale multiplies by 2^k and rounds to a float, once, also when the result is subnormal.
func (a dd) scale(k int) float64 {
	_, e := math.Frexp(a.hi)
	switch {
	case a.hi == 0 || k >= 0 || e+k > -1022:
		return math.Ldexp(a.hi, k)
	case e+k < -1080:
		return math.Copysign(0, a.hi)
	case k < -1500: // in two steps, for the unit to be a float
		return dd{math.Ldexp(a.hi, -1000), math.Ldexp(a.lo, -1000)}.scale(k + 1000)
	}
	// The unit is what becomes the smallest subnormal. Adding 1.5·2^52 units rounds a.hi to a multiple of it, half to even;
	// a.lo decides what is not really a tie.
	unit := math.Ldexp(1, -1074-k)
	shift := float64(1.5 * (1 << 52) * unit)
	s := sumOf(shift, a.hi)
	n := s.hi - shift
	switch {
	case s.lo == unit/2 && a.lo > 0:
		n += unit
	case s.lo == -unit/2 && a.lo < 0:
		n -= unit
	}
	return math.Copysign(math.Ldexp(n, k), a.hi)
}

var (
	one           = dd{1, 0}
	ln2           = dd{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56}
	ln10          = dd{0x1.26bb1bbb55516p+1, -0x1.f48ad494ea3e9p-53}
	pi            = dd{0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53}
	halfPi        = dd{0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54}
	twoOverSqrtPi = dd{0x1.20dd750429b6dp+0, 0x1.1ae3a914fed80p-56}
)

// inverseFactorials are 1/n!.
var inverseFactorials = func() (t [30]dd) {
	t[0] = one
	for n := 1; n < len(t); n++ {
		t[n] = t[n-1].div(dd{float64(n), 0})
	}
	return t
}()

// inverseOdds are 1/(2n+1).
var inverseOdds = func() (t [26]dd) {
	for n := range t {
		t[n] = one.div(dd{float64(2*n + 1), 0})
	}
	return t
}()
