package schema

import (
	"context"
	"encoding/base64"
	"errors"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

// Input makes the bytes that the tool gets of the arguments of a call, which Bind of the function's signature has bound: the members of an
// object that were given, as JSON; or the one argument as JSON, as its own UTF-8, or its own bytes, as the schema says.
//
// In JSON a tuple is an array; bytes are base64 where the schema says buffer, dates and times their isoformat where it says string, a Decimal its
// digits where it says number. Sets, complex numbers, what is not finite, and what the schema does not permit give a
// *capabilities.PythonError, a TypeError or a ValueError that names the parameter, as does an input of more than limit bytes. If ctx ends before the input is
// made, the error is ctx's.
func (f *Function) Input(ctx context.Context, args capabilities.Arguments, limit int) ([]byte, error) {
	e := encoder{budget: budget{ctx: ctx}, limit: limit}
	var wrong *mismatch
	name := ""
	switch {
	case f.input == nil:
		return nil, nil
	case f.fields != nil || f.rest >= 0:
		name, wrong = e.arguments(f, args)
	case !args.Given(0):
		return nil, nil
	default:
		name = valueParameter(f.input)
		wrong = e.whole(args.At(0), f.input)
	}
	switch {
	case wrong == nil:
		return e.dst, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case e.spent:
		wrong = tooMuch()
	}
	wrong.said()
	return nil, capabilities.Raise(wrong.class, "%s%s %s", name, wrong.path(), wrong.text)
}

// An encoder writes plain JSON.
type encoder struct {
	budget
	dst   []byte
	limit int
}

// arguments writes the object of the arguments that were given.
func (e *encoder) arguments(f *Function, args capabilities.Arguments) (name string, wrong *mismatch) {
	e.dst = append(e.dst, '{')
	comma := ""
	write := func(key, name string, v any, s *shape) *mismatch {
		e.dst = append(e.dst, comma...)
		comma = ","
		if m := e.text(key); m != nil {
			return m
		}
		e.dst = append(e.dst, ':')
		return e.value(v, s, 1, 0)
	}
	for i, field := range f.fields {
		if !args.Given(i) {
			continue
		}
		if m := write(field.original, field.name, args.At(i), field.shape); m != nil {
			return field.name, m
		}
	}
	if f.rest >= 0 {
		more, _ := args.At(f.rest).(*values.Dict)
		var seen alike
		for k, v := range more.All() {
			key, _ := k.(string)
			if m := seen.field(key, f); m != nil {
				return show(key), m
			}
			if m := write(key, key, v, f.more); m != nil {
				return show(key), m
			}
		}
	}
	e.dst = append(e.dst, '}')
	return "", e.room(0)
}

// whole writes an input that is one value.
func (e *encoder) whole(v any, p *payload) *mismatch {
	switch p.format {
	case asText:
		s, ok := v.(string)
		if !ok {
			return mustBe("str", v)
		}
		if m := checkText16(s); m != nil {
			return m
		}
		if m := e.room(len(s)); m != nil {
			return m
		}
		e.dst = append(e.dst, s...)
		to, _ := p.shape.only()
		return to.checkString(s)
	case asBytes:
		b, ok := bytesOf(v)
		if !ok {
			return mustBe("bytes", v)
		}
		if m := e.room(len(b)); m != nil {
			return m
		}
		e.dst = append(e.dst, b...)
		return nil
	}
	return e.value(v, p.shape, 0, 0)
}

func bytesOf(v any) ([]byte, bool) {
	switch v := v.(type) {
	case values.Bytes:
		return v, true
	case values.ByteArray:
		return v, true
	}
	return nil, false
}

// checkText16 refuses lone surrogates, which are in no UTF-8.
func checkText16(s string) *mismatch {
	if utf8.ValidString(s) {
		return nil
	}
	return &mismatch{class: "ValueError", text: "must be Unicode text, without lone surrogates"}
}

func mustBe(what string, v any) *mismatch {
	return &mismatch{class: "TypeError", text: "must be " + what + ", not " + values.TypeName(v)}
}

// mustBe is the mismatch of a value with all types that a schema permits.
func (s *shape) mustBe(v any) *mismatch {
	return &mismatch{class: "TypeError", say: func(m *mismatch) { m.text = mustBe(s.pythonWords(), v).text }}
}

// room refuses n more bytes when they are too many.
func (e *encoder) room(n int) *mismatch {
	if n > e.limit-len(e.dst) {
		return &mismatch{class: "ValueError", text: "makes the arguments larger than " + strconv.Itoa(e.limit) + " bytes"}
	}
	return nil
}

// value writes a value, at a depth of JSON, as a schema says. hops is how many references and alternatives led from the value here.
func (e *encoder) value(v any, s *shape, depth, hops int) *mismatch {
	if !e.spend(steps(v)) || hops > maxHops {
		return tooMuch()
	}
	if s == nil {
		s = anything()
	}
	s, nullable := s.resolved()
	if v == nil && nullable {
		e.dst = append(e.dst, "null"...)
		return e.room(0)
	}
	if d, ok := v.(*values.Dict); ok && hops == 0 {
		if m := e.distinct(d, s); m != nil {
			return m
		}
	}
	if s.union != nil {
		return e.either(v, s, depth, hops+1)
	}
	return e.plain(v, s, depth)
}

// either writes the value as the first alternative that permits it.
func (e *encoder) either(v any, s *shape, depth, hops int) *mismatch {
	start := len(e.dst)
	var tried attempts
	for _, u := range s.union {
		m := e.value(v, u, depth, hops)
		if m == nil {
			return nil
		}
		tried.add(u, m)
		e.dst = e.dst[:start]
		if e.spent {
			break
		}
	}
	if m := tried.only(); m != nil {
		return m
	}
	class := "ValueError"
	if tried.types {
		class = "TypeError"
	}
	return &mismatch{class: class, say: func(m *mismatch) { m.text = "must be " + cut(s.words(2), 200) + ", not " + show(v) }}
}

func (e *encoder) plain(v any, s *shape, depth int) *mismatch {
	wrong := func(kind kinds) *mismatch {
		if s.kinds&kind == 0 {
			return s.mustBe(v)
		}
		return nil
	}
	var m *mismatch
	switch v := v.(type) {
	case nil:
		if m = wrong(kNull); m == nil {
			if m = s.checkEnum(nil); m == nil {
				e.dst = append(e.dst, "null"...)
			}
		}
	case bool:
		if m = wrong(kBool); m == nil {
			if m = s.checkEnum(v); m == nil {
				e.dst = strconv.AppendBool(e.dst, v)
			}
		}
	case int64, *big.Int, float64:
		return e.number(v, s)
	case string:
		return e.string(v, s)
	case values.List:
		return e.list(v, v, s, depth)
	case values.Tuple:
		return e.list(v, v, s, depth)
	case *values.Dict:
		return e.dict(v, s, depth)
	default:
		return e.other(v, s)
	}
	if m != nil {
		return m
	}
	return e.room(0)
}

// pythonWords names what a schema permits by Python's types alone.
func (s *shape) pythonWords() string {
	if s.kinds == kAnyKind {
		return "a value that JSON has"
	}
	bare := *s
	bare.enum, bare.least, bare.most, bare.properties, bare.items, bare.additional = nil, nil, nil, nil, nil, nil
	return strings.ReplaceAll(bare.words(1), " | ", " or ")
}

func (e *encoder) number(v any, s *shape) *mismatch {
	kind := kInt | kFloat // an int is a number too
	f, isFloat := v.(float64)
	if isFloat {
		kind = kFloat
	}
	if s.kinds&kind == 0 {
		return s.mustBe(v)
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return &mismatch{class: "ValueError", text: "must be finite, not " + show(v)}
	}
	e.compare(v, s)
	if m := s.checkEnum(v); m != nil {
		return m
	}
	if m := s.checkNumber(v); m != nil {
		return m
	}
	switch v := v.(type) {
	case float64:
		e.dst = values.AppendFloat(e.dst, v)
	case int64:
		e.dst = strconv.AppendInt(e.dst, v, 10)
	case *big.Int:
		if v.BitLen() > maxBits {
			return &mismatch{class: "ValueError", text: "must have at most " + strconv.Itoa(maxDigits) + " digits"}
		}
		e.dst = v.Append(e.dst, 10)
	}
	return e.room(0)
}

func (e *encoder) string(v string, s *shape) *mismatch {
	switch {
	case s.kinds&kString == 0 || s.buffer && !s.bufferStr:
		return s.mustBe(v)
	case s.buffer:
		if _, err := base64.StdEncoding.DecodeString(v); err != nil {
			return &mismatch{class: "ValueError", text: "must be bytes, or a str of base64"}
		}
	}
	if m := s.checkString(v); m != nil {
		return m
	}
	return e.text(v)
}

// text writes a string, or a key.
func (e *encoder) text(s string) *mismatch {
	if m := checkText16(s); m != nil {
		return m
	}
	dst, err := values.Append(e.dst, s, max(e.limit-len(e.dst), 0))
	if err != nil {
		return e.room(math.MaxInt) // nothing else can be wrong with it
	}
	e.dst = dst
	return nil
}

// list writes the items of a list or tuple, which v is.
func (e *encoder) list(v any, items []any, s *shape, depth int) *mismatch {
	if s.kinds&kList == 0 {
		return s.mustBe(v)
	}
	if m := s.checkEnum(v); m != nil {
		return m
	}
	if m := s.checkLength(len(items), "items"); m != nil {
		return m
	}
	if m := deeper(&depth); m != nil {
		return m
	}
	e.dst = append(e.dst, '[')
	for i, item := range items {
		if i > 0 {
			e.dst = append(e.dst, ',')
		}
		if m := e.value(item, s.items, depth, 0); m != nil {
			return m.in(int64(i))
		}
	}
	e.dst = append(e.dst, ']')
	return e.room(0)
}

func deeper(depth *int) *mismatch {
	if *depth++; *depth > values.MaxDepth {
		return &mismatch{class: "ValueError", text: "is nested deeper than " + strconv.Itoa(values.MaxDepth)}
	}
	return nil
}

func (e *encoder) dict(v *values.Dict, s *shape, depth int) *mismatch {
	if s.kinds&kObject == 0 {
		return s.mustBe(v)
	}
	if m := s.checkEnum(v); m != nil {
		return m
	}
	if m := deeper(&depth); m != nil {
		return m
	}
	e.dst = append(e.dst, '{')
	first := true
	for k, item := range v.All() {
		name, ok := k.(string)
		if !ok {
			return &mismatch{class: "TypeError", text: "must have keys that are str, not " + values.TypeName(k)}
		}
		of, known := s.member(name)
		if !known {
			return s.unknownMember(name)
		}
		if !first {
			e.dst = append(e.dst, ',')
		}
		first = false
		if m := e.text(name); m != nil {
			return m.in(name)
		}
		e.dst = append(e.dst, ':')
		if m := e.value(item, of, depth, 0); m != nil {
			return m.in(name)
		}
	}
	if m := s.lacking(func(name string) bool {
		e.steps++
		_, ok := v.Get(name)
		return ok
	}); m != nil {
		return m
	}
	e.dst = append(e.dst, '}')
	return e.room(0)
}

// other writes what JSON has no type for, where the schema says what it becomes.
func (e *encoder) other(v any, s *shape) *mismatch {
	saysString := s.kinds&kString != 0 && s.kinds != kAnyKind && !s.buffer
	switch v := v.(type) {
	case values.Bytes, values.ByteArray:
		b, _ := bytesOf(v)
		if !s.buffer {
			break
		}
		if m := e.room(base64.StdEncoding.EncodedLen(len(b))); m != nil {
			return m
		}
		e.dst = append(e.dst, '"')
		e.dst = base64.StdEncoding.AppendEncode(e.dst, b)
		e.dst = append(e.dst, '"')
		return e.room(0)
	case values.DateTime:
		if saysString {
			return e.string(v.ISO, s)
		}
	case values.Date:
		if saysString {
			return e.string(string(v), s)
		}
	case values.Time:
		if saysString {
			return e.string(string(v), s)
		}
	case values.Decimal:
		if s.kinds&kFloat != 0 && s.kinds != kAnyKind {
			return e.decimal(v, s)
		}
	}
	return s.mustBe(v)
}

// decimal writes a Decimal's digits, which are a number of JSON's when it is finite.
func (e *encoder) decimal(v values.Decimal, s *shape) *mismatch {
	const most = 400
	text := string(v)
	read, err := strconv.ParseFloat(text, 64)
	if len(text) > most || errors.Is(err, strconv.ErrSyntax) || math.IsNaN(read) || strings.HasSuffix(text, "Infinity") || math.IsInf(read, 0) {
		return &mismatch{class: "ValueError", text: "must be finite, not " + show(cut(text, most))}
	}
	if s.least != nil || s.most != nil || s.enum != nil {
		if m := s.checkEnum(read); m != nil {
			return m
		}
		if m := s.checkNumber(read); m != nil {
			return m
		}
	}
	if !decimalNumber.MatchString(text) {
		return &mismatch{class: "ValueError", text: "must be a number that JSON can write, not " + show(text)}
	}
	e.dst = append(e.dst, text...)
	return e.room(0)
}
