package values

import (
	"fmt"
	"math/big"
	"strconv"
	"time"
	"unicode"
	"unicode/utf8"
)

// Format gives Python's repr() of a value, for messages. Values nested deeper than MaxDepth are cut with "...".
// Which characters of a str are printable is decided by Go's Unicode tables, which may be of another version than Python's.
func Format(v any) string { return string(AppendFormat(nil, v)) }

// AppendFormat appends what Format gives.
func AppendFormat(dst []byte, v any) []byte { return appendRepr(dst, v, 0) }

func appendRepr(dst []byte, v any, depth int) []byte {
	if depth > MaxDepth {
		return append(dst, "..."...)
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "None"...)
	case bool:
		if v {
			return append(dst, "True"...)
		}
		return append(dst, "False"...)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case int:
		return strconv.AppendInt(dst, int64(v), 10)
	case *big.Int:
		return v.Append(dst, 10)
	case float64:
		return AppendFloat(dst, v)
	case complex128:
		return appendComplex(dst, v)
	case string:
		return appendStr(dst, v)
	case Bytes:
		return appendBytes(dst, v)
	case ByteArray:
		return append(appendBytes(append(dst, "bytearray("...), v), ')')
	case List:
		return append(appendItems(append(dst, '['), v, depth), ']')
	case Tuple:
		dst = appendItems(append(dst, '('), v, depth)
		if len(v) == 1 {
			dst = append(dst, ',')
		}
		return append(dst, ')')
	case Set:
		if len(v) == 0 {
			return append(dst, "set()"...)
		}
		return append(appendItems(append(dst, '{'), v, depth), '}')
	case FrozenSet:
		if len(v) == 0 {
			return append(dst, "frozenset()"...)
		}
		return append(appendItems(append(dst, "frozenset({"...), v, depth), "})"...)
	case *Dict:
		dst = append(dst, '{')
		for i := range v.Len() {
			if i > 0 {
				dst = append(dst, ", "...)
			}
			k, e := v.At(i)
			dst = append(appendRepr(dst, k, depth+1), ": "...)
			dst = appendRepr(dst, e, depth+1)
		}
		return append(dst, '}')
	case Decimal:
		return fmt.Appendf(dst, "Decimal('%s')", string(v))
	case Repr:
		return append(dst, v.Text...)
	case TimeDelta:
		return v.appendRepr(dst)
	case DateTime, Date, Time, time.Time, time.Duration:
		return appendMoment(dst, v)
	}
	return fmt.Appendf(dst, "<%T>", v)
}

func appendItems(dst []byte, items []any, depth int) []byte {
	for i, v := range items {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendRepr(dst, v, depth+1)
	}
	return dst
}

func appendComplex(dst []byte, c complex128) []byte {
	part := func(f float64) { // a float, without the ".0" of integers
		dst = AppendFloat(dst, f)
		if n := len(dst); n > 2 && string(dst[n-2:]) == ".0" {
			dst = dst[:n-2]
		}
	}
	if real(c) == 0 && 1/real(c) > 0 {
		part(imag(c))
		return append(dst, 'j')
	}
	dst = append(dst, '(')
	part(real(c))
	if im := AppendFloat(nil, imag(c)); im[0] != '-' {
		dst = append(dst, '+')
	}
	part(imag(c))
	return append(dst, "j)"...)
}

// quote gives the quotes that Python chooses: double ones only if that saves escapes.
func quote(single, double bool) byte {
	if single && !double {
		return '"'
	}
	return '\''
}

func appendStr(dst []byte, s string) []byte {
	var single, double bool
	for i := range len(s) {
		single = single || s[i] == '\''
		double = double || s[i] == '"'
	}
	q := quote(single, double)
	dst = append(dst, q)
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			if surrogate, ok := surrogateAt(s, i); ok {
				r, n = surrogate, 3
			} else {
				r = rune(s[i])
			}
		}
		i += n
		switch {
		case r == rune(q) || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case unicode.IsPrint(r):
			dst = utf8.AppendRune(dst, r)
		case r < 0x100:
			dst = fmt.Appendf(dst, `\x%02x`, r)
		case r < 0x10000:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		default:
			dst = fmt.Appendf(dst, `\U%08x`, r)
		}
	}
	return append(dst, q)
}

func appendBytes(dst, b []byte) []byte {
	var single, double bool
	for _, c := range b {
		single = single || c == '\''
		double = double || c == '"'
	}
	q := quote(single, double)
	dst = append(dst, 'b', q)
	for _, c := range b {
		switch {
		case c == q || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\r':
			dst = append(dst, `\r`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		case c < ' ' || c > '~':
			dst = fmt.Appendf(dst, `\x%02x`, c)
		default:
			dst = append(dst, c)
		}
	}
	return append(dst, q)
}

func (d TimeDelta) appendRepr(dst []byte) []byte {
	dst = append(dst, "datetime.timedelta("...)
	start := len(dst)
	part := func(name string, n int) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ", "...)
		}
		dst = fmt.Appendf(dst, "%s=%d", name, n)
	}
	part("days", d.Days)
	part("seconds", d.Seconds)
	part("microseconds", d.Microseconds)
	if len(dst) == start {
		dst = append(dst, '0')
	}
	return append(dst, ')')
}

// appendMoment names a date or time by its isoformat, which is shorter than Python's repr and says the same.
func appendMoment(dst []byte, v any) []byte {
	switch v := v.(type) {
	case DateTime:
		return fmt.Appendf(dst, "datetime.datetime.fromisoformat('%s')", v.ISO)
	case Date:
		return fmt.Appendf(dst, "datetime.date.fromisoformat('%s')", string(v))
	case Time:
		return fmt.Appendf(dst, "datetime.time.fromisoformat('%s')", string(v))
	case time.Time:
		if d, err := NewDateTime(v); err == nil {
			return appendMoment(dst, d)
		}
	case time.Duration:
		return NewTimeDelta(v).appendRepr(dst)
	}
	return fmt.Appendf(dst, "<%T>", v)
}
