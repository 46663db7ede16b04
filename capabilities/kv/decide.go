package kv

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// MaxKey is how long a key may be, in bytes of UTF-8.
const MaxKey = 512

// decide checks the key. Its canonical value is the key, or the prefix, as a string.
func decide(call policies.ScopedCall) policies.Verdict {
	parameter := "key"
	if call.Function == "list" {
		parameter = "prefix"
	}
	given, _ := call.Arguments.Lookup(parameter)
	key, ok := given.(string)
	if !ok {
		return policies.Verdict{Reason: fmt.Sprintf("the %s is %s, not str", parameter, values.TypeName(given))}
	}
	if wrong := checkKey(key); wrong != "" && (key != "" || parameter == "key") {
		return policies.Verdict{Reason: fmt.Sprintf("the %s %s", parameter, wrong), Nearest: fmt.Sprintf("text of 1 to %d bytes without control characters", MaxKey)}
	}
	return policies.Verdict{Allow: true, Canonical: key}
}

func checkKey(key string) string {
	switch {
	case key == "":
		return "is empty"
	case len(key) > MaxKey:
		return fmt.Sprintf("is longer than %d bytes", MaxKey)
	case !utf8.ValidString(key):
		return "is not Unicode text"
	case strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || 0x7f <= r && r < 0xa0 }):
		return "has a control character"
	}
	return ""
}
