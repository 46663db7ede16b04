package schema

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/values"
)

// Output makes a value of package values of the bytes that the tool has answered: of JSON, of UTF-8, or the bytes themselves, as the schema says. It
// keeps nothing of data, whose length the caller bounds. JSON is read strictly, within the limits of values.DecodeJSON: no tag of docs/abi.md is
// one here, and a JSON object is a dict whatever its keys. Where the schema says buffer, base64 becomes bytes; where it says integer, 1.0 becomes an int.
//
// The error says in words what the tool has done: "answered a number at ['rows'][3] where its schema says a string". If ctx ends before it is found out, it is ctx's.
func (f *Function) Output(ctx context.Context, data []byte) (any, error) {
	p := f.output
	if p == nil {
		if len(data) > 0 {
			return nil, fmt.Errorf("answered %d bytes where its schema says nothing", len(data))
		}
		return nil, nil
	}
	switch p.format {
	case asBytes:
		return values.Bytes(slices.Clone(data)), nil
	case asText:
		if !utf8.Valid(data) {
			return nil, errors.New("answered what is not UTF-8 where its schema says text")
		}
		text := string(data)
		to, _ := p.shape.only()
		if m := to.checkString(text); m != nil {
			return nil, errors.New(m.answer())
		}
		return text, nil
	}
	v, err := ReadAnswer(data)
	if err != nil {
		return nil, err
	}
	return f.Answer(ctx, v)
}

// ReadAnswer reads the JSON of an answer, strictly and within the limits of values.DecodeJSON. The error begins as those of Output do.
func ReadAnswer(data []byte) (any, error) {
	if len(data) == 0 {
		return nil, errors.New("answered nothing where its schema says JSON")
	}
	v, err := values.DecodeJSON(data)
	var syntax *values.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return nil, fmt.Errorf("answered what is not JSON: %s at byte %d", syntax.Message, syntax.Offset)
	case err != nil:
		return nil, fmt.Errorf("answered what is not JSON: %w", err)
	}
	return v, nil
}

// Answer is the part of Output that is for a value which ReadAnswer has read. The function must be one whose answers are JSON.
func (f *Function) Answer(ctx context.Context, v any) (any, error) {
	r := reader{budget{ctx: ctx}}
	v, m := r.value(v, f.output.shape, 0)
	switch {
	case m == nil:
		return v, nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case r.spent:
		m = tooMuch()
	}
	return nil, errors.New(m.answer())
}

// tooMuch is the mismatch of a value for which there are no steps left.
func tooMuch() *mismatch {
	return &mismatch{class: "ValueError", text: "is too much to be checked against its schema", other: "answered more than can be checked against its schema"}
}

// A reader checks an answer, and makes of it what the schema says.
type reader struct{ budget }

func (r *reader) value(v any, s *shape, hops int) (any, *mismatch) {
	if !r.spend(steps(v)) || hops > maxHops {
		return nil, tooMuch()
	}
	if s == nil {
		return v, nil
	}
	s, nullable := s.resolved()
	if v == nil && nullable {
		return nil, nil
	}
	if s.union != nil {
		return r.either(v, s, hops+1)
	}
	return r.plain(v, s)
}

func (r *reader) either(v any, s *shape, hops int) (any, *mismatch) {
	var tried attempts
	for _, u := range s.union {
		made, m := r.value(v, u, hops)
		if m == nil {
			return made, nil
		}
		tried.add(u, m)
		if r.spent {
			break
		}
	}
	if m := tried.only(); m != nil {
		return nil, m
	}
	return nil, &mismatch{say: func(m *mismatch) { m.got, m.want = jsonKind(v), cut(s.words(2), 200) }}
}

// jsonKind names a value as JSON does.
func jsonKind(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case values.List:
		return "an array"
	case *values.Dict:
		return "an object"
	}
	return "a number"
}

func (r *reader) plain(v any, s *shape) (any, *mismatch) {
	kind := kNull
	switch n := v.(type) {
	case bool:
		kind = kBool
	case string:
		kind = kString
	case values.List:
		kind = kList
	case *values.Dict:
		kind = kObject
	case int64, *big.Int:
		kind = kNumber
	case float64:
		kind = kFloat
		if s.kinds&kNumber == kInt && n == math.Trunc(n) {
			kind, v = kInt, integral(n)
		}
	}
	if s.kinds&kind == 0 {
		return nil, &mismatch{say: func(m *mismatch) { m.got, m.want = jsonKind(v), s.jsonWords() }}
	}
	r.compare(v, s)
	switch v := v.(type) {
	case string:
		return s.read(v)
	case values.List:
		if m := s.checkEnum(v); m != nil {
			return nil, m
		}
		return r.list(v, s)
	case *values.Dict:
		if m := s.checkEnum(v); m != nil {
			return nil, m
		}
		return r.dict(v, s)
	case int64, *big.Int, float64:
		if m := s.checkNumber(v); m != nil {
			return nil, m
		}
	}
	return v, s.checkEnum(v)
}

// integral gives the int that a float is.
func integral(f float64) any {
	if -1<<63 <= f && f < 1<<63 {
		return int64(f)
	}
	n, _ := new(big.Float).SetFloat64(f).Int(nil)
	return n
}

// read makes a str, or the bytes that a buffer is.
func (s *shape) read(v string) (any, *mismatch) {
	if !s.buffer {
		return v, s.checkString(v)
	}
	b, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return nil, &mismatch{got: "a string that is not base64", want: "bytes"}
	}
	return values.Bytes(b), nil
}

func (r *reader) list(v values.List, s *shape) (any, *mismatch) {
	if m := s.checkLength(len(v), "items"); m != nil {
		return nil, m
	}
	if s.items == nil {
		return v, nil
	}
	made := v
	for i, item := range v {
		changed, m := r.value(item, s.items, 0)
		if m != nil {
			return nil, m.in(int64(i))
		}
		if len(made) == len(v) && !same(item, changed) {
			made = slices.Clone(v[:i]) // an alternative that fails must leave no traces, and take no more than it has looked at
		}
		if len(made) < len(v) {
			made = append(made, changed)
		}
	}
	return made, nil
}

func (r *reader) dict(v *values.Dict, s *shape) (any, *mismatch) {
	const made, small = 10, 16 // steps for a member of another dict, and for how many there is room at first
	if len(s.properties) == 0 && s.additional == nil && !s.closed && len(s.required) == 0 {
		return v, nil
	}
	if m := s.lacking(func(name string) bool {
		r.steps++
		_, ok := v.Get(name)
		return ok
	}); m != nil {
		return nil, m
	}
	var other *values.Dict
	set := func(k, item any) {
		r.steps += made
		other.SetString(k.(string), item)
	}
	for i := range v.Len() {
		k, item := v.At(i)
		name := k.(string) // JSON has no others
		of, known := s.member(name)
		if !known {
			return nil, s.unknownMember(name)
		}
		changed, m := r.value(item, of, 0)
		if m != nil {
			return nil, m.in(name)
		}
		if other == nil && !same(item, changed) {
			other = values.NewDict(small)
			for j := range i {
				set(v.At(j))
			}
		}
		if other != nil {
			set(k, changed)
		}
	}
	if other != nil {
		return other, nil
	}
	return v, nil
}

// same reports whether a value that was read is what it was: most are.
func same(was, is any) bool {
	switch was := was.(type) {
	case *values.Dict:
		return is == any(was)
	case values.List:
		is, ok := is.(values.List)
		return ok && len(is) == len(was) && (len(was) == 0 || &is[0] == &was[0])
	case string:
		_, ok := is.(string)
		return ok
	case float64:
		_, ok := is.(float64)
		return ok
	}
	return true // nothing else changes
}
