package math

import "math"

// The gamma functions are those of CPython (Modules/mathmodule.c), step by step: Lanczos' approximation with N=13 and
// g=6.024680040776729583740234375, and the reflection formula below zero. They are good to about 10 ulps.

const (
	lanczosG          = 6.024680040776729583740234375
	lanczosGMinusHalf = 5.524680040776729583740234375
	logPi             = 1.144729885849400174143427351353058711647
)

var lanczosNumerator = [...]float64{
	23531376880.410759688572007674451636754734846804940,
	42919803642.649098768957899047001988850926355848959,
	35711959237.355668049440185451547166705960488635843,
	17921034426.037209699919755754458931112671403265390,
	6039542586.3520280050642916443072979210699388420708,
	1439720407.3117216736632230727949123939715485786772,
	248874557.86205415651146038641322942321632125127801,
	31426415.585400194380614231628318205362874684987640,
	2876370.6289353724412254090516208496135991145378768,
	186056.26539522349504029498971604569928220784236328,
	8071.6720023658162106380029022722506138218516325024,
	210.82427775157934587250973392071336271166969580291,
	2.5066282746310002701649081771338373386264310793408,
}

var lanczosDenominator = [...]float64{
	0, 39916800, 120543840, 150917976, 105258076, 45995730, 13339535, 2637558, 357423, 32670, 1925, 66, 1,
}

// smallGammas are gamma(1) … gamma(23), which are exact.
var smallGammas = func() (t [23]float64) {
	t[0] = 1
	for n := 1; n < len(t); n++ {
		t[n] = t[n-1] * float64(n)
	}
	return t
}()

func lanczosSum(x float64) float64 {
	num, den := 0.0, 0.0
	if x < 5 {
		for i := len(lanczosNumerator) - 1; i >= 0; i-- {
			num = float64(num*x) + lanczosNumerator[i]
			den = float64(den*x) + lanczosDenominator[i]
		}
	} else {
		for i := range lanczosNumerator {
			num = num/x + lanczosNumerator[i]
			den = den/x + lanczosDenominator[i]
		}
	}
	return num / den
}

// sinPi gives sin(πx) for finite x.
func sinPi(x float64) float64 {
	const pi = float64(math.Pi)
	y := math.Mod(math.Abs(x), 2)
	var r float64
	switch int(math.Round(2 * y)) {
	case 0:
		r = sin(float64(pi * y))
	case 1:
		r = cos(float64(pi * (y - 0.5)))
	case 2:
		r = sin(float64(pi * (1 - y)))
	case 3:
		r = -cos(float64(pi * (y - 1.5)))
	case 4:
		r = sin(float64(pi * (y - 2)))
	}
	return math.Copysign(1, x) * r
}

// gamma gives nan or an infinity of a finite x where Python raises an exception.
func gamma(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x || math.IsInf(x, 1):
		return x
	case math.IsInf(x, -1) || x < 0 && x == math.Floor(x):
		return math.NaN()
	case x == 0:
		return math.Copysign(math.Inf(1), x)
	case x == math.Floor(x) && x <= float64(len(smallGammas)):
		return smallGammas[int(x)-1]
	case a < 1e-20:
		return 1 / x
	case a > 200 && x < 0:
		return 0 / sinPi(x)
	case a > 200:
		return math.Inf(1)
	}
	y := a + lanczosGMinusHalf
	var z float64 // the error in that sum
	if a > lanczosGMinusHalf {
		z = y - a - lanczosGMinusHalf
	} else {
		z = y - lanczosGMinusHalf - a
	}
	z = float64(z*lanczosG) / y
	if x < 0 {
		r := -math.Pi / sinPi(a) / a * exp(y) / lanczosSum(a)
		r -= float64(z * r)
		if a < 140 {
			return r / power(y, a-0.5)
		}
		p := power(y, float64(a/2)-0.25)
		return r / p / p
	}
	r := lanczosSum(a) / exp(y)
	r += float64(z * r)
	if a < 140 {
		return r * power(y, a-0.5)
	}
	p := power(y, float64(a/2)-0.25)
	return r * p * p
}

// lgamma gives the logarithm of |gamma(x)|, an infinity where that is infinite.
func lgamma(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x:
		return x
	case math.IsInf(x, 0):
		return math.Inf(1)
	case x == math.Floor(x) && x <= 0:
		return math.Inf(1)
	case x == 1 || x == 2:
		return 0
	case a < 1e-20:
		return -log(a)
	}
	r := log(lanczosSum(a)) - lanczosG
	r += float64((a - 0.5) * (log(a+lanczosG-0.5) - 1))
	if x < 0 {
		r = logPi - log(math.Abs(sinPi(a))) - log(a) - r
	}
	return r
}
