package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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

func readPackages(c *checker, f field, _ *Python) {
	items, _ := c.list(f)
	for _, item := range items {
		c.complain(f, &complaint{item.at, "packages are not supported", "leave the array empty"})
	}
}

// readFunctions reads what a grant grants; the family is known to exist.
func readFunctions(c *checker, f field, into *Grant) {
	items, ok := c.list(f)
	if ok && len(f.items) == 0 {
		c.complain(f, &complaint{f.value.at, "must not be empty", "name at least one function, or remove the grant"})
	}
	valid := c.vocab.Families[into.Family]
	items = slices.DeleteFunc(items, func(item *value) bool {
		mistake := functionMistake(item, into.Family, valid)
		if mistake != nil {
			c.complain(f, mistake)
		}
		return mistake != nil
	})
	slices.SortFunc(items, func(a, b *value) int { return cmp.Compare(a.text, b.text) })
	for _, item := range items {
		into.Functions = append(into.Functions, item.text)
		into.Positions = append(into.Positions, c.doc.position(item.at))
	}
}

func functionMistake(item *value, family string, valid []string) *complaint {
	short, qualified := strings.CutPrefix(item.text, family+".")
	switch {
	case item.text == "*":
		return &complaint{item.at, "\"*\" is not supported", "name each function: what a family gains later should not be granted by itself"}
	case qualified && slices.Contains(valid, short):
		return &complaint{item.at, quote(item.text) + " is not a function's name", fmt.Sprintf("write %q: the family is given by the table", short)}
	case !functionName.matches(item.text):
		return &complaint{
			item.at, quote(item.text) + " is not a function's name",
			suggest(item.text, valid, "a function is written in lower-case letters, digits and '_', a letter first"),
		}
	case !slices.Contains(valid, item.text):
		return &complaint{
			item.at, fmt.Sprintf("there is no function %s in family %q", quote(item.text), family),
			suggest(item.text, valid, choices("there are", valid)),
		}
	}
	return nil
}
