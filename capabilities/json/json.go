// Package json is the capability family "json": loads and dumps of Python 3.13, computed by the host.
//
// Results and error messages are CPython's own, byte for byte, except where a Python function would have to cross to the
// host (hooks, encoder classes), which is refused, and for limits on nesting and size. See docs/capabilities.md.
package json

import (
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/values"
)

const (
	loadsSignature = "(s, *, cls=None, object_hook=None, parse_float=None, parse_int=None, parse_constant=None, object_pairs_hook=None, strict=True)"
	dumpsSignature = "(obj, *, skipkeys=False, ensure_ascii=True, check_circular=True, allow_nan=True, cls=None, indent=None, separators=None, default=None, sort_keys=False)"
)

// MaxOutput is the longest text that dumps makes, in bytes of UTF-8; beyond it MemoryError is raised.
const MaxOutput = 32 << 20

// Family gives the family. Its functions are pure.
func Family() capabilities.Family {
	return capabilities.Family{
		Name:       "json",
		Doc:        "JSON as text from Python values and back",
		Exceptions: map[string]string{"JSONDecodeError": "ValueError"},
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{
				Family: "json", Function: "dumps", Signature: dumpsSignature,
				Doc: "Serialize obj to a JSON formatted str.", Effects: capabilities.Pure,
			}, dumps),
			capabilities.New(capabilities.Spec{
				Family: "json", Function: "loads", Signature: loadsSignature,
				Doc: "Deserialize a str, bytes or bytearray with a JSON document to a Python object.", Effects: capabilities.Pure,
			}, loads),
		},
	}
}

// refuseFunctions raises TypeError for the first option that is not None and would need code of the guest.
func refuseFunctions(function string, args capabilities.Arguments, options ...string) error {
	for _, name := range options {
		if v := args.Get(name); v != nil {
			return capabilities.Raise("TypeError", "%s() option '%s' is not available here: a Python function or class cannot cross to the host; convert the values first, for example with str()",
				function, name)
		}
	}
	return nil
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case float64:
		return v != 0
	case complex128:
		return v != 0
	case string:
		return v != ""
	case values.Bytes:
		return len(v) > 0
	case values.ByteArray:
		return len(v) > 0
	case values.List:
		return len(v) > 0
	case values.Tuple:
		return len(v) > 0
	case values.Set:
		return len(v) > 0
	case values.FrozenSet:
		return len(v) > 0
	case *values.Dict:
		return v.Len() > 0
	case values.TimeDelta:
		return v != values.TimeDelta{}
	}
	return true
}
