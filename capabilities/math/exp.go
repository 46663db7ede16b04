package math

import "math"

// expm1Small gives e^a − 1 for |a| ≤ ln(2)/2, with the relative error of a dd.
func expm1Small(a dd) dd {
	// The Taylor series of a/2^9, and then e^2x − 1 = (e^x − 1)² + 2(e^x − 1).
	const halvings = 9
	r := dd{a.hi / (1 << halvings), a.lo / (1 << halvings)}
	s := inverseFactorials[10]
	for n := 9; n >= 1; n-- {
		s = s.mul(r).add(inverseFactorials[n])
	}
	s = s.mul(r)
	for range halvings {
		s = s.double().add(s.square())
	}
	return s
}

// expOf gives e^a as m·2^k, with m near 1.
func expOf(a dd) (m dd, k int) {
	n := math.RoundToEven(a.hi / ln2.hi)
	return expm1Small(a.sub(ln2.times(n))).add(one), int(n)
}

const (
	expMost  = 745.2 // e^−x is below half the smallest float beyond it, and e^x infinite
	tinyArg  = 1.0 / (1 << 30)
	smallArg = 0.34 // a little less than ln(2)/2
)

func exp(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x > expMost:
		return math.Inf(1)
	case x < -expMost:
		return 0
	}
	m, k := expOf(dd{x, 0})
	return m.scale(k)
}

func exp2(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x >= 1024:
		return math.Inf(1)
	case x < -1080:
		return 0
	}
	n := math.RoundToEven(x)
	return expm1Small(ln2.times(x - n)).add(one).scale(int(n))
}

func expm1(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1) || math.Abs(x) < 0x1p-60:
		return x
	case x > expMost:
		return math.Inf(1)
	case x < -80:
		return -1
	}
	if math.Abs(x) < smallArg {
		return expm1Small(dd{x, 0}).float()
	}
	m, k := expOf(dd{x, 0})
	if k > 200 {
		return m.scale(k)
	}
	scaled := dd{math.Ldexp(m.hi, k), math.Ldexp(m.lo, k)}
	return scaled.sub(one).float()
}

// expPair gives e^a and e^−a for a of at most 40 or so.
func expPair(a dd) (up, down dd) {
	m, k := expOf(a)
	up = dd{math.Ldexp(m.hi, k), math.Ldexp(m.lo, k)}
	return up, one.div(up)
}

func sinh(x float64) float64 {
	a := math.Abs(x)
	var r float64
	switch {
	case x != x || a < tinyArg || math.IsInf(x, 0):
		return x
	case a < smallArg:
		s := expm1Small(dd{a, 0})
		r = s.add(s.div(s.add(one))).half().float()
	case a < 40:
		up, down := expPair(dd{a, 0})
		r = up.sub(down).half().float()
	case a > expMost:
		r = math.Inf(1)
	default:
		m, k := expOf(dd{a, 0})
		r = m.scale(k - 1)
	}
	return math.Copysign(r, x)
}

func cosh(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x || math.IsInf(a, 0):
		return a
	case a < 40:
		up, down := expPair(dd{a, 0})
		return up.add(down).half().float()
	case a > expMost:
		return math.Inf(1)
	}
	m, k := expOf(dd{a, 0})
	return m.scale(k - 1)
}

func tanh(x float64) float64 {
	a := math.Abs(x)
	var r dd
	switch {
	case x != x || a < tinyArg:
		return x
	case a > 20:
		return math.Copysign(1, x)
	case 2*a < smallArg:
		s := expm1Small(dd{2 * a, 0})
		r = s.div(s.add(dd{2, 0}))
	default:
		up, down := expPair(dd{a, 0})
		r = up.sub(down).div(up.add(down))
	}
	return math.Copysign(r.float(), x)
}
