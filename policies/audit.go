package policies

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
)

var auditKeys = section[Audit]{
	{
		Key: Key{
			Path: "log", Type: "a string", Default: "the user's state folder",
			Doc:     `The folder of the audit log, relative to the policy file; "none" writes no log.`,
			Example: `"audit"`,
		},
		read: readLog,
	},
	{
		Key: Key{
			Path: "arguments", Type: `"full" or "digest"`, Default: `"full"`, Choices: []string{ArgumentsFull, ArgumentsDigest},
			Doc:     "Whether records hold the arguments of a call or only their SHA-256.",
			Example: `"digest"`,
		},
		read: func(c *checker, f field, into *Audit) {
			into.Arguments = c.choice(f, ArgumentsFull, ArgumentsDigest)
		},
	},
	{
		Key: Key{
			Path: "redact", Type: "an array of strings", Default: "[]",
			Doc:     `Paths of arguments and results that no record holds, such as "http.get.headers.*".`,
			Example: `["json.loads.s"]`,
		},
		read: readRedact,
	},
	{
		Key: Key{
			Path: "durability", Type: `"effects", "always" or "batch"`, Default: `"effects"`, Choices: []string{DurabilityEffects, DurabilityAlways, DurabilityBatch},
			Doc:     "Which records are on the disk before what they record goes on.",
			Example: `"always"`,
		},
		read: func(c *checker, f field, into *Audit) {
			into.Durability = c.choice(f, DurabilityEffects, DurabilityAlways, DurabilityBatch)
		},
	},
	{
		Key: Key{
			Path: "rotate", Type: sizeType, Default: sizes.print(defaultRotate),
			Min: sizes.print(minRotate), Max: sizes.print(maxRotate),
			Unit: "bytes", Doc: "How large a file of the log grows before the next one begins.",
			Example: `"256MiB"`,
		},
		read: func(c *checker, f field, into *Audit) {
			into.Rotate = c.quantity(f, sizes, minRotate, maxRotate)
		},
	},
	{
		Key: Key{
			Path: "key", Type: "a string", Default: "the file key in the log's folder",
			Doc:     "The file of the private key that signs the log's checkpoints, relative to the policy file.",
			Example: `"keys/audit"`,
		},
		read: func(c *checker, f field, into *Audit) {
			if text, ok := c.pathOf(f, "a file", "write the file of a key that `postern audit keygen` has made"); ok {
				into.Key = text
			}
		},
	},
}

const (
	defaultRotate = 64 * mib
	minRotate     = 64 * kib
	maxRotate     = 16 * gib

	maxRedact = 200 // characters of one path
)

func readLog(c *checker, f field, into *Audit) {
	text, ok := c.pathOf(f, "a folder", `write a folder, or "none" for no log`)
	switch {
	case !ok:
	case text != LogNone && strings.EqualFold(text, LogNone):
		c.complain(f, &complaint{
			f.value.at, quote(text) + " is neither \"none\" nor clearly a folder",
			fmt.Sprintf("write %q for no log, or %q", LogNone, "./"+text),
		})
	default:
		into.Log = text
	}
}

// pathOf returns a string that can be the path of what it is said to be.
func (c *checker) pathOf(f field, what, hint string) (string, bool) {
	text, ok := c.text(f)
	unprintable := strings.IndexFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
	switch {
	case !ok:
	case text == "":
		c.complain(f, &complaint{f.value.at, "must not be empty", hint})
	case len(text) > maxLog:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must not be longer than %d bytes", maxLog), ""})
	case unprintable >= 0:
		c.complain(f, &complaint{f.value.within(unprintable), what + " cannot have " + character(text, unprintable), ""})
	default:
		return text, true
	}
	return "", false
}

func readRedact(c *checker, f field, into *Audit) {
	items, _ := c.list(f)
	into.Redact = slices.Clone(into.Redact) // those of a policy that this one extends hold, too
	for _, item := range items {
		if mistake := c.redactMistake(item); mistake != nil {
			c.complain(f, mistake)
			continue
		}
		into.Redact = append(into.Redact, item.text)
	}
}

// redactMistake finds what would make a path match nothing: a secret that is in the log because of a slip of the pen is there for good.
func (c *checker) redactMistake(item *value) *complaint {
	const form = `write family.function.parameter, and what is in it: "http.get.headers.*"`
	parts := strings.Split(item.text, ".")
	switch {
	case len(item.text) > maxRedact:
		return &complaint{item.at, fmt.Sprintf("must not be longer than %d characters", maxRedact), ""}
	case len(parts) < 3 || slices.Contains(parts, ""):
		return &complaint{item.at, quote(item.text) + " is not the path of an argument or result", form}
	}
	families := slices.Sorted(maps.Keys(c.vocab.Families))
	family, function := parts[0], parts[1]
	if family == "*" {
		return nil
	}
	for _, open := range []string{"tool", "mcp"} {
		if _, named := c.doc.root.table(open).get(family); named {
			return nil // what functions it has the plugin says, or the server
		}
	}
	valid, known := c.vocab.Families[family]
	switch {
	case !known:
		return &complaint{item.at, "there is no family " + quote(family), suggest(family, families, choices("there are", families))}
	case function != "*" && !valid.Open && !slices.Contains(valid.names(), function):
		return &complaint{
			item.at, fmt.Sprintf("there is no function %s in family %q", quote(function), family),
			suggest(function, valid.names(), choices("there are", valid.names())),
		}
	}
	return nil
}
