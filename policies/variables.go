package policies

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"

	"github.com/postern-sandbox/postern/internal/fold"
	"github.com/postern-sandbox/postern/values"
)

// variables are the names of a condition for one call.
type variables struct {
	policy   string
	function string
	call     *Call
	count    int64
	params   map[string]Parameter
	open     bool // whether the function has them is to be asked
	adapter  adapter
}

// ResolveName implements CEL's Activation.
func (v *variables) ResolveName(name string) (any, bool) {
	switch name {
	case "call.count":
		return types.Int(v.count), true
	case "call.session":
		return types.String(v.call.Session), true
	case "call.function":
		return types.String(v.function), true
	case "policy.name":
		return types.String(v.policy), true
	case "now":
		if v.call.Now.IsZero() {
			return types.NewErr("the time is not known"), true
		}
		return types.Timestamp{Time: v.call.Now.UTC()}, true
	}
	parameter, ok := strings.CutPrefix(name, "args.")
	if !ok {
		return nil, false
	}
	p, ok := v.params[parameter]
	if !ok {
		return nil, false
	}
	return v.argument(p), true
}

// Parent implements CEL's Activation.
func (v *variables) Parent() cel.Activation { return nil }

// argument returns an argument as its type says, or an error: a value of another
// type is no value of the parameter.
func (v *variables) argument(p Parameter) ref.Val {
	var given any
	if v.call.Arguments != nil {
		given, _ = v.call.Arguments.Lookup(p.Name)
	}
	if bound, ok := v.call.Arguments.(interface{ HasParameter(name string) bool }); v.open && ok && !bound.HasParameter(p.Name) {
		return types.NewErr("%s does not have a parameter %s", v.function, quote(p.Name))
	}
	if given == nil && (p.Nullable || p.Type == "") {
		return types.NullValue
	}
	if p.Type == "float" {
		switch n := given.(type) {
		case int64:
			given = float64(n)
		case *big.Int:
			given, _ = new(big.Float).SetInt(n).Float64()
		}
	}
	if kind, _, _ := strings.Cut(p.Type, "["); kind != "" && !isOf(given, kind) {
		return types.NewErr("args.%s is of type %s, not %s", p.Name, values.TypeName(given), kind)
	}
	return v.adapter.NativeToValue(given)
}

// isOf reports whether a value is of a type that annotations name.
func isOf(v any, kind string) bool {
	ok := false
	switch kind {
	case "str":
		_, ok = v.(string)
	case "int":
		switch v.(type) {
		case int64, *big.Int:
			ok = true
		}
	case "float":
		_, ok = v.(float64)
	case "bool":
		_, ok = v.(bool)
	case "bytes":
		switch v.(type) {
		case values.Bytes, values.ByteArray:
			ok = true
		}
	case "list":
		switch v.(type) {
		case values.List, values.Tuple, values.Set, values.FrozenSet:
			ok = true
		}
	case "dict":
		_, ok = v.(*values.Dict)
	case "datetime":
		_, ok = v.(values.DateTime)
	case "timedelta":
		_, ok = v.(values.TimeDelta)
	}
	return ok
}

// celType is the type of a parameter in conditions.
func celType(p Parameter) *cel.Type {
	kind, element, ok := strings.Cut(strings.TrimSuffix(p.Type, "]"), "[")
	of := cel.DynType
	if ok {
		of = celType(Parameter{Type: element})
	}
	nullable := func(t *cel.Type) *cel.Type {
		if p.Nullable {
			return cel.NullableType(t)
		}
		return t
	}
	switch kind {
	case "str":
		return nullable(cel.StringType)
	case "int":
		return nullable(cel.IntType)
	case "float":
		return nullable(cel.DoubleType)
	case "bool":
		return nullable(cel.BoolType)
	case "bytes":
		return nullable(cel.BytesType)
	}
	if p.Nullable {
		return cel.DynType
	}
	switch kind {
	case "list":
		return cel.ListType(of)
	case "dict":
		return cel.MapType(cel.StringType, of)
	case "datetime":
		return cel.TimestampType
	case "timedelta":
		return cel.DurationType
	}
	return cel.DynType
}

// maxDict is how many entries a dict may have that a condition looks into.
const maxDict = 10_000

// maxKeys is how many bytes the keys of such a dict may have together.
const maxKeys = 256 << 10

// checkText looks over the arguments that a condition uses before it is decided: CEL has no strings that are not UTF-8. It is
// done once, for the condition can look at an argument again and again, each time for one of its steps.
func (v *variables) checkText() error {
	for name := range v.params {
		if given, ok := v.call.Arguments.Lookup(name); ok && !validText(given) {
			return errors.New("a str has a lone surrogate")
		}
	}
	return nil
}

func validText(v any) bool {
	all := func(list []any) bool { return !slices.ContainsFunc(list, func(v any) bool { return !validText(v) }) }
	switch v := v.(type) {
	case string:
		return utf8.ValidString(v)
	case values.List:
		return all(v)
	case values.Tuple:
		return all(v)
	case values.Set:
		return all(v)
	case values.FrozenSet:
		return all(v)
	case *values.Dict:
		for key, value := range v.All() {
			if !validText(key) || !validText(value) {
				return false
			}
		}
	}
	return true
}

// An adapter gives CEL the values of package values, whose text is valid. Elements of a list are
// converted when they are looked at, and a dict once.
type adapter struct{ dicts map[*values.Dict]ref.Val }

// NativeToValue implements CEL's Adapter. What CEL has no value for is an error: the condition cannot be decided.
func (a adapter) NativeToValue(v any) ref.Val {
	switch v := v.(type) {
	case nil:
		return types.NullValue
	case ref.Val:
		return v
	case bool:
		return types.Bool(v)
	case int64:
		return types.Int(v)
	case float64:
		return types.Double(v)
	case string:
		return types.String(v)
	case values.Bytes:
		return types.Bytes(v)
	case values.ByteArray:
		return types.Bytes(v)
	case values.List:
		return types.NewDynamicList(a, v)
	case values.Tuple:
		return types.NewDynamicList(a, []any(v))
	case values.Set:
		return types.NewDynamicList(a, []any(v))
	case values.FrozenSet:
		return types.NewDynamicList(a, []any(v))
	case *values.Dict:
		return a.dict(v)
	case values.DateTime:
		t, aware, err := v.Time()
		if err != nil || !aware {
			return types.NewErr("a datetime has no time zone")
		}
		return types.Timestamp{Time: t}
	case values.TimeDelta:
		d, ok := v.Duration()
		if !ok {
			return types.NewErr("a timedelta is too long")
		}
		return types.Duration{Duration: d}
	case time.Time:
		return types.Timestamp{Time: v}
	case values.Date, values.Time:
		return types.String(fmt.Sprint(v))
	case *big.Int:
		return types.NewErr("an int does not fit into 64 bits")
	case values.Decimal, values.Repr, complex128:
		return types.NewErr("a value of type %s cannot be compared", values.TypeName(v))
	}
	return types.DefaultTypeAdapter.NativeToValue(v)
}

func (a adapter) dict(d *values.Dict) ref.Val {
	if known, ok := a.dicts[d]; ok {
		return known
	}
	if d.Len() > maxDict {
		return types.NewErr("a dict has more than %d entries", maxDict)
	}
	m, ok := d.StringMap()
	if !ok {
		return types.NewErr("a dict has keys that are not str")
	}
	length := 0
	for key := range m {
		if length += len(key); length > maxKeys {
			return types.NewErr("the keys of a dict have more than %d bytes", maxKeys)
		}
	}
	converted := &dict{Mapper: types.NewStringInterfaceMap(a, m), keys: m}
	if a.dicts != nil {
		a.dicts[d] = converted
	}
	return converted
}

// A dict is one that conditions look into. To look up a key that could be taken for another one in it is an error: who gets the dict may read the other, as programs do that take capitals for small
// letters, and the condition would have looked at what makes no difference.
type dict struct {
	traits.Mapper
	keys  map[string]any
	alike map[string][]string // the keys by what package fold makes of them, at most two of one; nil until one is looked up
}

// confused gives the error for a key.
func (d *dict) confused(key ref.Val) ref.Val {
	name, ok := key.(types.String)
	if !ok {
		return nil
	}
	if d.alike == nil {
		d.alike = make(map[string][]string, len(d.keys))
		for _, own := range sortedKeys(d.keys) {
			if k := fold.Key(own); len(d.alike[k]) < 2 {
				d.alike[k] = append(d.alike[k], own)
			}
		}
	}
	for _, own := range d.alike[fold.Key(string(name))] {
		if own != string(name) {
			return types.NewErr("a dict has the key %s, which could be taken for %s", quote(own), quote(string(name)))
		}
	}
	return nil
}

// Find implements CEL's Mapper.
func (d *dict) Find(key ref.Val) (ref.Val, bool) {
	if err := d.confused(key); err != nil {
		return err, false
	}
	return d.Mapper.Find(key)
}

// Get implements CEL's Mapper.
func (d *dict) Get(key ref.Val) ref.Val {
	if err := d.confused(key); err != nil {
		return err
	}
	return d.Mapper.Get(key)
}

// Contains implements CEL's Mapper.
func (d *dict) Contains(key ref.Val) ref.Val {
	if err := d.confused(key); err != nil {
		return err
	}
	return d.Mapper.Contains(key)
}

// Equal implements CEL's Mapper. A whole dict is compared as it is.
func (d *dict) Equal(other ref.Val) ref.Val {
	if o, ok := other.(*dict); ok {
		other = o.Mapper
	}
	return d.Mapper.Equal(other)
}
