package math

import (
	"math/big"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// roundedDecimal gives the int that a Decimal is rounded to: up, down, or for direction 0 towards zero.
func roundedDecimal(function, s string, direction int) (any, error) {
	digits, negative := strings.CutPrefix(s, "-")
	switch {
	case strings.HasSuffix(digits, "Infinity"):
		return nil, capabilities.Raise("OverflowError", "cannot convert Infinity to integer")
	case strings.Contains(digits, "NaN"):
		return nil, capabilities.Raise("ValueError", "cannot convert NaN to integer")
	}
	exponent := 0
	if mantissa, e, ok := strings.Cut(digits, "E"); ok {
		digits = mantissa
		exponent, _ = strconv.Atoi(e) // out of range, it gives the nearest int, which will do
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	digits = whole + fraction
	exponent = max(exponent, -1<<30) - len(fraction)
	digits = strings.TrimLeft(digits, "0")
	if digits == "" {
		return int64(0), nil
	}
	inexact := false
	switch cut := len(digits) + exponent; {
	case cut > values.MaxDigits:
		return nil, tooLong(function)
	case exponent >= 0:
		digits += strings.Repeat("0", exponent)
	case cut <= 0:
		digits, inexact = "0", true
	default:
		inexact = strings.Trim(digits[cut:], "0") != ""
		digits = digits[:cut]
	}
	n, _ := new(big.Int).SetString(digits, 10)
	if inexact && (direction > 0 && !negative || direction < 0 && negative) {
		n.Add(n, big.NewInt(1))
	}
	if negative {
		n.Neg(n)
	}
	return intResult(function, n)
}
