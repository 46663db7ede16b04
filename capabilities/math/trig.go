package math

import (
	"math"
	"math/bits"
)

// twoOverPi are the first binary digits of 2/π, after 64 zeros.
var twoOverPi = [...]uint64{
	0,
	0xa2f9836e4e441529, 0xfc2757d1f534ddc0, 0xdb6295993c439041, 0xfe5163abdebbc561,
	0xb7246e3a424dd2e0, 0x06492eea09d1921c, 0xfe1deb1cb129a73e, 0xe88235f52ebb4484,
	0xe99c7026b45f7e41, 0x3991d639835339f4, 0x9c845f8bbdf9283b, 0x1ff897ffde05980f,
	0xef2f118b5a0a6d1f, 0x6d367ecf27cb09b7, 0x4f463f669e5fea2d, 0x7527bac7ebe5f17b,
	0x3d0739f78a5292ea, 0x6bfb5fb11f8d5d08, 0x56033046fc7b6bab, 0xf0cfbc209af4361d,
	0xa9e391615ee61b08, 0x6599855f14a06840, 0x8dffd8804d732731, 0x06061556ca73a8c9,
}

// reduce gives x − n·π/2, in −π/4 … π/4, and n modulo 4. It is exact enough for every float: x·2/π is computed in fixed
// point from those digits of 2/π that matter (Payne and Hanek, 1983).
func reduce(x float64) (n int, r dd) {
	a := math.Abs(x)
	if a <= math.Pi/4 {
		return 0, dd{x, 0}
	}
	fraction, e := math.Frexp(a)
	m := uint64(math.Ldexp(fraction, 53))
	e -= 53 // a = m·2^e
	// Digit j of 2/π is worth 2^-j. Those before e−1 give multiples of 4 when multiplied by a; with the 320 from there on,
	// m·digits is a·2/π modulo 4, in units of 2^-318.
	var product [5]uint64 // least significant first
	carry := uint64(0)
	for i := range product {
		hi, lo := bits.Mul64(digitsAt(e-1+64*(4-i)), m)
		var c uint64
		product[i], c = bits.Add64(lo, carry, 0)
		carry = hi + c
	}
	n = int(product[4] >> 62)
	product[4] = product[4] << 2 >> 2
	negative := product[4]>>61 != 0 // more than half: count from the next multiple, below it
	if negative {
		n++
		borrow := uint64(0)
		for i := range product {
			product[i], borrow = bits.Sub64(0, product[i], borrow)
		}
		product[4] = product[4] << 2 >> 2
	}
	r = fixedPoint(product).mul(halfPi)
	if negative {
		r = r.neg()
	}
	if x < 0 {
		n, r = -n, r.neg()
	}
	return n & 3, r
}

// digitsAt gives the 64 digits of 2/π that begin with digit j, which is 1 for the first one; those before are zeros.
func digitsAt(j int) uint64 {
	at := j - 1 + 64
	if at < 0 {
		return 0
	}
	word, shift := at/64, uint(at%64)
	return twoOverPi[word]<<shift | twoOverPi[word+1]>>1>>(63-shift)
}

// fixedPoint gives the value of a number in units of 2^-318, cut to 106 bits.
func fixedPoint(words [5]uint64) dd {
	top := 319
	for top > 0 && words[top/64]>>(top%64)&1 == 0 {
		top--
	}
	part := func(from int) float64 { // 53 bits, the highest of which is bit from
		var n uint64
		for i := from; i > from-53; i-- {
			n <<= 1
			if i >= 0 {
				n |= words[i/64] >> (i % 64) & 1
			}
		}
		return math.Ldexp(float64(n), from-52-318)
	}
	return quickSum(part(top), part(top-53))
}

// sinSmall and cosSmall are the Taylor series, for |r| ≤ π/4.
func sinSmall(r dd) dd {
	r2 := r.square().neg()
	s := inverseFactorials[27]
	for n := 25; n >= 3; n -= 2 {
		s = s.mul(r2).add(inverseFactorials[n])
	}
	return s.mul(r2).mul(r).add(r)
}

func cosSmall(r dd) dd {
	r2 := r.square().neg()
	s := inverseFactorials[28]
	for n := 26; n >= 0; n -= 2 {
		s = s.mul(r2).add(inverseFactorials[n])
	}
	return s
}

// sinCos gives the sine and cosine of a finite x.
func sinCos(x float64) (sin, cos dd) {
	n, r := reduce(x)
	sin, cos = sinSmall(r), cosSmall(r)
	switch n {
	case 1:
		return cos, sin.neg()
	case 2:
		return sin.neg(), cos.neg()
	case 3:
		return cos.neg(), sin
	}
	return sin, cos
}

func sin(x float64) float64 {
	if math.Abs(x) < tinyArg || x != x {
		return x
	}
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	s, _ := sinCos(x)
	return s.float()
}

func cos(x float64) float64 {
	if x-x != 0 {
		return math.NaN()
	}
	_, c := sinCos(x)
	return c.float()
}

func tan(x float64) float64 {
	if math.Abs(x) < tinyArg || x != x {
		return x
	}
	if math.IsInf(x, 0) {
		return math.NaN()
	}
	s, c := sinCos(x)
	return s.div(c).float()
}

// atanOf gives the arc tangent of t in 0 … 1.
func atanOf(t dd) dd {
	// atan(t) = 2·atan(t / (1 + sqrt(1+t²))), until the series t − t³/3 + t⁵/5 − … is short.
	const halvings = 3
	for range halvings {
		t = t.div(t.square().add(one).sqrt().add(one))
	}
	t2 := t.square().neg()
	s := inverseOdds[17]
	for n := 16; n >= 1; n-- {
		s = s.mul(t2).add(inverseOdds[n])
	}
	s = s.mul(t2).mul(t).add(t)
	return dd{float64(s.hi * (1 << halvings)), float64(s.lo * (1 << halvings))}
}

// angle gives the angle of the point (x, y), for y ≥ 0, not both zero, of which neither over- nor underflows in products.
func angle(y, x dd) dd {
	ax := x
	if x.hi < 0 {
		ax = x.neg()
	}
	var r dd
	if y.hi <= ax.hi {
		r = atanOf(y.div(ax))
	} else {
		r = halfPi.sub(atanOf(ax.div(y)))
	}
	if x.hi < 0 {
		return pi.sub(r)
	}
	return r
}

func atan(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x || a < tinyArg:
		return x
	case a > 0x1p60:
		return math.Copysign(halfPi.hi, x)
	}
	return math.Copysign(angle(dd{a, 0}, one).float(), x)
}

func atan2(y, x float64) float64 {
	ay, ax := math.Abs(y), math.Abs(x)
	var r float64
	switch {
	case x != x || y != y:
		return math.NaN()
	case math.IsInf(y, 0) && math.IsInf(x, 1):
		r = math.Pi / 4
	case math.IsInf(y, 0) && math.IsInf(x, -1):
		r = 3 * math.Pi / 4
	case math.IsInf(y, 0):
		r = halfPi.hi
	case math.IsInf(x, 0) || y == 0:
		if math.Signbit(x) {
			r = pi.hi
		}
	default:
		r = finiteAngle(ay, ax, x < 0)
	}
	return math.Copysign(r, y)
}

// finiteAngle is atan2 of two floats that are finite, and y above zero.
func finiteAngle(y, x float64, left bool) float64 {
	fy, ey := math.Frexp(y)
	fx, ex := math.Frexp(x)
	switch d := ey - ex; {
	case x == 0 || d > 64:
		return halfPi.hi
	case d < -64 && left:
		return pi.hi
	case d < -64:
		return y / x
	default:
		fy = math.Ldexp(fy, d)
	}
	if left {
		fx = -fx
	}
	return angle(dd{fy, 0}, dd{fx, 0}).float()
}

func asin(x float64) float64 {
	a := math.Abs(x)
	switch {
	case x != x || a < tinyArg:
		return x
	case a > 1:
		return math.NaN()
	}
	return math.Copysign(angle(dd{a, 0}, cathetus(a)).float(), x)
}

func acos(x float64) float64 {
	switch {
	case x != x || math.Abs(x) > 1:
		return math.NaN()
	case x == 1:
		return 0
	}
	return angle(cathetus(x), dd{x, 0}).float()
}

// cathetus gives sqrt(1 − x²).
func cathetus(x float64) dd { return sumOf(1, -x).mul(sumOf(1, x)).sqrt() }
