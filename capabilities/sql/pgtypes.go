package sql

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgtype"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// pgValue gives a value of the server, which is in its text format. What Python has no type for stays text: uuid, interval, ranges,
// infinite and BC dates.
func pgValue(types *pgtype.Map, oid uint32, raw []byte) (any, error) {
	if raw == nil {
		return nil, nil
	}
	text := string(raw)
	switch oid {
	case pgtype.BoolOID:
		return text == "t", nil
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			return n, nil
		}
	case pgtype.Float4OID, pgtype.Float8OID:
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f, nil
		}
	case pgtype.NumericOID:
		return values.Decimal(text), nil
	case pgtype.ByteaOID:
		if b, err := hex.DecodeString(strings.TrimPrefix(text, `\x`)); err == nil {
			return values.Bytes(b), nil
		}
	case pgtype.DateOID:
		if shown(values.Date(text)) {
			return values.Date(text), nil
		}
	case pgtype.TimeOID:
		if t := values.Time(micros(text)); shown(t) {
			return t, nil
		}
	case pgtype.TimestampOID, pgtype.TimestamptzOID:
		if d := (values.DateTime{ISO: isoDateTime(text)}); shown(d) {
			return d, nil
		}
	case pgtype.JSONOID, pgtype.JSONBOID:
		return jsonValue(raw)
	default:
		if t, ok := types.TypeForOID(oid); ok {
			if array, ok := t.Codec.(*pgtype.ArrayCodec); ok {
				return pgArray(types, array.ElementType.OID, raw)
			}
		}
	}
	return clean(raw), nil
}

// shown reports whether Python has the value.
func shown(v any) bool {
	_, err := values.Append(nil, v, math.MaxInt32)
	return err == nil
}

// micros gives a time's fraction the six digits that Python writes.
func micros(clock string) string {
	if whole, fraction, ok := strings.Cut(clock, "."); ok && len(fraction) < 6 {
		return whole + "." + fraction + strings.Repeat("0", 6-len(fraction))
	}
	return clock
}

// isoDateTime gives "2025-01-31 12:00:00.5+00" as Python writes it.
func isoDateTime(text string) string {
	day, clock, ok := strings.Cut(text, " ")
	if !ok {
		return text
	}
	offset := ""
	if i := strings.IndexAny(clock, "+-"); i >= 0 {
		clock, offset = clock[:i], clock[i:]
		if len(offset) == len("+00") {
			offset += ":00"
		}
	}
	return day + "T" + micros(clock) + offset
}

// jsonValue reads JSON as Python's json does: ints of any size, floats otherwise.
func jsonValue(raw []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	v, err := jsonNext(d, 0)
	if err != nil {
		return nil, capabilities.Raise("sql.Error", "a JSON value cannot be read in Python: select it as text (::text)")
	}
	return v, nil
}

func jsonNext(d *json.Decoder, depth int) (any, error) {
	token, err := d.Token()
	if err != nil || depth > 150 {
		return nil, errors.Join(err, io.ErrUnexpectedEOF)
	}
	switch t := token.(type) {
	case json.Number:
		if n, ok := new(big.Int).SetString(t.String(), 10); ok && len(t) < 4300 {
			if n.IsInt64() {
				return n.Int64(), nil
			}
			return n, nil
		}
		f, _ := strconv.ParseFloat(t.String(), 64)
		return f, nil
	case json.Delim:
		if t == '[' {
			list := values.List{}
			for d.More() {
				v, err := jsonNext(d, depth+1)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := d.Token()
			return list, err
		}
		dict := values.NewDict(0)
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := jsonNext(d, depth+1)
			if err != nil {
				return nil, err
			}
			dict.SetString(key.(string), v)
		}
		_, err := d.Token()
		return dict, err
	}
	return token, nil
}

// pgArray reads an array's text, "{1,NULL,{…}}", as lists.
func pgArray(types *pgtype.Map, element uint32, raw []byte) (any, error) {
	if i := bytes.IndexByte(raw, '='); len(raw) > 0 && raw[0] == '[' && i > 0 {
		raw = raw[i+1:] // "[0:1]={…}": bounds that Python's lists do not have
	}
	a := arrayReader{types: types, element: element, text: raw}
	v, err := a.list(0)
	if err != nil || len(a.text) > 0 {
		return clean(raw), nil
	}
	return v, nil
}

type arrayReader struct {
	types   *pgtype.Map
	element uint32
	text    []byte
}

var errArray = errors.New("sql: not an array")

func (a *arrayReader) list(depth int) (values.List, error) {
	if len(a.text) == 0 || a.text[0] != '{' || depth > 6 {
		return nil, errArray
	}
	a.text = a.text[1:]
	list := values.List{}
	for len(a.text) > 0 {
		switch c := a.text[0]; {
		case c == '}':
			a.text = a.text[1:]
			return list, nil
		case c == ',':
			a.text = a.text[1:]
		case c == '{':
			inner, err := a.list(depth + 1)
			if err != nil {
				return nil, err
			}
			list = append(list, inner)
		default:
			v, err := a.item()
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
	}
	return nil, errArray
}

func (a *arrayReader) item() (any, error) {
	if a.text[0] != '"' {
		end := bytes.IndexAny(a.text, ",}")
		if end < 0 {
			return nil, errArray
		}
		raw := a.text[:end]
		a.text = a.text[end:]
		if string(raw) == "NULL" {
			return nil, nil
		}
		return pgValue(a.types, a.element, raw)
	}
	raw := []byte{}
	for i := 1; i < len(a.text); i++ {
		switch c := a.text[i]; c {
		case '"':
			a.text = a.text[i+1:]
			return pgValue(a.types, a.element, raw)
		case '\\':
			if i++; i == len(a.text) {
				return nil, errArray
			}
			raw = append(raw, a.text[i])
		default:
			raw = append(raw, c)
		}
	}
	return nil, errArray
}

// pgParam gives a parameter in the server's text format; nil is NULL. The server checks that it fits the type.
func pgParam(v any, oid uint32, place int) ([]byte, error) {
	if v == nil {
		return nil, nil
	}
	if oid == pgtype.JSONOID || oid == pgtype.JSONBOID {
		switch v.(type) {
		case values.List, *values.Dict:
			return jsonParam(v, place)
		}
	}
	text, err := pgText(v, place, 0)
	return []byte(text), err
}

// jsonParam gives JSON of lists and dicts. The guest's encoding is JSON as long as it has no tags.
func jsonParam(v any, place int) ([]byte, error) {
	if !plain(v) {
		return nil, capabilities.Raise("TypeError", "parameter %d has a value that JSON has not: use json.dumps", place)
	}
	encoded, err := values.Append(nil, v, 8*mib)
	if err != nil {
		return nil, capabilities.Raise("ValueError", "parameter %d cannot be sent: %s", place, strings.TrimPrefix(err.Error(), "values: "))
	}
	return encoded, nil
}

// plain reports whether a value's encoding is JSON without tags.
func plain(v any) bool {
	switch v := v.(type) {
	case nil, bool, string:
		return true
	case int64:
		return -1<<53 < v && v < 1<<53
	case float64:
		return !math.IsNaN(v) && !math.IsInf(v, 0)
	case values.List:
		return !slices.ContainsFunc(v, func(item any) bool { return !plain(item) })
	case *values.Dict:
		first := true
		for key, item := range v.All() {
			name, ok := key.(string)
			if !ok || first && strings.HasPrefix(name, "$") || !plain(item) {
				return false
			}
			first = false
		}
		return true
	}
	return false
}

func pgText(v any, place, depth int) (string, error) {
	switch v := v.(type) {
	case bool:
		return strconv.FormatBool(v), nil
	case int64:
		return strconv.FormatInt(v, 10), nil
	case *big.Int:
		return v.String(), nil
	case float64:
		switch {
		case math.IsInf(v, 1):
			return "Infinity", nil
		case math.IsInf(v, -1):
			return "-Infinity", nil
		}
		return strconv.FormatFloat(v, 'g', -1, 64), nil
	case string:
		if !utf8.ValidString(v) || strings.ContainsRune(v, 0) {
			return "", capabilities.Raise("ValueError", "parameter %d is not Unicode text, or has a NUL", place)
		}
		return v, nil
	case values.Bytes:
		return `\x` + hex.EncodeToString(v), nil
	case values.ByteArray:
		return `\x` + hex.EncodeToString(v), nil
	case values.Decimal:
		return string(v), nil
	case values.DateTime:
		return v.ISO, nil
	case values.Date:
		return string(v), nil
	case values.Time:
		return string(v), nil
	case values.TimeDelta:
		return strconv.Itoa(v.Days) + " days " + strconv.Itoa(v.Seconds) + " seconds " + strconv.Itoa(v.Microseconds) + " microseconds", nil
	case values.List:
		return arrayParam(v, place, depth)
	case values.Tuple:
		return arrayParam(v, place, depth)
	}
	return "", capabilities.Raise("TypeError", "parameter %d is or has %s, which PostgreSQL gets in no form", place, values.TypeName(v))
}

func arrayParam(items []any, place, depth int) (string, error) {
	if depth > 6 {
		return "", capabilities.Raise("ValueError", "parameter %d is nested too deeply for an array", place)
	}
	parts := make([]string, len(items))
	for i, item := range items {
		if item == nil {
			parts[i] = "NULL"
			continue
		}
		text, err := pgText(item, place, depth+1)
		if err != nil {
			return "", err
		}
		switch item.(type) {
		case values.List, values.Tuple:
			parts[i] = text
		default:
			parts[i] = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
		}
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}
