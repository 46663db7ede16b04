package json

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/values"
)

// decimalOf gives str(decimal.Decimal(token)) of a JSON float: all its digits and its exponent, in scientific notation
// only where to-scientific-string of the General Decimal Arithmetic Specification has it.
func decimalOf(token string) values.Decimal {
	sign := ""
	if token[0] == '-' {
		sign, token = "-", token[1:]
	}
	mantissa, exponent := token, big.NewInt(0)
	if i := strings.IndexAny(token, "eE"); i >= 0 {
		mantissa = token[:i]
		exponent.SetString(strings.TrimPrefix(token[i+1:], "+"), 10)
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	if digits == "" {
		digits = "0"
	}
	exponent.Sub(exponent, big.NewInt(int64(len(fraction))))
	// decimal's own bounds of the exponent on 64-bit machines, beyond which the text cannot be a Decimal.
	if !exponent.IsInt64() || exponent.Int64() > 999999999999999999 || exponent.Int64() < -1999999999999999997 {
		return values.Decimal("NaN")
	}
	exp := exponent.Int64()
	adjusted := exp + int64(len(digits)) - 1
	switch {
	case exp > 0 || adjusted < -6:
		if len(digits) > 1 {
			digits = digits[:1] + "." + digits[1:]
		}
		e := strconv.FormatInt(adjusted, 10)
		if adjusted >= 0 {
			e = "+" + e
		}
		return values.Decimal(sign + digits + "E" + e)
	case exp == 0:
		return values.Decimal(sign + digits)
	case adjusted >= 0:
		point := len(digits) + int(exp)
		return values.Decimal(sign + digits[:point] + "." + digits[point:])
	}
	return values.Decimal(sign + "0." + strings.Repeat("0", int(-exp)-len(digits)) + digits)
}
