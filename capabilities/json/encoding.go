package json

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
)

// decodeText decodes bytes as json.loads does: by a byte order mark, else by where the zero bytes are, else as UTF-8.
// Lone surrogates pass, as with the error handler "surrogatepass".
func decodeText(b []byte) (string, error) {
	switch {
	case bytes.HasPrefix(b, []byte{0, 0, 0xFE, 0xFF}):
		return decodeUTF32(b[4:], binary.BigEndian, "utf-32")
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE, 0, 0}):
		return decodeUTF32(b[4:], binary.LittleEndian, "utf-32")
	case bytes.HasPrefix(b, []byte{0xFE, 0xFF}):
		return decodeUTF16(b[2:], binary.BigEndian, "utf-16")
	case bytes.HasPrefix(b, []byte{0xFF, 0xFE}):
		return decodeUTF16(b[2:], binary.LittleEndian, "utf-16")
	case bytes.HasPrefix(b, []byte("\ufeff")):
		return decodeUTF8(b[3:])
	case len(b) >= 4 && b[0] == 0 && b[1] == 0:
		return decodeUTF32(b, binary.BigEndian, "utf-32-be")
	case len(b) >= 4 && b[0] == 0, len(b) == 2 && b[0] == 0:
		return decodeUTF16(b, binary.BigEndian, "utf-16-be")
	case len(b) >= 4 && b[1] == 0 && b[2] == 0 && b[3] == 0:
		return decodeUTF32(b, binary.LittleEndian, "utf-32-le")
	case len(b) >= 4 && b[1] == 0, len(b) == 2 && b[1] == 0:
		return decodeUTF16(b, binary.LittleEndian, "utf-16-le")
	}
	return decodeUTF8(b)
}

func decodeUTF8(b []byte) (string, error) {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			i++
			continue
		}
		if _, n := utf8.DecodeRune(b[i:]); n > 1 {
			i += n
			continue
		}
		if len(b)-i >= 3 && b[i] == 0xED && b[i+1]&0xE0 == 0xA0 && b[i+2]&0xC0 == 0x80 {
			i += 3 // a surrogate
			continue
		}
		return "", invalidUTF8(b, i)
	}
	return string(b), nil
}

// invalidUTF8 tells what CPython's decoder says of the malformed sequence at i.
func invalidUTF8(b []byte, i int) error {
	need, low, high := 0, byte(0x80), byte(0xBF) // how many bytes follow, and the bounds of the first of them
	switch c := b[i]; {
	case 0xC2 <= c && c <= 0xDF:
		need = 1
	case 0xE0 <= c && c <= 0xEF:
		need = 2
		if c == 0xE0 {
			low = 0xA0
		}
		if c == 0xED {
			high = 0x9F
		}
	case 0xF0 <= c && c <= 0xF4:
		need = 3
		if c == 0xF0 {
			low = 0x90
		}
		if c == 0xF4 {
			high = 0x8F
		}
	default:
		return unicodeError("utf-8", b, i, i, "invalid start byte")
	}
	good := 0
	for good < need && i+1+good < len(b) && low <= b[i+1+good] && b[i+1+good] <= high {
		good++
		low, high = 0x80, 0xBF
	}
	reason := "invalid continuation byte"
	if i+1+good == len(b) {
		reason = "unexpected end of data"
	}
	return unicodeError("utf-8", b, i, i+good, reason)
}

// unicodeError has the text of a UnicodeDecodeError, whose constructor wants more than a message, as its base class.
func unicodeError(codec string, b []byte, first, last int, reason string) error {
	if first == last {
		return capabilities.Raise("ValueError", "'%s' codec can't decode byte 0x%02x in position %d: %s", codec, b[first], first, reason)
	}
	return capabilities.Raise("ValueError", "'%s' codec can't decode bytes in position %d-%d: %s", codec, first, last, reason)
}

func decodeUTF16(b []byte, order binary.ByteOrder, codec string) (string, error) {
	out := make([]byte, 0, len(b)/2+8)
	i := 0
	for ; i+2 <= len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		switch {
		case !utf16.IsSurrogate(r):
			out = utf8.AppendRune(out, r)
		case i+4 <= len(b) && utf16.DecodeRune(r, rune(order.Uint16(b[i+2:]))) != utf8.RuneError:
			out = utf8.AppendRune(out, utf16.DecodeRune(r, rune(order.Uint16(b[i+2:]))))
			i += 2
		default:
			out = appendSurrogate(out, r)
		}
	}
	if i < len(b) {
		return "", unicodeError(codec, b, i, i, "truncated data")
	}
	return string(out), nil
}

func decodeUTF32(b []byte, order binary.ByteOrder, codec string) (string, error) {
	out := make([]byte, 0, len(b)/4+8)
	i := 0
	for ; i+4 <= len(b); i += 4 {
		switch r := order.Uint32(b[i:]); {
		case r > utf8.MaxRune:
			return "", unicodeError(codec, b, i, i+3, "code point not in range(0x110000)")
		case utf16.IsSurrogate(rune(r)):
			out = appendSurrogate(out, rune(r))
		default:
			out = utf8.AppendRune(out, rune(r))
		}
	}
	if i < len(b) {
		return "", unicodeError(codec, b, i, len(b)-1, "truncated data")
	}
	return string(out), nil
}
