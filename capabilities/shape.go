package capabilities

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/values"
)

// maxMembers is how many members a list or dict may have that says nothing itself: members of Go types can take far more
// memory than they did on their way.
const maxMembers = 10_000

// A shape is how a Python value becomes one of a Go type.
type shape struct {
	annotation string // in a signature
	bounds     string // in words; empty if there are none
	set        func(v any, to reflect.Value) *mismatch
}

// A mismatch says where in an argument which exception is due.
type mismatch struct {
	class string
	path  string // from the argument's name: "[3]", "['street']"
	text  string
}

func mustBe(what string, v any) *mismatch {
	return &mismatch{class: "TypeError", text: "must be " + what + ", not " + values.TypeName(v)}
}

func outside(format string, args ...any) *mismatch {
	return &mismatch{class: "ValueError", text: fmt.Sprintf(format, args...)}
}

// in adds a step to the path of a mismatch.
func (m *mismatch) in(step string) *mismatch {
	m.path = step + m.path
	return m
}

// shapeOf reads a type and the tags that bound it. within are the structs that it is part of.
func shapeOf(t reflect.Type, tag reflect.StructTag, within []reflect.Type) (shape, error) {
	if err := checkTags(t, tag); err != nil {
		return shape{}, err
	}
	if s, ok := exactShape(t); ok {
		return s, nil
	}
	switch t.Kind() {
	case reflect.Bool:
		return shape{annotation: "bool", set: setBool}, nil
	case reflect.String:
		return stringShape(tag)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		least := int64(-1) << (t.Bits() - 1)
		return intShape(least, -(least + 1), tag, reflect.Value.SetInt)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		most := int64(math.MaxInt64)
		if t.Bits() < 64 {
			most = 1<<t.Bits() - 1
		}
		return intShape(0, most, tag, func(to reflect.Value, n int64) { to.SetUint(uint64(n)) })
	case reflect.Float32, reflect.Float64:
		return floatShape(t, tag)
	case reflect.Pointer:
		return pointerShape(t, tag, within)
	case reflect.Slice:
		return sliceShape(t, tag, within)
	case reflect.Map:
		return mapShape(t, tag, within)
	case reflect.Struct:
		return structShape(t, within)
	case reflect.Interface:
		if t.NumMethod() == 0 {
			return shape{annotation: "any", set: setAny}, nil
		}
	}
	return shape{}, fmt.Errorf("no Python value becomes a %s", t)
}

// checkTags refuses bounds that a type cannot have, which would be lost.
func checkTags(t reflect.Type, tag reflect.StructTag) error {
	for t.Kind() == reflect.Pointer && !isValue(t) {
		t = t.Elem()
	}
	exact := isValue(t)
	sized := !exact && (t.Kind() == reflect.String || t.Kind() == reflect.Slice || t.Kind() == reflect.Map)
	number := !exact && t.Kind() >= reflect.Int && t.Kind() <= reflect.Float64 && t.Kind() != reflect.Uintptr
	for _, name := range []string{"min", "max", "maxlen"} {
		_, ok := tag.Lookup(name)
		if ok && (name == "maxlen" && !sized || name != "maxlen" && !number) {
			return fmt.Errorf("a %s cannot have the tag %s", t, name)
		}
	}
	return nil
}

// exactTypes are the types with a shape of their own, whatever their kind is.
var exactTypes = map[reflect.Type]shape{
	reflect.TypeFor[time.Time]():        {annotation: "datetime", set: setTime},
	reflect.TypeFor[time.Duration]():    {annotation: "timedelta", set: setDuration},
	reflect.TypeFor[*big.Int]():         {annotation: "int", set: setBig},
	reflect.TypeFor[values.Decimal]():   {annotation: "any", set: setDecimal},
	reflect.TypeFor[values.DateTime]():  {annotation: "datetime", set: same[values.DateTime]("datetime")},
	reflect.TypeFor[values.TimeDelta](): {annotation: "timedelta", set: same[values.TimeDelta]("timedelta")},
	reflect.TypeFor[values.Date]():      {annotation: "any", set: same[values.Date]("date")},
	reflect.TypeFor[values.Time]():      {annotation: "any", set: same[values.Time]("time")},
	reflect.TypeFor[values.Tuple]():     {annotation: "any", set: same[values.Tuple]("tuple")},
	reflect.TypeFor[values.Set]():       {annotation: "any", set: same[values.Set]("set")},
	reflect.TypeFor[values.FrozenSet](): {annotation: "any", set: same[values.FrozenSet]("frozenset")},
	reflect.TypeFor[*values.Dict]():     {annotation: "dict", set: same[*values.Dict]("dict")},
	reflect.TypeFor[complex128]():       {annotation: "any", set: same[complex128]("complex")},
}

func exactShape(t reflect.Type) (shape, bool) {
	s, ok := exactTypes[t]
	return s, ok
}

func isValue(t reflect.Type) bool {
	_, ok := exactTypes[t]
	return ok
}

// same takes the values that package values has for one Python class.
func same[T any](class string) func(any, reflect.Value) *mismatch {
	return func(v any, to reflect.Value) *mismatch {
		if _, ok := v.(T); !ok {
			return mustBe(class, v)
		}
		to.Set(reflect.ValueOf(v))
		return nil
	}
}

func setAny(v any, to reflect.Value) *mismatch {
	if v != nil {
		to.Set(reflect.ValueOf(v))
	}
	return nil
}

func setBool(v any, to reflect.Value) *mismatch {
	b, ok := v.(bool)
	if !ok {
		return mustBe("bool", v)
	}
	to.SetBool(b)
	return nil
}

func setTime(v any, to reflect.Value) *mismatch {
	d, ok := v.(values.DateTime)
	if !ok {
		return mustBe("datetime", v)
	}
	t, aware, err := d.Time()
	if err != nil {
		return outside("must have an offset from UTC in whole seconds")
	}
	if !aware {
		return outside("must be a datetime with a time zone, such as datetime.now(timezone.utc)")
	}
	to.Set(reflect.ValueOf(t))
	return nil
}

func setDuration(v any, to reflect.Value) *mismatch {
	d, ok := v.(values.TimeDelta)
	if !ok {
		return mustBe("timedelta", v)
	}
	n, ok := d.Duration()
	if !ok {
		return outside("must be shorter than 292 years")
	}
	to.SetInt(int64(n))
	return nil
}

func setBig(v any, to reflect.Value) *mismatch {
	switch n := v.(type) {
	case int64:
		to.Set(reflect.ValueOf(big.NewInt(n)))
	case *big.Int:
		to.Set(reflect.ValueOf(new(big.Int).Set(n)))
	default:
		return mustBe("int", v)
	}
	return nil
}

func setDecimal(v any, to reflect.Value) *mismatch {
	d, ok := v.(values.Decimal)
	if !ok {
		return mustBe("Decimal", v)
	}
	if last := d[len(d)-1]; bytes.ContainsAny([]byte(d), "Nn") || last == 'y' {
		return outside("must be finite")
	}
	to.SetString(string(d))
	return nil
}

func stringShape(tag reflect.StructTag) (shape, error) {
	most, err := maxlen(tag, math.MaxInt)
	s := shape{annotation: "str", set: func(v any, to reflect.Value) *mismatch {
		text, ok := v.(string)
		switch {
		case !ok:
			return mustBe("str", v)
		case !utf8.ValidString(text):
			return outside("must be Unicode text, without lone surrogates")
		case utf8.RuneCountInString(text) > most:
			return outside("must have at most %d characters", most)
		}
		to.SetString(text)
		return nil
	}}
	if most < math.MaxInt {
		s.bounds = fmt.Sprintf("at most %d characters", most)
	}
	return s, err
}

// intShape is for the integers from least to most; tags make that narrower.
func intShape(least, most int64, tag reflect.StructTag, set func(reflect.Value, int64)) (shape, error) {
	lower, above, err := bound(tag, "min", least, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	upper, below, err2 := bound(tag, "max", most, func(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) })
	if err := errors.Join(err, err2); err != nil {
		return shape{}, err
	}
	if lower < least || upper > most || lower > upper {
		return shape{}, fmt.Errorf("its bounds are %d to %d, and its type goes from %d to %d", lower, upper, least, most)
	}
	said := fmt.Sprintf("from %d to %d", lower, upper)
	if most == math.MaxInt64 && above != below { // the other bound is of no interest
		said = inWords(lower, above, upper, below)
	}
	return shape{annotation: "int", bounds: inWords(lower, above, upper, below), set: func(v any, to reflect.Value) *mismatch {
		n, ok := v.(int64)
		_, large := v.(*big.Int)
		switch {
		case !ok && !large:
			return mustBe("int", v)
		case large || n < lower || n > upper:
			return outside("must be %s", said)
		}
		set(to, n)
		return nil
	}}, nil
}

func floatShape(t reflect.Type, tag reflect.StructTag) (shape, error) {
	most := math.MaxFloat64
	if t.Bits() == 32 {
		most = math.MaxFloat32
	}
	parse := func(s string) (float64, error) { return strconv.ParseFloat(s, 64) }
	lower, above, err := bound(tag, "min", -most, parse)
	upper, below, err2 := bound(tag, "max", most, parse)
	if err := errors.Join(err, err2); err != nil {
		return shape{}, err
	}
	if !(-most <= lower && lower <= upper && upper <= most) {
		return shape{}, fmt.Errorf("its bounds are %v to %v, which no number can keep", lower, upper)
	}
	return shape{annotation: "float", bounds: inWords(lower, above, upper, below), set: func(v any, to reflect.Value) *mismatch {
		var f float64
		switch n := v.(type) {
		case float64:
			f = n
		case int64:
			f = float64(n)
		case *big.Int:
			f, _ = new(big.Float).SetInt(n).Float64()
		default:
			return mustBe("float", v)
		}
		switch {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return outside("must be finite")
		case f < lower || f > upper:
			return outside("must be from %v to %v", lower, upper)
		}
		to.SetFloat(f)
		return nil
	}}, nil
}

// bound reads a number from a tag; otherwise is that of types without the tag.
func bound[N int64 | float64](tag reflect.StructTag, name string, otherwise N, parse func(string) (N, error)) (n N, given bool, err error) {
	text, given := tag.Lookup(name)
	if !given {
		return otherwise, false, nil
	}
	n, err = parse(text)
	if err != nil {
		return n, true, fmt.Errorf("its tag %s, %q, is not a number of its type", name, text)
	}
	return n, true, nil
}

func inWords[N int64 | float64](lower N, above bool, upper N, below bool) string {
	switch {
	case above && below:
		return fmt.Sprintf("from %v to %v", lower, upper)
	case above:
		return fmt.Sprintf("at least %v", lower)
	case below:
		return fmt.Sprintf("at most %v", upper)
	}
	return ""
}

func maxlen(tag reflect.StructTag, otherwise int) (int, error) {
	text, ok := tag.Lookup("maxlen")
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("its tag maxlen, %q, is not a positive integer", text)
	}
	return n, nil
}

func pointerShape(t reflect.Type, tag reflect.StructTag, within []reflect.Type) (shape, error) {
	if t.Elem().Kind() == reflect.Pointer && !isValue(t.Elem()) {
		return shape{}, fmt.Errorf("no Python value becomes a %s", t)
	}
	s, err := shapeOf(t.Elem(), tag, within)
	some := s.set
	s.set = func(v any, to reflect.Value) *mismatch {
		if v == nil {
			return nil
		}
		to.Set(reflect.New(t.Elem()))
		return some(v, to.Elem())
	}
	return s, err
}

func sliceShape(t reflect.Type, tag reflect.StructTag, within []reflect.Type) (shape, error) {
	if t.Elem().Kind() == reflect.Uint8 {
		return bytesShape(tag)
	}
	most, err := maxlen(tag, maxMembers)
	if err != nil {
		return shape{}, err
	}
	element, err := shapeOf(t.Elem(), "", within)
	s := shape{annotation: "list", bounds: fmt.Sprintf("at most %d", most)}
	if _, _, err := parseAnnotation("list[" + element.annotation + "]"); err == nil {
		s.annotation = "list[" + element.annotation + "]"
	}
	s.set = func(v any, to reflect.Value) *mismatch {
		var list []any
		switch v := v.(type) {
		case values.List:
			list = v
		case values.Tuple:
			list = v
		default:
			return mustBe("list", v)
		}
		if len(list) > most {
			return outside("must have at most %d members", most)
		}
		to.Set(reflect.MakeSlice(t, len(list), len(list)))
		for i, member := range list {
			if wrong := element.set(member, to.Index(i)); wrong != nil {
				return wrong.in(fmt.Sprintf("[%d]", i))
			}
		}
		return nil
	}
	return s, err
}

func bytesShape(tag reflect.StructTag) (shape, error) {
	most, err := maxlen(tag, math.MaxInt)
	s := shape{annotation: "bytes", set: func(v any, to reflect.Value) *mismatch {
		var content []byte
		switch v := v.(type) {
		case values.Bytes:
			content = v
		case values.ByteArray:
			content = v
		default:
			return mustBe("bytes", v)
		}
		if len(content) > most {
			return outside("must have at most %d bytes", most)
		}
		to.SetBytes(bytes.Clone(content))
		return nil
	}}
	if most < math.MaxInt {
		s.bounds = fmt.Sprintf("at most %d bytes", most)
	}
	return s, err
}

func mapShape(t reflect.Type, tag reflect.StructTag, within []reflect.Type) (shape, error) {
	if t.Key().Kind() != reflect.String {
		return shape{}, fmt.Errorf("no Python value becomes a %s: its keys are not strings", t)
	}
	most, err := maxlen(tag, maxMembers)
	if err != nil {
		return shape{}, err
	}
	key, _ := stringShape("")
	element, err := shapeOf(t.Elem(), "", within)
	s := shape{annotation: "dict", bounds: fmt.Sprintf("at most %d", most)}
	if _, _, err := parseAnnotation("dict[str, " + element.annotation + "]"); err == nil {
		s.annotation = "dict[str, " + element.annotation + "]"
	}
	s.set = func(v any, to reflect.Value) *mismatch {
		dict, ok := v.(*values.Dict)
		switch {
		case !ok:
			return mustBe("dict", v)
		case dict.Len() > most:
			return outside("must have at most %d members", most)
		}
		to.Set(reflect.MakeMapWithSize(t, dict.Len()))
		for k, member := range dict.All() {
			name, value := reflect.New(t.Key()).Elem(), reflect.New(t.Elem()).Elem()
			if wrong := key.set(k, name); wrong != nil {
				wrong.text = "has a key that " + wrong.text
				return wrong
			}
			if wrong := element.set(member, value); wrong != nil {
				return wrong.in(fmt.Sprintf("[%.40q]", k))
			}
			to.SetMapIndex(name, value)
		}
		return nil
	}
	return s, err
}

func structShape(t reflect.Type, within []reflect.Type) (shape, error) {
	fields, err := membersOf(t, within)
	if err != nil {
		return shape{}, err
	}
	return shape{annotation: "dict", set: func(v any, to reflect.Value) *mismatch {
		dict, ok := v.(*values.Dict)
		if !ok {
			return mustBe("dict", v)
		}
		known := 0
		for _, p := range fields {
			member, given := dict.Get(p.name)
			switch {
			case given:
				known++
			case p.literal != "":
				member = p.fallback
			default:
				return &mismatch{class: "TypeError", text: fmt.Sprintf("has no key %q", p.name)}
			}
			if wrong := p.shape.set(member, to.Field(p.index)); wrong != nil {
				return wrong.in(fmt.Sprintf("[%q]", p.name))
			}
		}
		if known < dict.Len() {
			return &mismatch{class: "TypeError", text: "has keys other than " + list(quoted(fields))}
		}
		return nil
	}}, nil
}

func quoted(fields []field) []string {
	names := make([]string, len(fields))
	for i, p := range fields {
		names[i] = strconv.Quote(p.name)
	}
	return names
}

// encodable says why no value of a type can become a Python value. What an interface holds nobody knows before.
func encodable(t reflect.Type, within []reflect.Type) error {
	if isValue(t) {
		return nil
	}
	for _, other := range within {
		if other == t {
			return nil // looked at already
		}
	}
	within = append(within, t)
	switch t.Kind() {
	case reflect.Chan, reflect.Func, reflect.UnsafePointer, reflect.Uintptr:
		return fmt.Errorf("a %s cannot become a Python value", t)
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return encodable(t.Elem(), within)
	case reflect.Map:
		if k := t.Key().Kind(); k != reflect.String && (k < reflect.Int || k > reflect.Int64) {
			return fmt.Errorf("a %s cannot become a Python dict: its keys are neither strings nor integers", t)
		}
		return encodable(t.Elem(), within)
	case reflect.Struct:
		return encodableFields(t, within)
	}
	return nil
}

func encodableFields(t reflect.Type, within []reflect.Type) error {
	exported := 0
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Tag.Get("json") == "-" {
			continue
		}
		exported++
		if err := encodable(f.Type, within); err != nil {
			return fmt.Errorf("field %s of %s: %w", f.Name, t, err)
		}
	}
	if exported == 0 && t.NumField() > 0 {
		return fmt.Errorf("a %s has no exported fields, and would be an empty dict", t)
	}
	return nil
}
