// Package env is the capability family "env": variables of the host's environment, those that a policy names.
package env

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// Family gives the family. Its functions read the environment of this process at the time of the call.
func Family() capabilities.Family {
	return capabilities.Family{
		Name: "env",
		Doc:  "Variables of the host's environment",
		Scopes: []policies.ScopeKey{{
			Name: "names", Type: policies.ScopeStrings, Min: 1, Check: checkName,
			Doc:      "The variables that can be read, each by its full name. Their values become known to the code and stand in the audit log.",
			Required: `write for example names = ["LANG"]`,
			Example:  `["LANG", "REPORT_DATE"]`,
		}},
		Decide: decide,
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{
				Family: "env", Function: "get", Signature: "(name: str, default=None)",
				Doc: "Return the value of a variable, or the default if it is not set.", Effects: capabilities.Reads,
			}, get),
			capabilities.New(capabilities.Spec{
				Family: "env", Function: "list", Signature: "()",
				Doc: "Return the sorted names of the variables that can be read and are set.", Effects: capabilities.Reads,
			}, list),
		},
	}
}

func checkName(name string) (offset int, message, hint string) {
	if i := strings.IndexByte(name, '='); i >= 0 || name == "" {
		return max(i, 0), `a variable's name is not empty and has no "="`, ""
	}
	if i := strings.IndexAny(name, "*?"); i >= 0 {
		return i, "there are no patterns of names", "list each variable"
	}
	return 0, "", ""
}

// decide compares names exactly, on all systems: on Windows, where the case of names has no meaning, it must be written as in the policy.
func decide(call policies.ScopedCall) policies.Verdict {
	if call.Function == "list" {
		return policies.Verdict{Allow: true, Key: "names", Reason: "only these are listed"}
	}
	names := call.Scope.List("names")
	given, _ := call.Arguments.Lookup("name")
	name, ok := given.(string)
	v := policies.Verdict{Key: "names", Nearest: strings.Join(names, ", ")}
	switch {
	case !ok:
		v.Reason = fmt.Sprintf("the name is %s, not str", values.TypeName(given))
	case !slices.Contains(names, name):
		v.Reason = fmt.Sprintf("%.100q is not among names", name)
	default:
		return policies.Verdict{Allow: true, Key: "names", Reason: fmt.Sprintf("names has %q", name), Canonical: name}
	}
	return v
}

func get(_ context.Context, args capabilities.Arguments) (any, error) {
	name, ok := args.Canonical().(string)
	if !ok {
		return nil, errors.New("env: the call was not decided")
	}
	value, ok := os.LookupEnv(name)
	switch {
	case !ok:
		return args.Get("default"), nil
	case !utf8.ValidString(value):
		return nil, capabilities.Raise("ValueError", "the value of %q is not UTF-8", name)
	}
	return value, nil
}

func list(_ context.Context, args capabilities.Arguments) (any, error) {
	names := []string{}
	for _, name := range args.Scope().List("names") {
		if _, ok := os.LookupEnv(name); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
