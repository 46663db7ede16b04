package values

import "strings"

// isDecimal reports whether s is what str() of a decimal.Decimal can be.
func isDecimal(s string) bool {
	s = strings.TrimPrefix(s, "-")
	if s == "Infinity" {
		return true
	}
	if rest, ok := strings.CutPrefix(strings.TrimPrefix(s, "s"), "NaN"); ok {
		return len(rest) == digits(rest)
	}
	n := digits(s)
	s, whole := s[n:], n > 0
	if rest, ok := strings.CutPrefix(s, "."); ok {
		n = digits(rest)
		s, whole = rest[n:], whole && n > 0
	}
	if rest, ok := strings.CutPrefix(s, "E"); ok && len(rest) > 1 && (rest[0] == '+' || rest[0] == '-') {
		s = rest[1+digits(rest[1:]):]
		whole = whole && len(rest) < 24
	}
	return whole && s == ""
}

// digits gives the length of the decimal digits at the start of s.
func digits(s string) int {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}
