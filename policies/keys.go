package policies

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
	"unicode/utf8"
)

// version is the version of the policy language that Parse reads.
const version = 1

func readVersion(c *checker, f field, _ *Policy) {
	if _, mistake := readCount(f.value); mistake != nil {
		mistake.hint = "write policy = 1"
		c.complain(f, mistake)
	}
}

// isOtherVersion reports a policy of another version of the language. Whether
// the rest of it is right or wrong cannot be said.
func (c *checker) isOtherVersion() bool {
	e, ok := c.doc.root.get("policy")
	if !ok {
		return false
	}
	n, mistake := readCount(e.value)
	if mistake != nil || n == version {
		return false
	}
	c.report(e.value.at, fmt.Sprintf("policy version %d is not supported", n), "this program reads policy = 1")
	return true
}

func readName(c *checker, f field, into *Policy) {
	text, ok := c.text(f)
	switch wrong := policyName.mistake(text); {
	case !ok:
	case text == "":
		c.complain(f, &complaint{f.value.at, "must not be empty", `write for example name = "analyst"`})
	case utf8.RuneCountInString(text) > maxName:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must not be longer than %d characters", maxName), ""})
	case wrong >= 0:
		c.complain(f, &complaint{
			f.value.within(wrong), "a name cannot have " + character(text, wrong) + place(wrong),
			"use printable characters, and no space first",
		})
	default:
		into.Name = text
	}
}

// place says where in a name a character is wrong.
func place(offset int) string {
	if offset == 0 {
		return " at its beginning"
	}
	return ""
}

// The grammar of a package's name in Python's package index and of a version
// without wildcards. Few policies need it, so it is compiled when one does.
var packageGrammar = sync.OnceValue(func() (g struct{ name, version, separators *regexp.Regexp }) {
	g.name = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	g.version = regexp.MustCompile(`^([0-9]+!)?[0-9]+(\.[0-9]+)*((a|b|rc)[0-9]+)?(\.post[0-9]+)?(\.dev[0-9]+)?(\+[a-z0-9]+(\.[a-z0-9]+)*)?$`)
	g.separators = regexp.MustCompile(`[-_.]+`)
	return g
})

func readPackages(c *checker, f field, into *Python) {
	items, _ := c.list(f)
	into.Packages = nil
	seen, grammar := map[string]bool{}, packageGrammar()
	for _, item := range items {
		name, version, exact := strings.Cut(item.text, "==")
		same := strings.ToLower(grammar.separators.ReplaceAllString(name, "-"))
		switch {
		case len(item.text) > maxModule:
			c.complain(f, &complaint{item.at, fmt.Sprintf("must not be longer than %d bytes", maxModule), ""})
		case !exact && grammar.name.MatchString(name):
			c.complain(f, &complaint{item.at, quote(item.text) + " names no version", "write one exact version, such as \"attrs==25.3.0\""})
		case !exact || !grammar.name.MatchString(name):
			c.complain(f, &complaint{item.at, quote(item.text) + " is not a package with its version", "write for example \"attrs==25.3.0\""})
		case !grammar.version.MatchString(version):
			c.complain(f, &complaint{item.within(len(name) + 2), quote(version) + " is not one exact version", "write for example \"" + name + "==25.3.0\""})
		case seen[same]:
			c.complain(f, &complaint{item.at, "package " + quote(name) + " is listed twice", ""})
		default:
			seen[same] = true
			into.Packages = append(into.Packages, Package{name, version, c.doc.position(item.at)})
		}
	}
}
