package policies

import (
	celchecker "github.com/google/cel-go/checker"

	"github.com/postern-sandbox/postern/values"
)

// maxSmall is how large all arguments of a call together may be that are small: bytes of strings, elements of lists, entries of dicts.
const maxSmall = 256

// smallArguments estimates what a condition costs at most whose arguments are small.
type smallArguments struct{}

// EstimateSize implements CEL's CostEstimator: no value that comes from small arguments is larger than they are. Of
// what has no path, the result of a function, CEL must know the size itself.
func (smallArguments) EstimateSize(node celchecker.AstNode) *celchecker.SizeEstimate {
	if len(node.Path()) == 0 {
		return nil
	}
	return &celchecker.SizeEstimate{Min: 0, Max: maxSmall}
}

// EstimateCallCost implements CEL's CostEstimator: functions cost what CEL says.
func (smallArguments) EstimateCallCost(string, string, *celchecker.AstNode, []celchecker.AstNode) *celchecker.CallEstimate {
	return nil
}

// areSmall reports whether the names that a condition may use have small values.
func (v *variables) areSmall() bool {
	room := maxSmall
	for _, text := range []string{v.policy, v.function, v.call.Session} {
		if len(text) > maxSmall {
			return false
		}
	}
	if v.call.Arguments == nil {
		return true
	}
	for name := range v.params {
		if given, ok := v.call.Arguments.Lookup(name); ok && !fits(given, &room) {
			return false
		}
	}
	return true
}

// fits takes the size of a value from the room that there is, and stops when it is used up.
func fits(v any, room *int) bool {
	switch v := v.(type) {
	case string:
		*room -= len(v)
	case values.Bytes:
		*room -= len(v)
	case values.ByteArray:
		*room -= len(v)
	case values.List:
		return fitAll(v, room)
	case values.Tuple:
		return fitAll(v, room)
	case values.Set:
		return fitAll(v, room)
	case values.FrozenSet:
		return fitAll(v, room)
	case *values.Dict:
		if *room -= v.Len(); *room < 0 {
			return false
		}
		for key, item := range v.All() {
			if !fits(key, room) || !fits(item, room) {
				return false
			}
		}
	case nil, bool, int64, float64:
	default:
		*room -= 64 // no value of another type has parts that a condition sees
	}
	return *room >= 0
}

func fitAll(items []any, room *int) bool {
	if *room -= len(items); *room < 0 {
		return false
	}
	for _, item := range items {
		if !fits(item, room) {
			return false
		}
	}
	return true
}
