package values

import (
	"encoding/base64"
	"strings"
)

// tagged reads the rest of an object whose first key, at start, begins with "$".
func (d *decoder) tagged(tag string, start, depth int) (any, error) {
	d.peek()
	payload := d.pos
	v, err := d.payload(tag, start, depth)
	if err != nil {
		return nil, err
	}
	switch tag {
	case "$datetime":
		return d.dateTimeRest(v.(string), payload)
	case "$repr":
		return d.reprRest(v.(string))
	}
	return v, d.expect('}')
}

func (d *decoder) payload(tag string, start, depth int) (any, error) {
	at := d.pos
	switch tag {
	case "$tuple":
		v, err := d.items(depth + 1)
		return Tuple(v), err
	case "$set":
		v, err := d.members(depth + 1)
		return Set(v), err
	case "$frozenset":
		v, err := d.members(depth + 1)
		return FrozenSet(v), err
	case "$dict":
		return d.pairs(depth + 2)
	case "$complex":
		return d.complex()
	case "$timedelta":
		return d.timeDelta()
	case "$repr", "$datetime", "$int", "$float", "$bytes", "$bytearray", "$decimal", "$date", "$time":
		s, err := d.text()
		if err != nil {
			return nil, err
		}
		return d.fromText(tag, s, at)
	}
	return nil, d.failAt(start, "unknown tag")
}

// fromText makes the value of a tag whose payload is a string, which began at the place at.
func (d *decoder) fromText(tag, s string, at int) (any, error) {
	wrong := d.failAt(at, "wrong payload of "+tag)
	switch tag {
	case "$int":
		number := strings.TrimPrefix(s, "-")
		n := digits(number)
		if n == 0 || n != len(number) || n > MaxDigits || number[0] == '0' && s != "0" {
			return nil, wrong
		}
		return parseInt(s), nil
	case "$float":
		f, ok := specialFloats[s]
		if !ok {
			return nil, wrong
		}
		return f, nil
	case "$bytes", "$bytearray":
		// Strict refuses the padding bits that are not zero, but no decoder refuses line breaks.
		if strings.ContainsAny(s, "\r\n") {
			return nil, wrong
		}
		b, err := base64.StdEncoding.Strict().DecodeString(s)
		if err != nil {
			return nil, wrong
		}
		if tag == "$bytearray" {
			return ByteArray(b), nil
		}
		return Bytes(b), nil
	case "$decimal":
		if !isDecimal(s) {
			return nil, wrong
		}
		return Decimal(s), nil
	case "$date":
		if Date(s).check() != nil {
			return nil, wrong
		}
		return Date(s), nil
	case "$time":
		if Time(s).check() != nil {
			return nil, wrong
		}
		return Time(s), nil
	}
	return s, nil // $repr and $datetime, of which more follows
}

// keyOf gives the canonical key of a value that was read.
func (d *decoder) keyOf(v any) (any, error) {
	if d.keys.trees == nil {
		d.keys.trees = make(map[*any]any)
	}
	return d.keys.key(v, 0)
}

// members reads the members of a set, which are hashable and different.
func (d *decoder) members(depth int) (List, error) {
	at := d.pos
	list, err := d.items(depth)
	if err != nil {
		return nil, err
	}
	seen := make(map[any]struct{}, len(list))
	for _, v := range list {
		k, err := d.keyOf(v)
		if err != nil {
			return nil, d.failAt(at, "unhashable member of a set")
		}
		if _, ok := seen[k]; ok {
			return nil, d.failAt(at, "duplicate member of a set")
		}
		seen[k] = struct{}{}
	}
	return list, nil
}

// pairs reads [[key, value], …], of which a pair is at the given depth.
func (d *decoder) pairs(depth int) (any, error) {
	dict := new(Dict)
	if err := d.checkDepth(depth); err != nil {
		return nil, err
	}
	if err := d.expect('['); err != nil {
		return nil, err
	}
	if d.peek() == ']' {
		d.pos++
		return dict, nil
	}
	for {
		if err := d.pair(dict, depth); err != nil {
			return nil, err
		}
		if more, err := d.more(']'); !more {
			return dict, err
		}
	}
}

func (d *decoder) pair(dict *Dict, depth int) error {
	if err := d.expect('['); err != nil {
		return err
	}
	d.peek()
	at := d.pos
	key, err := d.value(depth)
	if err != nil {
		return err
	}
	if err := d.expect(','); err != nil {
		return err
	}
	v, err := d.value(depth)
	if err != nil {
		return err
	}
	k, err := d.keyOf(key)
	if err != nil {
		return d.failAt(at, "unhashable key")
	}
	if !dict.insert(k, key, v) {
		return d.failAt(at, "duplicate key")
	}
	return d.expect(']')
}

// complex reads [real, imaginary], each as a float is written.
func (d *decoder) complex() (any, error) {
	var parts [2]float64
	if err := d.fixed(len(parts), func(i int) error {
		f, err := d.float()
		parts[i] = f
		return err
	}); err != nil {
		return nil, err
	}
	return complex(parts[0], parts[1]), nil
}

// float reads a number with a point or an exponent, or a $float. Nothing nests in it.
func (d *decoder) float() (float64, error) {
	at := d.pos
	c := d.peek()
	if c == '-' || '0' <= c && c <= '9' {
		v, err := d.number()
		if err != nil {
			return 0, err
		}
		if f, ok := v.(float64); ok {
			return f, nil
		}
	}
	if c == '{' {
		d.pos++
		tag, err := d.key()
		if err != nil {
			return 0, err
		}
		d.peek()
		s, err := d.text()
		if err != nil {
			return 0, err
		}
		if f, ok := specialFloats[s]; ok && tag == "$float" {
			return f, d.expect('}')
		}
	}
	return 0, d.failAt(at, "wrong payload of $complex")
}

func (d *decoder) timeDelta() (any, error) {
	start := d.pos
	var parts [3]int
	if err := d.fixed(len(parts), func(i int) error {
		at := d.pos
		n, err := d.smallNumber()
		if err != nil {
			return d.failAt(at, "wrong payload of $timedelta")
		}
		parts[i] = n
		return nil
	}); err != nil {
		return nil, err
	}
	v := TimeDelta{parts[0], parts[1], parts[2]}
	if v.check() != nil {
		return nil, d.failAt(start, "wrong payload of $timedelta")
	}
	return v, nil
}

// smallNumber reads an int within ±(2^31 - 1).
func (d *decoder) smallNumber() (int, error) {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return 0, d.fail("expected a number")
	}
	v, err := d.number()
	if err != nil {
		return 0, err
	}
	n, ok := v.(int64)
	if !ok || n < -(1<<31-1) || n > 1<<31-1 {
		return 0, d.fail("number out of range")
	}
	return int(n), nil
}

// fixed reads an array of exactly n parts.
func (d *decoder) fixed(n int, part func(i int) error) error {
	if err := d.expect('['); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := d.expect(','); err != nil {
				return err
			}
		}
		d.peek()
		if err := part(i); err != nil {
			return err
		}
	}
	return d.expect(']')
}

// dateTimeRest reads what follows the text of a datetime: "zone" and "fold", each at most once, in any order.
func (d *decoder) dateTimeRest(iso string, at int) (any, error) {
	v := DateTime{ISO: iso}
	seen := map[string]bool{}
	for {
		more, err := d.more('}')
		if err != nil {
			return nil, err
		}
		if !more {
			break
		}
		d.peek()
		start := d.pos
		key, err := d.key()
		if err != nil {
			return nil, err
		}
		if seen[key] {
			return nil, d.failAt(start, "duplicate key")
		}
		seen[key] = true
		d.peek()
		switch key {
		case "zone":
			v.Zone, err = d.text()
		case "fold":
			v.Fold, err = d.smallNumber()
		default:
			err = d.failAt(start, "unknown key in $datetime")
		}
		if err != nil {
			return nil, err
		}
	}
	if v.check() != nil {
		return nil, d.failAt(at, "wrong payload of $datetime")
	}
	return v, nil
}

// reprRest reads the class name that follows the text of a repr.
func (d *decoder) reprRest(text string) (any, error) {
	if err := d.expect(','); err != nil {
		return nil, err
	}
	d.peek()
	at := d.pos
	key, err := d.key()
	if err != nil {
		return nil, err
	}
	if key != "type" {
		return nil, d.failAt(at, "unknown key in $repr")
	}
	d.peek()
	class, err := d.text()
	if err != nil {
		return nil, err
	}
	return Repr{Type: class, Text: text}, d.expect('}')
}
