package values

import (
	"math"
	"strconv"
)

// AppendFloat appends Python's repr() of a float: the shortest decimal that reads back as f, always with a point or an
// exponent, with an exponent below 1e-4 and from 1e16: 1.0, 0.0001, 1e-05, 1e+16, -0.0, inf, nan.
func AppendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	switch {
	case f != f:
		return append(dst, "nan"...)
	case math.IsInf(f, 0):
		if f < 0 {
			dst = append(dst, '-')
		}
		return append(dst, "inf"...)
	case abs != 0 && (abs < 1e-4 || abs >= 1e16):
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// specialFloats are the floats that JSON numbers cannot say.
var specialFloats = map[string]float64{"inf": math.Inf(1), "-inf": math.Inf(-1), "nan": math.NaN()}
