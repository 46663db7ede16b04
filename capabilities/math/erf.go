package math

import "math"

// erfSeries gives erf(x) for 0 ≤ x ≤ 3 by its series of positive terms, 2/√π · e^(−x²) · Σ 2^n x^(2n+1) / (2n+1)!!
func erfSeries(x float64) dd {
	x2 := productOf(x, x)
	double := x2.double()
	term := dd{x, 0}
	sum := term
	for n := 1; math.Abs(term.hi) > sum.hi*0x1p-110; n++ {
		term = term.mul(double).div(dd{float64(2*n + 1), 0})
		sum = sum.add(term)
	}
	m, k := expOf(x2.neg())
	m = dd{math.Ldexp(m.hi, k), math.Ldexp(m.lo, k)}
	return sum.mul(m).mul(twoOverSqrtPi)
}

// erfcFraction gives erfc(x) as m·2^k, for x ≥ 3, by Laplace's continued fraction,
// e^(−x²) / (√π · (x + (1/2)/(x + (2/2)/(x + (3/2)/(x + …)))))
func erfcFraction(x float64) (m dd, k int) {
	f := dd{x, 0}
	for n := 80; n >= 1; n-- {
		f = dd{float64(n) / 2, 0}.div(f).add(dd{x, 0})
	}
	m, k = expOf(productOf(x, x).neg())
	return m.mul(twoOverSqrtPi.half()).div(f), k
}

func erf(x float64) float64 {
	a := math.Abs(x)
	var r float64
	switch {
	case x != x || x == 0:
		return x
	case a < tinyArg:
		if a < 0x1p-900 { // where the parts of a dd would be subnormal
			return twoOverSqrtPi.times(x * 0x1p120).scale(-120)
		}
		return twoOverSqrtPi.times(x).float()
	case a > 6:
		r = 1
	case a < 3:
		r = erfSeries(a).float()
	default:
		m, k := erfcFraction(a)
		r = one.sub(dd{math.Ldexp(m.hi, k), math.Ldexp(m.lo, k)}).float()
	}
	return math.Copysign(r, x)
}

func erfc(x float64) float64 {
	switch {
	case x != x:
		return x
	case x > 27.3:
		return 0
	case x < -6:
		return 2
	case x >= 3:
		m, k := erfcFraction(x)
		return m.scale(k)
	case math.Abs(x) < 0x1p-100:
		return 1
	case x <= -3:
		m, k := erfcFraction(-x)
		return dd{2, 0}.sub(dd{math.Ldexp(m.hi, k), math.Ldexp(m.lo, k)}).float()
	case x < 0:
		return one.add(erfSeries(-x)).float()
	}
	return one.sub(erfSeries(x)).float()
}
