package values

import (
	"bytes"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// SyntaxError says where and why an input is not the JSON of a value.
type SyntaxError struct {
	Offset  int // in bytes from the start of the input
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("values: %s at byte %d", e.Message, e.Offset)
}

// Decode reads the JSON of one value. White space around it is padding; anything else after it is an error.
// It is strict, as docs/abi.md says, and its errors are *SyntaxError. It allocates in proportion to src, of which the
// result keeps no part. The caller bounds the length of src.
func Decode(src []byte) (any, error) {
	d := decoder{src: src}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	return v, d.end()
}

// DecodeJSON reads the JSON of one value in which nothing is a tag: {"$bytes": "…"} is a dict with one key. It gives None, bool, int, float,
// str, list and dict, and is otherwise like Decode: as strict, with the same limits.
func DecodeJSON(src []byte) (any, error) {
	d := decoder{src: src, untagged: true}
	v, err := d.value(0)
	if err != nil {
		return nil, err
	}
	return v, d.end()
}

type decoder struct {
	src   []byte
	pos   int
	stack []any // the members of the arrays that are being read, until their number is known
	keys  keyer
	names map[string]any // keys of objects that were met; records repeat them
	count int            // of values so far

	untagged bool // no key is a tag
}

func (d *decoder) fail(message string) error { return &SyntaxError{d.pos, message} }

func (d *decoder) failAt(pos int, message string) error { return &SyntaxError{pos, message} }

// peek skips white space and gives the next byte, 0 at the end. A NUL byte begins nothing, so the two need no telling apart.
func (d *decoder) peek() byte {
	for d.pos < len(d.src) {
		switch c := d.src[d.pos]; c {
		case ' ', '\t', '\n', '\r':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

func (d *decoder) expect(c byte) error {
	if d.peek() != c {
		return d.fail("expected '" + string(rune(c)) + "'")
	}
	d.pos++
	return nil
}

func (d *decoder) end() error {
	if d.peek(); d.pos < len(d.src) {
		return d.fail("unexpected text after the value")
	}
	return nil
}

func (d *decoder) value(depth int) (any, error) {
	if d.count++; d.count > MaxValues {
		return nil, d.fail("more than 2000000 values")
	}
	switch c := d.peek(); c {
	case '"':
		return d.text()
	case '{':
		return d.object(depth + 1)
	case '[':
		return d.items(depth + 1)
	case 'n':
		return nil, d.word("null")
	case 't':
		return true, d.word("true")
	case 'f':
		return false, d.word("false")
	default:
		if c == '-' || '0' <= c && c <= '9' {
			return d.number()
		}
		return nil, d.fail("expected a value")
	}
}

func (d *decoder) word(w string) error {
	if !bytes.HasPrefix(d.src[d.pos:], []byte(w)) {
		return d.fail("expected a value")
	}
	d.pos += len(w)
	return nil
}

func (d *decoder) checkDepth(depth int) error {
	if depth > MaxDepth {
		return d.fail(tooDeep)
	}
	return nil
}

// items reads an array, of values at the given depth.
func (d *decoder) items(depth int) (List, error) {
	if err := d.checkDepth(depth); err != nil {
		return nil, err
	}
	if err := d.expect('['); err != nil {
		return nil, err
	}
	if d.peek() == ']' {
		d.pos++
		return List{}, nil
	}
	base := len(d.stack)
	for {
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		d.stack = append(d.stack, v)
		more, err := d.more(']')
		if err != nil {
			return nil, err
		}
		if !more {
			list := append(List(nil), d.stack[base:]...)
			clear(d.stack[base:])
			d.stack = d.stack[:base]
			return list, nil
		}
	}
}

// more reads a comma, or the end of an array or object.
func (d *decoder) more(end byte) (bool, error) {
	switch d.peek() {
	case ',':
		d.pos++
		return true, nil
	case end:
		d.pos++
		return false, nil
	}
	return false, d.fail("expected ',' or '" + string(rune(end)) + "'")
}

// object reads an object, a dict or what its tag says, whose parts are at the given depth.
func (d *decoder) object(depth int) (any, error) {
	open := d.pos
	d.pos++
	dict := new(Dict)
	if d.peek() == '}' {
		d.pos++
		return dict, d.checkDepth(depth)
	}
	for first := true; ; first = false {
		start := d.pos
		key, boxed, err := d.name()
		if err != nil {
			return nil, err
		}
		if first {
			if len(key) > 0 && key[0] == '$' && !d.untagged {
				return d.tagged(key, start, depth)
			}
			if depth > MaxDepth {
				return nil, d.failAt(open, tooDeep)
			}
			dict.entries = make([]entry, 0, 4)
		}
		v, err := d.value(depth)
		if err != nil {
			return nil, err
		}
		if !dict.insert(boxed, boxed, v) {
			return nil, d.failAt(start, "duplicate key")
		}
		if more, err := d.more('}'); !more {
			return dict, err
		}
	}
}

// insert adds an entry, unless the key, whose canonical form is k, is there.
func (d *Dict) insert(k, key, v any) bool {
	if d.find(k) >= 0 {
		return false
	}
	d.add(k, key, v)
	return true
}

// name is key that gives the same string, and the same any of it, for the same name.
func (d *decoder) name() (string, any, error) {
	d.peek()
	i := d.pos + 1
	for i < len(d.src) && plain[d.src[i]] {
		i++
	}
	if d.pos < len(d.src) && d.src[d.pos] == '"' && i < len(d.src) && d.src[i] == '"' {
		if boxed, ok := d.names[string(d.src[d.pos+1:i])]; ok {
			d.pos = i + 1
			return boxed.(string), boxed, d.expect(':')
		}
	}
	s, err := d.key()
	if err != nil {
		return "", nil, err
	}
	var boxed any = s
	if d.names == nil {
		d.names = make(map[string]any)
	}
	if len(d.names) < maxNames {
		d.names[s] = boxed
	}
	return s, boxed, nil
}

// maxNames bounds what is remembered of keys that do not repeat.
const maxNames = 1000

// key reads a string and the colon after it.
func (d *decoder) key() (string, error) {
	d.peek()
	s, err := d.text()
	if err != nil {
		return "", err
	}
	return s, d.expect(':')
}

// number reads an int, or a float if there is a point or an exponent.
func (d *decoder) number() (any, error) {
	start := d.pos
	i := start
	if d.src[i] == '-' {
		i++
	}
	first := i
	i += countDigits(d.src[i:])
	if i == first || d.src[first] == '0' && i > first+1 {
		return nil, d.failAt(start, "malformed number")
	}
	isFloat := false
	if i < len(d.src) && d.src[i] == '.' {
		isFloat = true
		n := countDigits(d.src[i+1:])
		if n == 0 {
			return nil, d.failAt(start, "malformed number")
		}
		i += 1 + n
	}
	if i < len(d.src) && d.src[i]|0x20 == 'e' {
		isFloat = true
		i++
		if i < len(d.src) && (d.src[i] == '+' || d.src[i] == '-') {
			i++
		}
		n := countDigits(d.src[i:])
		if n == 0 {
			return nil, d.failAt(start, "malformed number")
		}
		i += n
	}
	token := d.src[start:i]
	if len(token) > maxNumber {
		return nil, d.failAt(start, "number has more than 400 characters")
	}
	d.pos = i
	if isFloat {
		f, err := strconv.ParseFloat(string(token), 64)
		if err != nil {
			return nil, d.failAt(start, "number is too large for a float")
		}
		return f, nil
	}
	if len(token) <= 18 { // so it fits
		return smallInt(token), nil
	}
	return parseInt(string(token)), nil
}

func smallInt(token []byte) int64 {
	var n int64
	negative := token[0] == '-'
	if negative {
		token = token[1:]
	}
	for _, c := range token {
		n = 10*n + int64(c-'0')
	}
	if negative {
		return -n
	}
	return n
}

// parseInt reads decimal digits, which the caller has checked, as an int64 if it fits, otherwise as a *big.Int.
func parseInt(digits string) any {
	if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
		return n
	}
	n, _ := new(big.Int).SetString(digits, 10)
	return n
}

func countDigits(s []byte) int {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// text reads a string.
func (d *decoder) text() (string, error) {
	if d.pos >= len(d.src) || d.src[d.pos] != '"' {
		return "", d.fail("expected a string")
	}
	start := d.pos + 1
	for i := start; i < len(d.src); {
		c := d.src[i]
		switch {
		case plain[c]:
			i++
		case c == '"':
			d.pos = i + 1
			return string(d.src[start:i]), nil
		case c == '\\':
			return d.escaped(start, i)
		default:
			n, err := d.rune(i)
			if err != nil {
				return "", err
			}
			i += n
		}
	}
	return "", d.fail("unterminated string")
}

// rune gives the length of the UTF-8 character at i.
func (d *decoder) rune(i int) (int, error) {
	if d.src[i] < 0x20 {
		return 0, d.failAt(i, "control character in a string")
	}
	_, n := utf8.DecodeRune(d.src[i:])
	if n == 1 {
		return 0, d.failAt(i, "invalid UTF-8")
	}
	return n, nil
}

// escaped reads a string that begins at start and has its first escape at i.
func (d *decoder) escaped(start, i int) (string, error) {
	out := append(make([]byte, 0, i-start+32), d.src[start:i]...)
	for i < len(d.src) {
		c := d.src[i]
		switch {
		case plain[c]:
			out = append(out, c)
			i++
		case c == '"':
			d.pos = i + 1
			return string(out), nil
		case c == '\\':
			var err error
			if out, i, err = d.escape(out, i); err != nil {
				return "", err
			}
		default:
			n, err := d.rune(i)
			if err != nil {
				return "", err
			}
			out = append(out, d.src[i:i+n]...)
			i += n
		}
	}
	return "", d.fail("unterminated string")
}

// escape reads the escape at i and gives the place after it.
func (d *decoder) escape(out []byte, i int) ([]byte, int, error) {
	if i+1 < len(d.src) {
		switch c := d.src[i+1]; c {
		case '"', '\\', '/':
			return append(out, c), i + 2, nil
		case 'b':
			return append(out, '\b'), i + 2, nil
		case 'f':
			return append(out, '\f'), i + 2, nil
		case 'n':
			return append(out, '\n'), i + 2, nil
		case 'r':
			return append(out, '\r'), i + 2, nil
		case 't':
			return append(out, '\t'), i + 2, nil
		}
	}
	r, ok := d.unit(i)
	if !ok {
		return nil, 0, d.failAt(i, "invalid escape")
	}
	i += 6
	if utf16.IsSurrogate(r) {
		if low, ok := d.unit(i); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return utf8.AppendRune(out, pair), i + 6, nil
			}
		}
		return append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F)), i, nil
	}
	return utf8.AppendRune(out, r), i, nil
}

// unit reads \uXXXX at i.
func (d *decoder) unit(i int) (r rune, ok bool) {
	if len(d.src)-i < 6 || d.src[i] != '\\' || d.src[i+1] != 'u' {
		return 0, false
	}
	for _, c := range d.src[i+2 : i+6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			r = r<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return r, true
}
