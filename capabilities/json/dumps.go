package json

import (
	"context"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

func dumps(ctx context.Context, args capabilities.Arguments) (any, error) {
	if err := refuseFunctions("dumps", args, "cls", "default"); err != nil {
		return nil, err
	}
	w := writer{
		ctx:       ctx,
		skipKeys:  truth(args.Get("skipkeys")),
		ascii:     truth(args.Get("ensure_ascii")),
		allowNaN:  truth(args.Get("allow_nan")),
		sortKeys:  truth(args.Get("sort_keys")),
		separator: ", ",
		colon:     ": ",
	}
	if err := w.setIndent(args.Get("indent")); err != nil {
		return nil, err
	}
	if err := w.setSeparators(args.Get("separators")); err != nil {
		return nil, err
	}
	if err := w.value(args.Get("obj"), 0); err != nil {
		return nil, err
	}
	if err := w.room(0); err != nil {
		return nil, err
	}
	return string(w.out), nil
}

type writer struct {
	ctx              context.Context
	skipKeys         bool
	ascii            bool
	allowNaN         bool
	sortKeys         bool
	indented         bool
	indent           string
	separator, colon string
	out              []byte
	steps            int
}

var errOutput = &capabilities.PythonError{Type: "MemoryError", Message: "dumps(): the text is longer than " + strconv.Itoa(MaxOutput) + " bytes"}

// setIndent takes None, a str, or an int that counts spaces; a bool is an int, and a negative int is 0.
func (w *writer) setIndent(indent any) error {
	w.indented = indent != nil
	if w.indented {
		w.separator = ","
	}
	spaces := int64(0)
	switch v := indent.(type) {
	case nil:
	case string:
		w.indent = v
	case bool:
		if v {
			spaces = 1
		}
	case int64:
		spaces = v
	case *big.Int:
		if v.Sign() > 0 {
			return errOutput
		}
	default:
		return capabilities.Raise("TypeError", "can't multiply sequence by non-int of type '%s'", values.TypeName(v))
	}
	if spaces > MaxOutput {
		return errOutput
	}
	if spaces > 0 {
		w.indent = strings.Repeat(" ", int(spaces))
	}
	return nil
}

// setSeparators unpacks what Python would: two items of a tuple, a list, or a str.
func (w *writer) setSeparators(separators any) error {
	var items []any
	switch v := separators.(type) {
	case nil:
		return nil
	case values.Tuple:
		items = v
	case values.List:
		items = v
	case string:
		for _, c := range v {
			if items = append(items, string(c)); len(items) > 2 {
				break
			}
		}
	default:
		return capabilities.Raise("TypeError", "cannot unpack non-iterable %s object", values.TypeName(v))
	}
	if len(items) < 2 {
		return capabilities.Raise("ValueError", "not enough values to unpack (expected 2, got %d)", len(items))
	}
	if len(items) > 2 {
		return capabilities.Raise("ValueError", "too many values to unpack (expected 2)")
	}
	var ok bool
	if w.colon, ok = items[1].(string); !ok {
		return capabilities.Raise("TypeError", "make_encoder() argument 5 must be str, not %s", argumentType(items[1]))
	}
	if w.separator, ok = items[0].(string); !ok {
		return capabilities.Raise("TypeError", "make_encoder() argument 6 must be str, not %s", argumentType(items[0]))
	}
	return nil
}

// argumentType names a type as CPython's argument parser does.
func argumentType(v any) string {
	if v == nil {
		return "None"
	}
	return values.TypeName(v)
}

// room refuses n more bytes beyond MaxOutput.
func (w *writer) room(n int) error {
	if n > MaxOutput-len(w.out) {
		return errOutput
	}
	return nil
}

func (w *writer) puts(s string) error {
	if err := w.room(len(s)); err != nil {
		return err
	}
	w.out = append(w.out, s...)
	return nil
}

func (w *writer) newline(depth int) error {
	if !w.indented {
		return nil
	}
	if len(w.indent) > 0 && depth > MaxOutput/len(w.indent) {
		return errOutput
	}
	if err := w.room(1 + depth*len(w.indent)); err != nil {
		return err
	}
	w.out = append(w.out, '\n')
	for range depth {
		w.out = append(w.out, w.indent...)
	}
	return nil
}

func (w *writer) value(v any, depth int) error {
	if w.steps++; w.steps%1024 == 0 {
		if err := w.ctx.Err(); err != nil {
			return err
		}
	}
	switch v := v.(type) {
	case values.List:
		return w.list(v, depth)
	case values.Tuple:
		return w.list(v, depth)
	case *values.Dict:
		return w.dict(v, depth)
	case string:
		return w.text(v)
	}
	text, ok, err := w.scalar(v)
	if err != nil {
		return err
	}
	if !ok {
		return capabilities.Raise("TypeError", "Object of type %s is not JSON serializable", values.TypeName(v))
	}
	return w.puts(text)
}

// scalar gives the text of a value that is a number or a constant; ok is false for others.
func (w *writer) scalar(v any) (text string, ok bool, err error) {
	switch v := v.(type) {
	case nil:
		return "null", true, nil
	case bool:
		return strconv.FormatBool(v), true, nil
	case int64:
		return strconv.FormatInt(v, 10), true, nil
	case *big.Int:
		text, err := intText(v)
		return text, true, err
	case float64:
		text, err := w.floatText(v)
		return text, true, err
	}
	return "", false, nil
}

// intText is int.__repr__, with its limit.
func intText(n *big.Int) (string, error) {
	const bitsOfMost = 14285 // of 10^4300: beyond it there is no need to convert
	text := ""
	if n.BitLen() <= bitsOfMost {
		text = n.String()
	}
	if text == "" || len(strings.TrimPrefix(text, "-")) > maxIntDigits {
		return "", capabilities.Raise("ValueError", "Exceeds the limit (%d digits) for integer string conversion; "+
			"use sys.set_int_max_str_digits() to increase the limit", maxIntDigits)
	}
	return text, nil
}

func (w *writer) floatText(f float64) (string, error) {
	finite := !math.IsNaN(f) && !math.IsInf(f, 0)
	repr := string(values.AppendFloat(nil, f))
	switch {
	case finite:
		return repr, nil
	case !w.allowNaN:
		return "", capabilities.Raise("ValueError", "Out of range float values are not JSON compliant: %s", repr)
	case f != f:
		return "NaN", nil
	case f < 0:
		return "-Infinity", nil
	}
	return "Infinity", nil
}

func (w *writer) list(list []any, depth int) error {
	if len(list) == 0 {
		return w.puts("[]")
	}
	w.out = append(w.out, '[')
	for i, v := range list {
		if i > 0 {
			if err := w.puts(w.separator); err != nil {
				return err
			}
		}
		if err := w.newline(depth + 1); err != nil {
			return err
		}
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	if err := w.newline(depth); err != nil {
		return err
	}
	return w.puts("]")
}

func (w *writer) dict(d *values.Dict, depth int) error {
	if d.Len() == 0 {
		return w.puts("{}")
	}
	members := membersOf(d)
	if w.sortKeys {
		if err := sortMembers(members); err != nil {
			return err
		}
	}
	w.out = append(w.out, '{')
	first := true
	for _, m := range members {
		key, skip, err := w.key(m.key)
		if err != nil {
			return err
		}
		if skip {
			continue
		}
		if !first {
			if err := w.puts(w.separator); err != nil {
				return err
			}
		}
		first = false
		if err := w.newline(depth + 1); err != nil {
			return err
		}
		if err := w.text(key); err != nil {
			return err
		}
		if err := w.puts(w.colon); err != nil {
			return err
		}
		if err := w.value(m.value, depth+1); err != nil {
			return err
		}
	}
	if !first {
		if err := w.newline(depth); err != nil {
			return err
		}
	}
	return w.puts("}")
}

// key gives the text of a dict's key.
func (w *writer) key(key any) (text string, skip bool, err error) {
	if s, ok := key.(string); ok {
		return s, false, nil
	}
	text, ok, err := w.scalar(key)
	switch {
	case err != nil:
		return "", false, err
	case ok:
		return text, false, nil
	case w.skipKeys:
		return "", true, nil
	}
	return "", false, capabilities.Raise("TypeError", "keys must be str, int, float, bool or None, not %s", values.QualifiedTypeName(key))
}

// text writes a JSON string.
func (w *writer) text(s string) error {
	if err := w.room(len(s) + 2); err != nil {
		return err
	}
	w.out = append(w.out, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c >= utf8.RuneSelf && !w.ascii:
			w.out = append(w.out, c)
			i++
			continue
		case c >= utf8.RuneSelf:
			r, n := utf8.DecodeRuneInString(s[i:])
			if n == 1 && len(s)-i >= 3 { // WTF-8 of a surrogate, which is all that is not UTF-8
				r, n = 0xD000|rune(s[i+1]&0x3F)<<6|rune(s[i+2]&0x3F), 3
			}
			w.escape(r)
			i += n
			continue
		case c == '"' || c == '\\':
			w.out = append(w.out, '\\', c)
		case c < ' ' || c == 0x7F && w.ascii:
			if at := strings.IndexByte("\b\f\n\r\t", c); at >= 0 {
				w.out = append(w.out, '\\', "bfnrt"[at])
			} else {
				w.escape(rune(c))
			}
		default:
			w.out = append(w.out, c)
		}
		i++
	}
	w.out = append(w.out, '"')
	return w.room(0) // a string grows by escapes to six times its length at most
}

// escape writes \uXXXX, a pair of them for a character beyond U+FFFF.
func (w *writer) escape(r rune) {
	const hex = "0123456789abcdef"
	if r > 0xFFFF {
		r -= 0x10000
		w.escape(0xD800 + r>>10)
		r = 0xDC00 + r&0x3FF
	}
	w.out = append(w.out, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
}
