package packages

import (
	"errors"
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/guest"
)

// A requirement is one Requires-Dist (PEP 508): a name, perhaps extras of that package, versions, and a marker that says where
// it holds.
type requirement struct {
	text     string
	name     string
	extras   []string // normal
	versions specifiers
	marker   marker // nil: always
}

const requirementLimit = 2000 // bytes

func parseRequirement(text string) (requirement, error) {
	if len(text) > requirementLimit {
		return requirement{}, fmt.Errorf("longer than %d bytes", requirementLimit)
	}
	r := requirement{}
	head, condition, conditional := strings.Cut(text, ";")
	r.text = strings.TrimSpace(head)
	if strings.Contains(head, "@") {
		return r, errors.New("requirements by address are not supported")
	}
	end := strings.IndexAny(r.text, " \t[(<>=!~")
	if end < 0 {
		end = len(r.text)
	}
	rest := strings.TrimSpace(r.text[end:])
	if r.name = r.text[:end]; !packageName().MatchString(r.name) {
		return r, errors.New("no name of a package")
	}
	if inner, ok := strings.CutPrefix(rest, "["); ok {
		list, after, closed := strings.Cut(inner, "]")
		if !closed {
			return r, errors.New("a [ without ]")
		}
		for extra := range strings.SplitSeq(list, ",") {
			if extra = strings.TrimSpace(extra); extra != "" {
				r.extras = append(r.extras, normal(extra))
			}
		}
		rest = strings.TrimSpace(after)
	}
	if inner, ok := strings.CutPrefix(rest, "("); ok {
		if rest, ok = strings.CutSuffix(inner, ")"); !ok {
			return r, errors.New("a ( without )")
		}
	}
	var err error
	if r.versions, err = parseSpecifiers(rest); err != nil {
		return r, err
	}
	if conditional {
		r.marker, err = parseMarker(condition)
	}
	return r, err
}

// holds reports whether the requirement holds in the guest, for a package of which these extras are wanted.
func (r requirement) holds(extras map[string]bool) bool {
	if r.marker == nil || r.marker(guestEnvironment("")) {
		return true
	}
	for extra := range extras {
		if r.marker(guestEnvironment(extra)) {
			return true
		}
	}
	return false
}

// guestEnvironment are the variables of markers, as Python in the guest would answer them.
func guestEnvironment(extra string) map[string]string {
	major, rest, _ := strings.Cut(guest.PythonVersion, ".")
	minor, _, _ := strings.Cut(rest, ".")
	return map[string]string{
		"python_version": major + "." + minor, "python_full_version": guest.PythonVersion, "implementation_version": guest.PythonVersion,
		"implementation_name": "cpython", "platform_python_implementation": "CPython",
		"os_name": "posix", "sys_platform": "wasi", "platform_system": "wasi", "platform_machine": "wasm32",
		"platform_release": "", "platform_version": "", "extra": extra,
	}
}
