package math

import "math"

// logRatio gives ln((1+t)/(1−t)) = 2(t + t³/3 + t⁵/5 + …) for |t| ≤ 0.172.
func logRatio(t dd) dd {
	t2 := t.square()
	s := inverseOdds[21]
	for n := 20; n >= 0; n-- {
		s = s.mul(t2).add(inverseOdds[n])
	}
	return s.mul(t).double()
}

// splitLog gives ln(a) as k·ln(2) + r, for a finite a above zero.
func splitLog(a dd) (k int, r dd) {
	m, k := math.Frexp(a.hi)
	if m < math.Sqrt2/2 {
		k--
	}
	lo := math.Ldexp(a.lo, -k)
	hi := math.Ldexp(a.hi, -k)
	return k, logRatio(sumOf(hi, -1).add(dd{lo, 0}).div(sumOf(hi, 1).add(dd{lo, 0})))
}

func logOf(a dd) dd {
	k, r := splitLog(a)
	return ln2.times(float64(k)).add(r)
}

// log1pOf gives ln(1+a), also for small a, with the relative error of a dd.
func log1pOf(a dd) dd {
	if -0.29 < a.hi && a.hi < 0.41 {
		return logRatio(a.div(a.add(dd{2, 0})))
	}
	return logOf(a.add(one))
}

// specialLog gives the logarithm of what has none or an infinite one.
func specialLog(x float64) (r float64, ok bool) {
	switch {
	case x != x || math.IsInf(x, 1):
		return x, true
	case x == 0:
		return math.Inf(-1), true
	case x < 0:
		return math.NaN(), true
	}
	return 0, false
}

func log(x float64) float64 {
	if r, ok := specialLog(x); ok {
		return r
	}
	return logOf(dd{x, 0}).float()
}

func log2(x float64) float64 {
	if r, ok := specialLog(x); ok {
		return r
	}
	k, r := splitLog(dd{x, 0})
	return r.div(ln2).add(dd{float64(k), 0}).float()
}

func log10(x float64) float64 {
	if r, ok := specialLog(x); ok {
		return r
	}
	return logOf(dd{x, 0}).div(ln10).float()
}

func log1p(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1) || math.Abs(x) < 0x1p-60:
		return x
	case x == -1:
		return math.Inf(-1)
	case x < -1:
		return math.NaN()
	}
	return log1pOf(dd{x, 0}).float()
}

// large is from where sqrt(x² ± 1) is x.
const large = 1 << 60

func asinh(x float64) float64 {
	a := math.Abs(x)
	var r dd
	switch {
	case x != x || a < tinyArg || math.IsInf(x, 0):
		return x
	case a > large:
		r = logOf(dd{a, 0}).add(ln2)
	default:
		// ln(a + sqrt(a²+1)) = ln(1 + a + a²/(1 + sqrt(a²+1)))
		a2 := productOf(a, a)
		r = log1pOf(a2.div(a2.add(one).sqrt().add(one)).add(dd{a, 0}))
	}
	return math.Copysign(r.float(), x)
}

func acosh(x float64) float64 {
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case x < 1:
		return math.NaN()
	case x > large:
		return logOf(dd{x, 0}).add(ln2).float()
	}
	// ln(x + sqrt(x²−1)) = ln(1 + t + sqrt(t² + 2t)) with t = x−1
	t := sumOf(x, -1)
	return log1pOf(t.square().add(t.double()).sqrt().add(t)).float()
}

func atanh(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x || a < tinyArg:
		return x
	case a > 1:
		return math.NaN()
	case a == 1:
		return math.Copysign(math.Inf(1), x)
	}
	r := log1pOf(dd{2 * a, 0}.div(sumOf(1, -a))).half()
	return math.Copysign(r.float(), x)
}
