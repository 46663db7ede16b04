package math

import "math"

// power gives x^y for finite x and y, as C's pow does: infinite where it overflows, and for 0 to a negative power; nan for
// a negative x to a power that is no integer.
func power(x, y float64) float64 {
	a := math.Abs(x)
	switch {
	case y == 0 || x == 1:
		return 1
	case y == 1:
		return x
	case y == 2:
		return float64(x * x)
	}
	integer := y == math.Trunc(y)
	odd := integer && math.Mod(y, 2) != 0
	var r float64
	switch {
	case x < 0 && !integer:
		return math.NaN()
	case a == 0 && y < 0:
		r = math.Inf(1)
	case a == 0:
		r = 0
	default:
		r = positivePower(a, y, integer)
	}
	if odd {
		return math.Copysign(r, x)
	}
	return r
}

func positivePower(a, y float64, integer bool) float64 {
	_, e := math.Frexp(a)
	if n := int(y); integer && 2 < y && y <= 64 && max(e, -e)*n < 900 {
		// By products, so that results which are exact in a dd, and ties among them, are rounded right.
		r, square := one, dd{a, 0}
		for ; n > 0; n >>= 1 {
			if n&1 != 0 {
				r = r.mul(square)
			}
			if n > 1 {
				square = square.square()
			}
		}
		return r.float()
	}
	l := logOf(dd{a, 0})
	switch rough := l.hi * y; {
	case rough > 710:
		return math.Inf(1)
	case rough < -746:
		return 0
	}
	m, k := expOf(l.times(y))
	return m.scale(k)
}

func cbrt(x float64) float64 {
	if x == 0 || x-x != 0 {
		return x
	}
	m, k := expOf(logOf(dd{math.Abs(x), 0}).div(dd{3, 0}))
	return math.Copysign(m.scale(k), x)
}
