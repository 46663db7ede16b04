package packages

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A version is a parsed one (PEP 440).
type version struct {
	epoch   int
	release []int // without zeros at its end
	written int   // how many numbers release had as written
	// Where it is before and after the release itself: dev < a < b < rc < none < post.
	pre   [2]int // kind and number
	post  int    // -1: none
	dev   int    // math.MaxInt: none
	local string
}

const (
	preDev = iota // a dev release of the version itself
	preAlpha
	preBeta
	preCandidate
	preNone
)

var versionGrammar = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^v?(?:([0-9]+)!)?([0-9]+(?:\.[0-9]+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?([0-9]*))?((?:-([0-9]+))|(?:[-_.]?(?:post|rev|r)[-_.]?([0-9]*)))?([-_.]?dev[-_.]?([0-9]*))?(?:\+([a-z0-9]+(?:[-_.][a-z0-9]+)*))?$`)
})

const versionLimit = 100 // bytes

func parseVersion(text string) (version, error) {
	text = strings.ToLower(strings.TrimSpace(text))
	parts := versionGrammar().FindStringSubmatch(text)
	if parts == nil || len(text) > versionLimit {
		return version{}, fmt.Errorf("%.60q is not a version", text)
	}
	var failed error
	number := func(digits string) int {
		if digits == "" {
			return 0
		}
		n, err := strconv.ParseInt(digits, 10, 32)
		if err != nil {
			failed = errors.New("a number in a version is too large")
		}
		return int(n)
	}
	v := version{epoch: number(parts[1]), post: -1, dev: math.MaxInt, local: parts[10]}
	for digits := range strings.SplitSeq(parts[2], ".") {
		v.release = append(v.release, number(digits))
	}
	v.written = len(v.release)
	for len(v.release) > 1 && v.release[len(v.release)-1] == 0 {
		v.release = v.release[:len(v.release)-1]
	}
	if parts[5] != "" {
		v.post = number(parts[6] + parts[7])
	}
	if parts[8] != "" {
		v.dev = number(parts[9])
	}
	v.pre[1] = number(parts[4])
	switch parts[3] {
	case "a", "alpha":
		v.pre[0] = preAlpha
	case "b", "beta":
		v.pre[0] = preBeta
	case "":
		v.pre[0] = preNone
		if v.post < 0 && parts[8] != "" {
			v.pre[0] = preDev
		}
	default:
		v.pre[0] = preCandidate
	}
	return v, failed
}

func (v version) compare(o version) int {
	return cmp.Or(cmp.Compare(v.epoch, o.epoch), slices.Compare(v.release, o.release), slices.Compare(v.pre[:], o.pre[:]),
		cmp.Compare(v.post, o.post), cmp.Compare(v.dev, o.dev))
}

// begins reports whether v is one of "prefix.*".
func (v version) begins(prefix version) bool {
	number := func(release []int, i int) int {
		if i < len(release) {
			return release[i]
		}
		return 0
	}
	for i := range prefix.written {
		if number(v.release, i) != number(prefix.release, i) {
			return false
		}
	}
	return v.epoch == prefix.epoch
}

// sameVersion reports whether two texts are the same version: 1.0 and 1.0.0 are.
func sameVersion(a, b string) bool {
	x, err1 := parseVersion(a)
	y, err2 := parseVersion(b)
	return err1 == nil && err2 == nil && x.compare(y) == 0 && x.local == y.local
}

// specifiers are what a requirement says of versions; all must hold.
type specifiers []specifier

type specifier struct {
	operator string
	text     string
	prefix   bool // ==1.2.* and !=1.2.*
	version  version
}

func parseSpecifiers(text string) (specifiers, error) {
	var all specifiers
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		var s specifier
		for _, operator := range []string{"===", "~=", "==", "!=", "<=", ">=", "<", ">"} {
			if rest, ok := strings.CutPrefix(part, operator); ok {
				s.operator, s.text = operator, strings.TrimSpace(rest)
				break
			}
		}
		if s.operator == "" {
			return nil, fmt.Errorf("%.60q does not compare versions", part)
		}
		text := s.text
		if s.operator == "==" || s.operator == "!=" {
			text, s.prefix = strings.CutSuffix(text, ".*")
		}
		var err error
		if s.version, err = parseVersion(text); err != nil {
			return nil, err
		}
		if s.operator == "~=" && s.version.written < 2 {
			return nil, fmt.Errorf("%.60q needs two numbers or more", part)
		}
		all = append(all, s)
	}
	return all, nil
}

func (all specifiers) match(text string) bool {
	v, err := parseVersion(text)
	if err != nil {
		return false
	}
	for _, s := range all {
		if !s.match(v, text) {
			return false
		}
	}
	return true
}

func (s specifier) match(v version, text string) bool {
	order := v.compare(s.version)
	equal := order == 0 && (s.version.local == "" || s.version.local == v.local)
	if s.prefix {
		equal = v.begins(s.version)
	}
	sameRelease := v.epoch == s.version.epoch && slices.Equal(v.release, s.version.release)
	switch s.operator {
	case "===":
		return strings.EqualFold(text, s.text)
	case "==":
		return equal
	case "!=":
		return !equal
	case "<=":
		return order <= 0
	case ">=":
		return order >= 0
	case "<": // 1.0rc1 is not <1.0
		return order < 0 && !(sameRelease && v.pre[0] < preNone && s.version.pre[0] == preNone)
	case ">": // nor is 1.0.post1 >1.0
		return order > 0 && !(sameRelease && v.post >= 0 && s.version.post < 0)
	default: // "~="
		prefix := s.version
		prefix.written--
		return order >= 0 && v.begins(prefix)
	}
}
