package fs

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// decide says whether the scope permits a call. Its canonical value is a *target, or a *search for glob.
func decide(call policies.ScopedCall) policies.Verdict {
	parameter, writing := "path", false
	switch call.Function {
	case "read", "list", "stat":
	case "glob":
		parameter = "pattern"
	case "write", "append", "mkdir", "remove":
		writing = true
	default:
		return policies.Verdict{Reason: fmt.Sprintf("nothing is known of %q", call.Function)}
	}
	roots := call.Scope.Map("roots")
	given, _ := call.Arguments.Lookup(parameter)
	text, ok := given.(string)
	if !ok {
		return policies.Verdict{Key: "roots", Reason: fmt.Sprintf("the %s is %s, not str", parameter, values.TypeName(given)), Nearest: below(roots, nil)}
	}
	canonical, err := clean(text)
	if err != nil {
		return policies.Verdict{Key: "roots", Reason: err.Error(), Nearest: below(roots, nil)}
	}
	root, rest, _ := strings.Cut(canonical, "/")
	folder, ok := roots[root]
	if !ok {
		return policies.Verdict{Key: "roots", Reason: fmt.Sprintf("%q is not below a root", canonical), Nearest: below(roots, nil)}
	}
	t := &target{path: canonical, root: root, folder: folder, name: "."}
	if rest != "" {
		t.name = filepath.FromSlash(rest)
	}
	if parameter == "pattern" {
		s, err := newSearch(t, rest)
		if err != nil {
			return policies.Verdict{Key: "roots", Reason: err.Error()}
		}
		return policies.Verdict{Allow: true, Key: "roots", Reason: fmt.Sprintf("%q is below root %q", canonical, root), Canonical: s}
	}
	if !writing {
		return policies.Verdict{Allow: true, Key: "roots", Reason: fmt.Sprintf("%q is below root %q", canonical, root), Canonical: t}
	}
	writable := call.Scope.List("writable")
	switch {
	case !slices.Contains(writable, root):
		return policies.Verdict{Key: "writable", Reason: fmt.Sprintf("root %q is read-only", root), Nearest: below(roots, writable)}
	case t.top():
		return policies.Verdict{Key: "writable", Reason: fmt.Sprintf("%q is a root itself", canonical), Nearest: below(roots, []string{root})}
	}
	return policies.Verdict{Allow: true, Key: "writable", Reason: fmt.Sprintf("root %q is writable", root), Canonical: t}
}

// below lists the roots for a message, those in only if it is not nil.
func below(roots map[string]string, only []string) string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(roots)) {
		if only == nil || slices.Contains(only, name) {
			names = append(names, name+"/…")
		}
	}
	if len(names) == 0 {
		return "nothing: no root is writable"
	}
	return strings.Join(names, ", ")
}
