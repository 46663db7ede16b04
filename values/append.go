package values

import (
	"encoding/base64"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"
)

// Append appends the JSON of v to dst. It stops with ErrTooLarge once the JSON would be longer than limit bytes; what dst
// held before does not count. Other errors are for values that cannot cross: nesting deeper than MaxDepth, integers of more
// than MaxDigits, strings that are not WTF-8, Go types that are not in the package's list.
// On an error the bytes of dst's array beyond its length may have changed, and nil is returned.
func Append(dst []byte, v any, limit int) ([]byte, error) {
	e := encoder{dst: dst, base: len(dst), limit: limit}
	if err := e.value(v, 0); err != nil {
		return nil, err
	}
	if len(e.dst)-e.base > limit {
		return nil, ErrTooLarge
	}
	return e.dst, nil
}

type encoder struct {
	dst   []byte
	base  int
	limit int
}

// room reports whether n more bytes are within the limit. Whatever can be long asks before it is written;
// the rest, a few bytes, may exceed the limit until the next asks.
func (e *encoder) room(n int) error {
	if n > e.limit-(len(e.dst)-e.base) {
		return ErrTooLarge
	}
	return nil
}

func (e *encoder) puts(s string) { e.dst = append(e.dst, s...) }

func (e *encoder) value(v any, depth int) error {
	if err := e.room(1); err != nil {
		return err
	}
	switch v := v.(type) {
	case nil:
		e.puts("null")
	case bool:
		e.dst = strconv.AppendBool(e.dst, v)
	case string:
		return e.text(v)
	case int64:
		e.int(v)
	case int:
		e.int(int64(v))
	case float64:
		e.float(v)
	case List:
		return e.items("[", v, "]", depth)
	case *Dict:
		return e.dict(v, depth)
	case Tuple:
		return e.items(`{"$tuple":[`, v, "]}", depth+1)
	case Set:
		return e.items(`{"$set":[`, v, "]}", depth+1)
	case FrozenSet:
		return e.items(`{"$frozenset":[`, v, "]}", depth+1)
	case *big.Int:
		return e.bigInt(v)
	case complex128:
		e.puts(`{"$complex":[`)
		e.float(real(v))
		e.puts(",")
		e.float(imag(v))
		e.puts("]}")
	case Bytes:
		return e.bytes(`{"$bytes":"`, v)
	case []byte:
		return e.bytes(`{"$bytes":"`, v)
	case ByteArray:
		return e.bytes(`{"$bytearray":"`, v)
	case Repr:
		e.puts(`{"$repr":`)
		if err := e.text(v.Text); err != nil {
			return err
		}
		e.puts(`,"type":`)
		return e.textAnd(v.Type, "}")
	case Decimal:
		if !isDecimal(string(v)) {
			return fmt.Errorf("values: %q is not a decimal", cut(string(v)))
		}
		e.puts(`{"$decimal":`)
		return e.textAnd(string(v), "}")
	case DateTime:
		return e.dateTime(v)
	case Date:
		return e.checked(`{"$date":`, string(v), v.check())
	case Time:
		return e.checked(`{"$time":`, string(v), v.check())
	case TimeDelta:
		if err := v.check(); err != nil {
			return err
		}
		e.dst = fmt.Appendf(e.dst, `{"$timedelta":[%d,%d,%d]}`, v.Days, v.Seconds, v.Microseconds)
	case time.Time:
		d, err := NewDateTime(v)
		if err != nil {
			return err
		}
		return e.dateTime(d)
	case time.Duration:
		return e.value(NewTimeDelta(v), depth)
	default:
		return e.goValue(v, depth)
	}
	return nil
}

func (e *encoder) items(open string, items []any, end string, depth int) error {
	if depth++; depth > MaxDepth {
		return errDepth
	}
	e.puts(open)
	for i, v := range items {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if err := e.value(v, depth); err != nil {
			return err
		}
	}
	e.puts(end)
	return nil
}

func (e *encoder) dict(d *Dict, depth int) error {
	if depth++; depth > MaxDepth {
		return errDepth
	}
	if !d.isObject() {
		return e.pairs(d, depth+2)
	}
	e.dst = append(e.dst, '{')
	for i := range d.Len() {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		k, v := d.At(i)
		if err := e.textAnd(k.(string), ":"); err != nil {
			return err
		}
		if err := e.value(v, depth); err != nil {
			return err
		}
	}
	e.dst = append(e.dst, '}')
	return nil
}

// isObject reports whether the dict can be a JSON object: all keys are str, and the first does not look like a tag.
func (d *Dict) isObject() bool {
	for i := range d.Len() {
		k, ok := d.entries[i].key.(string)
		if !ok || i == 0 && len(k) > 0 && k[0] == '$' {
			return false
		}
	}
	return true
}

func (e *encoder) pairs(d *Dict, depth int) error {
	if depth > MaxDepth {
		return errDepth
	}
	e.puts(`{"$dict":[`)
	for i := range d.Len() {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		k, v := d.At(i)
		e.dst = append(e.dst, '[')
		if err := e.value(k, depth); err != nil {
			return err
		}
		e.dst = append(e.dst, ',')
		if err := e.value(v, depth); err != nil {
			return err
		}
		e.dst = append(e.dst, ']')
	}
	e.puts("]}")
	return nil
}

// maxSafe is the largest integer below which all are exact in a float64, and so in every JSON reader.
const maxSafe = 1<<53 - 1

func (e *encoder) int(n int64) {
	if -maxSafe <= n && n <= maxSafe {
		e.dst = strconv.AppendInt(e.dst, n, 10)
		return
	}
	e.puts(`{"$int":"`)
	e.dst = strconv.AppendInt(e.dst, n, 10)
	e.puts(`"}`)
}

func (e *encoder) bigInt(n *big.Int) error {
	switch {
	case n == nil:
		e.puts("null")
		return nil
	case n.IsInt64():
		e.int(n.Int64())
		return nil
	}
	// A digit is log2(10) ≈ 3.3219 bits: below this bound there may be too many digits, above it there are.
	digits := float64(n.BitLen()) / math.Log2(10)
	if digits > MaxDigits+1 {
		return errDigits
	}
	if err := e.room(int(digits)); err != nil {
		return err
	}
	e.puts(`{"$int":"`)
	start := len(e.dst)
	e.dst = n.Append(e.dst, 10)
	length := len(e.dst) - start
	if n.Sign() < 0 {
		length--
	}
	if length > MaxDigits {
		return errDigits
	}
	e.puts(`"}`)
	return nil
}

func (e *encoder) float(f float64) {
	switch {
	case math.IsInf(f, 1):
		e.puts(`{"$float":"inf"}`)
	case math.IsInf(f, -1):
		e.puts(`{"$float":"-inf"}`)
	case f != f:
		e.puts(`{"$float":"nan"}`)
	default:
		e.dst = AppendFloat(e.dst, f)
	}
}

func (e *encoder) bytes(open string, b []byte) error {
	if err := e.room(base64.StdEncoding.EncodedLen(len(b))); err != nil {
		return err
	}
	e.puts(open)
	e.dst = base64.StdEncoding.AppendEncode(e.dst, b)
	e.puts(`"}`)
	return nil
}

func (e *encoder) dateTime(d DateTime) error {
	if err := d.check(); err != nil {
		return err
	}
	e.puts(`{"$datetime":`)
	if err := e.text(d.ISO); err != nil {
		return err
	}
	if d.Zone != "" {
		e.puts(`,"zone":`)
		if err := e.text(d.Zone); err != nil {
			return err
		}
	}
	if d.Fold != 0 {
		e.puts(`,"fold":1`)
	}
	e.puts("}")
	return nil
}

func (e *encoder) checked(open, text string, err error) error {
	if err != nil {
		return err
	}
	e.puts(open)
	return e.textAnd(text, "}")
}

func (e *encoder) textAnd(s, after string) error {
	if err := e.text(s); err != nil {
		return err
	}
	e.puts(after)
	return nil
}

// text writes a JSON string. Only what JSON demands is escaped, and lone surrogates.
func (e *encoder) text(s string) error {
	if err := e.room(len(s)); err != nil {
		return err
	}
	e.dst = append(e.dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			if _, n := utf8.DecodeRuneInString(s[i:]); n > 1 {
				i += n
				continue
			}
			surrogate, ok := surrogateAt(s, i)
			if !ok {
				return fmt.Errorf("values: string is not UTF-8 at byte %d: use values.Bytes", i)
			}
			e.puts(s[start:i])
			e.escape(surrogate)
			i += 3
			start = i
			continue
		}
		e.puts(s[start:i])
		switch c {
		case '"', '\\':
			e.dst = append(e.dst, '\\', c)
		case '\n':
			e.puts(`\n`)
		case '\r':
			e.puts(`\r`)
		case '\t':
			e.puts(`\t`)
		default:
			e.escape(rune(c))
		}
		i++
		start = i
		if err := e.room(len(s) - i); err != nil {
			return err
		}
	}
	e.puts(s[start:])
	e.dst = append(e.dst, '"')
	return nil
}

func (e *encoder) escape(r rune) {
	const hex = "0123456789abcdef"
	e.dst = append(e.dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}

// plain holds the bytes that stand for themselves in a JSON string.
var plain = func() (t [256]bool) {
	for c := 0x20; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// surrogateAt gives the surrogate that three bytes of WTF-8 at s[i:] stand for.
func surrogateAt(s string, i int) (rune, bool) {
	if len(s)-i < 3 || s[i] != 0xED || s[i+1] < 0xA0 || s[i+1] > 0xBF || s[i+2]&0xC0 != 0x80 {
		return 0, false
	}
	return 0xD000 | rune(s[i+1]&0x3F)<<6 | rune(s[i+2]&0x3F), true
}

// cut shortens a text for a message.
func cut(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}
