package values

import (
	"cmp"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"
)

// goValue encodes the Go types that Decode never gives.
func (e *encoder) goValue(v any, depth int) error {
	switch v := v.(type) {
	case map[string]any:
		return e.value(DictOf(v), depth)
	case map[string]string:
		return e.value(DictOf(v), depth)
	case uint64:
		return e.bigInt(new(big.Int).SetUint64(v))
	case uint:
		return e.bigInt(new(big.Int).SetUint64(uint64(v)))
	}
	return e.reflected(reflect.ValueOf(v), depth)
}

func (e *encoder) reflected(v reflect.Value, depth int) error {
	switch v.Kind() {
	case reflect.Bool:
		return e.value(v.Bool(), depth)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return e.value(v.Int(), depth)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return e.bigInt(new(big.Int).SetUint64(v.Uint()))
	case reflect.Float32, reflect.Float64:
		return e.value(v.Float(), depth)
	case reflect.Complex64, reflect.Complex128:
		return e.value(v.Complex(), depth)
	case reflect.String:
		return e.text(v.String())
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return e.value(nil, depth)
		}
		// Counted as a level, so that a pointer cycle ends.
		if depth++; depth > MaxDepth {
			return errDepth
		}
		return e.value(v.Elem().Interface(), depth)
	case reflect.Slice, reflect.Array:
		return e.sequence(v, depth)
	case reflect.Map:
		return e.mapping(v, depth)
	case reflect.Struct:
		return e.fields(v, depth)
	}
	return fmt.Errorf("values: a %s cannot become a Python value", v.Type())
}

func (e *encoder) sequence(v reflect.Value, depth int) error {
	if v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Uint8 {
		return e.bytes(`{"$bytes":"`, v.Bytes())
	}
	if depth++; depth > MaxDepth {
		return errDepth
	}
	e.puts("[")
	for i := range v.Len() {
		if i > 0 {
			e.puts(",")
		}
		if err := e.value(v.Index(i).Interface(), depth); err != nil {
			return err
		}
	}
	e.puts("]")
	return nil
}

func (e *encoder) mapping(v reflect.Value, depth int) error {
	d := NewDict(v.Len())
	keys := v.MapKeys()
	switch v.Type().Key().Kind() {
	case reflect.String:
		slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
		for _, k := range keys {
			d.SetString(k.String(), v.MapIndex(k).Interface())
		}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		slices.SortFunc(keys, func(a, b reflect.Value) int { return cmp.Compare(a.Int(), b.Int()) })
		for _, k := range keys {
			if err := d.Set(k.Int(), v.MapIndex(k).Interface()); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("values: a %s cannot become a Python dict: its keys are neither strings nor integers", v.Type())
	}
	return e.dict(d, depth)
}

// fields encodes a struct as a dict of its exported fields, with the names and omitempty of their json tags.
func (e *encoder) fields(v reflect.Value, depth int) error {
	d := NewDict(v.NumField())
	for i := range v.NumField() {
		field := v.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || options == "omitempty" && v.Field(i).IsZero():
			continue
		case name == "":
			name = field.Name
		}
		d.SetString(name, v.Field(i).Interface())
	}
	return e.dict(d, depth)
}
