package json

import (
	"context"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// maxDocument is how much of the document an error carries as its attribute doc, in bytes.
const maxDocument = 64 << 10

// maxIntDigits is CPython's default limit for conversions between int and str.
const maxIntDigits = 4300

func loads(ctx context.Context, args capabilities.Arguments) (any, error) {
	if err := refuseFunctions("loads", args, "cls", "object_hook", "parse_int", "parse_constant", "object_pairs_hook"); err != nil {
		return nil, err
	}
	p := parser{ctx: ctx, strict: truth(args.Get("strict"))}
	switch v := args.Get("parse_float").(type) {
	case nil:
	case values.Repr:
		// The class itself cannot cross, but its name does, and what it makes can.
		p.decimals = v.Text == "<class 'decimal.Decimal'>"
		if !p.decimals && v.Text != "<class 'float'>" {
			return nil, refuseFunctions("loads", args, "parse_float")
		}
	default:
		return nil, refuseFunctions("loads", args, "parse_float")
	}
	var err error
	switch s := args.Get("s").(type) {
	case string:
		p.src = s
		if strings.HasPrefix(s, "\ufeff") {
			return nil, p.fail("Unexpected UTF-8 BOM (decode using utf-8-sig)", 0)
		}
	case values.Bytes:
		p.src, err = decodeText(s)
	case values.ByteArray:
		p.src, err = decodeText(s)
	default:
		err = capabilities.Raise("TypeError", "the JSON object must be str, bytes or bytearray, not %s", values.TypeName(s))
	}
	if err != nil {
		return nil, err
	}
	return p.document()
}

// parser follows CPython's scanner (Modules/_json.c) step by step, so that errors are at the same places.
// Positions are bytes of WTF-8; fail makes characters of them.
type parser struct {
	ctx      context.Context
	src      string
	strict   bool // refuse control characters in strings
	decimals bool // floats become Decimal
	pos      int
	depth    int
	steps    int
}

// fail makes a JSONDecodeError at a place given in bytes.
func (p *parser) fail(message string, at int) error {
	at = min(at, len(p.src))
	before := p.src[:at]
	pos := characters(before)
	line := strings.Count(before, "\n") + 1
	column := characters(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	doc := p.src
	if len(doc) > maxDocument {
		doc = doc[:maxDocument]
		for len(doc) > 0 && p.src[len(doc)]&0xC0 == 0x80 { // not inside a character
			doc = doc[:len(doc)-1]
		}
	}
	return &capabilities.PythonError{
		Type:    "json.JSONDecodeError",
		Message: fmt.Sprintf("%s: line %d column %d (char %d)", message, line, column, pos),
		Attributes: map[string]any{
			"msg": message, "doc": doc, "pos": pos, "lineno": line, "colno": column,
		},
	}
}

// characters counts the characters of WTF-8.
func characters(s string) (n int) {
	for i := range len(s) {
		if s[i]&0xC0 != 0x80 {
			n++
		}
	}
	return n
}

func (p *parser) document() (any, error) {
	p.space()
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.space(); p.pos < len(p.src) {
		return nil, p.fail("Extra data", p.pos)
	}
	return v, nil
}

func (p *parser) space() {
	for p.pos < len(p.src) {
		switch p.src[p.pos] {
		case ' ', '\t', '\n', '\r':
			p.pos++
		default:
			return
		}
	}
}

// next reports whether c is the next byte.
func (p *parser) next(c byte) bool { return p.pos < len(p.src) && p.src[p.pos] == c }

var words = []struct {
	text  string
	value any
}{
	{"null", nil}, {"true", true}, {"false", false},
	{"NaN", math.NaN()}, {"Infinity", math.Inf(1)}, {"-Infinity", math.Inf(-1)},
}

func (p *parser) value() (any, error) {
	if p.steps++; p.steps%1024 == 0 {
		if err := p.ctx.Err(); err != nil {
			return nil, err
		}
	}
	if p.pos >= len(p.src) {
		return nil, p.fail("Expecting value", p.pos)
	}
	switch c := p.src[p.pos]; {
	case c == '"':
		return p.text()
	case c == '{':
		return p.nested(p.object)
	case c == '[':
		return p.nested(p.array)
	case '0' <= c && c <= '9':
		return p.number()
	}
	rest := p.src[p.pos:]
	for _, w := range words {
		if strings.HasPrefix(rest, w.text) {
			p.pos += len(w.text)
			return w.value, nil
		}
	}
	return p.number()
}

func (p *parser) nested(read func() (any, error)) (any, error) {
	if p.depth++; p.depth > values.MaxDepth {
		return nil, capabilities.Raise("RecursionError", "loads(): the document is nested deeper than %d, which is as deep as a value from the host can be",
			values.MaxDepth)
	}
	v, err := read()
	p.depth--
	return v, err
}

func (p *parser) array() (any, error) {
	p.pos++
	list := values.List{}
	p.space()
	if p.next(']') {
		p.pos++
		return list, nil
	}
	for {
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if more, err := p.more(']', "array"); !more {
			return list, err
		}
	}
}

func (p *parser) object() (any, error) {
	p.pos++
	dict := new(values.Dict)
	p.space()
	if p.next('}') {
		p.pos++
		return dict, nil
	}
	for {
		if !p.next('"') {
			return nil, p.fail("Expecting property name enclosed in double quotes", p.pos)
		}
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		p.space()
		if !p.next(':') {
			return nil, p.fail("Expecting ':' delimiter", p.pos)
		}
		p.pos++
		p.space()
		v, err := p.value()
		if err != nil {
			return nil, err
		}
		dict.SetString(key, v)
		if more, err := p.more('}', "object"); !more {
			return dict, err
		}
	}
}

// more reads what follows a member: a comma and space, or the end.
func (p *parser) more(end byte, what string) (bool, error) {
	p.space()
	if p.next(end) {
		p.pos++
		return false, nil
	}
	if !p.next(',') {
		return false, p.fail("Expecting ',' delimiter", p.pos)
	}
	comma := p.pos
	p.pos++
	p.space()
	if p.next(end) {
		return false, p.fail("Illegal trailing comma before end of "+what, comma)
	}
	return true, nil
}

// number reads as much as is a number; what follows is for the caller to find wrong: "1.x" is 1 and extra data.
func (p *parser) number() (any, error) {
	start, i := p.pos, p.pos
	if p.next('-') {
		i++
	}
	whole := i
	i += digits(p.src[i:])
	switch {
	case i == whole:
		return nil, p.fail("Expecting value", start)
	case p.src[whole] == '0':
		i = whole + 1
	}
	isFloat := false
	if strings.HasPrefix(p.src[i:], ".") && digits(p.src[i+1:]) > 0 {
		isFloat = true
		i += 1 + digits(p.src[i+1:])
	}
	if e := i; e < len(p.src) && p.src[e]|0x20 == 'e' {
		e++
		if e < len(p.src) && (p.src[e] == '+' || p.src[e] == '-') {
			e++
		}
		if n := digits(p.src[e:]); n > 0 {
			isFloat = true
			i = e + n
		}
	}
	p.pos = i
	token := p.src[start:i]
	if isFloat {
		return p.float(token)
	}
	if n := i - whole; n > maxIntDigits {
		return nil, capabilities.Raise("ValueError", "Exceeds the limit (%d digits) for integer string conversion: value has %d digits; "+
			"use sys.set_int_max_str_digits() to increase the limit", maxIntDigits, n)
	}
	if n, err := strconv.ParseInt(token, 10, 64); err == nil {
		return n, nil
	}
	n, _ := new(big.Int).SetString(token, 10)
	return n, nil
}

func (p *parser) float(token string) (any, error) {
	if p.decimals {
		return decimalOf(token), nil
	}
	f, _ := strconv.ParseFloat(token, 64) // the only error left is overflow, for which it gives an infinity, as Python
	return f, nil
}

func digits(s string) int {
	i := 0
	for i < len(s) && '0' <= s[i] && s[i] <= '9' {
		i++
	}
	return i
}

// text reads a string.
func (p *parser) text() (string, error) {
	begin := p.pos
	start := begin + 1 // of what is not copied yet
	var out []byte
	for i := start; i < len(p.src); {
		switch c := p.src[i]; {
		case c == '"':
			p.pos = i + 1
			if out == nil {
				return p.src[start:i], nil
			}
			return string(append(out, p.src[start:i]...)), nil
		case c == '\\':
			out = append(out, p.src[start:i]...)
			if i+1 == len(p.src) {
				return "", p.fail("Unterminated string starting at", begin)
			}
			var err error
			if out, i, err = p.escape(out, i); err != nil {
				return "", err
			}
			start = i
		case c < 0x20 && p.strict:
			return "", p.fail("Invalid control character at", i)
		default:
			i++
		}
	}
	return "", p.fail("Unterminated string starting at", begin)
}

const (
	escapes    = `"\/bfnrt`
	escapeMean = "\"\\/\b\f\n\r\t"
)

// escape reads the escape at i and gives the place after it.
func (p *parser) escape(out []byte, i int) ([]byte, int, error) {
	c := p.src[i+1]
	if c != 'u' {
		at := strings.IndexByte(escapes, c)
		if at < 0 {
			return nil, 0, p.fail(`Invalid \escape`, i)
		}
		return append(out, escapeMean[at]), i + 2, nil
	}
	r, ok := p.unit(i)
	if !ok {
		return nil, 0, p.fail(`Invalid \uXXXX escape`, i+1)
	}
	i += 6
	if utf16.IsSurrogate(r) {
		if r < 0xDC00 && len(p.src)-i > 6 && p.src[i:i+2] == `\u` {
			low, ok := p.unit(i)
			if !ok {
				return nil, 0, p.fail(`Invalid \uXXXX escape`, i+1)
			}
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return utf8.AppendRune(out, pair), i + 6, nil
			}
		}
		return appendSurrogate(out, r), i, nil
	}
	return utf8.AppendRune(out, r), i, nil
}

// unit reads \uXXXX at i, which CPython takes for malformed when the document ends right after it.
func (p *parser) unit(i int) (r rune, ok bool) {
	if len(p.src)-i < 7 {
		return 0, false
	}
	for _, c := range []byte(p.src[i+2 : i+6]) {
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

// appendSurrogate appends the WTF-8 of a lone surrogate.
func appendSurrogate(out []byte, r rune) []byte {
	return append(out, 0xE0|byte(r>>12), 0x80|byte(r>>6&0x3F), 0x80|byte(r&0x3F))
}
