package policies

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A Grant is one [grant.FAMILY] table: the functions of one capability family
// that may be called, and under which terms.
type Grant struct {
	// Family is the family's name, for example "math".
	Family string

	// Functions is sorted and names each function once. It is never empty.
	Functions []string

	// Position is that of the grant's table.
	Position Position

	// Positions says where each function is named: Positions[i] belongs to
	// Functions[i].
	Positions []Position

	Terms

	// Scope holds the family's own keys.
	Scope Scope

	// Conditions must all hold. A policy has at most one for a grant, and those
	// of the policies that it extends.
	Conditions []*Condition

	rule   string // "grant.math", made once so that Decide need not
	decide func(ScopedCall) Verdict
	open   bool      // the policy does not know the functions: of a tool, a server, or an open family
	names  []Pattern // of an open grant: Functions, compiled, if one of them is a pattern
}

// Rule returns the name by which decisions refer to the grant: "grant.math".
func (g *Grant) Rule() string {
	if g.rule != "" {
		return g.rule
	}
	return "grant." + g.Family
}

// PythonName returns the name of the grant's module in Python.
func (g *Grant) PythonName() string { return cmp.Or(g.As, g.Family) }

// Decides reports whether the grant was parsed with a family that decides about
// its own scope, so that [Policy.Decide] asks it.
func (g *Grant) Decides() bool { return g.decide != nil }

// NeedsArguments reports whether deciding about a call needs its arguments.
func (g *Grant) NeedsArguments() bool { return g.decide != nil || len(g.Conditions) > 0 }

// function returns where a function is named.
func (g *Grant) function(name string) (Position, bool) {
	if g.open {
		return g.openFunction(name)
	}
	i, ok := slices.BinarySearch(g.Functions, name)
	if !ok {
		return Position{}, false
	}
	if i < len(g.Positions) {
		return g.Positions[i], true
	}
	return g.Position, true
}

// Terms are the keys that grants and tools have in common. The zero value sets no terms.
type Terms struct {
	Calls   int64         // how many calls in a session; 0: any number
	Rate    Rate          // how many calls in a time, of all sessions together
	Timeout time.Duration // how long one call may take; 0: as long as the run
	Approve string        // ApproveNever, ApproveOnce or ApproveAlways; empty is never
	As      string        // the name in Python; empty: the family's
	Note    string        // why it is granted
	Expires time.Time     // the instant from which it is granted no more; zero: never
}

// The values of [Terms.Approve].
const (
	ApproveNever  = "never"  // nobody is asked
	ApproveOnce   = "once"   // at a function's first call in a session; the answer holds for the session
	ApproveAlways = "always" // at each call
)

// asks reports whether a human is to be asked.
func (t *Terms) asks() bool { return t.Approve != "" && t.Approve != ApproveNever }

// A Rate is a number of calls in a length of time. The zero Rate is no limit.
type Rate struct {
	Calls int64
	Per   time.Duration
}

// String returns the rate as a policy would have it: "5/s".
func (r Rate) String() string {
	for _, unit := range rateUnits {
		if unit.per == r.Per {
			return fmt.Sprintf("%d/%s", r.Calls, unit.name)
		}
	}
	return fmt.Sprintf("%d/%s", r.Calls, printDuration(int64(r.Per)))
}

var rateUnits = []struct {
	name string
	per  time.Duration
}{{"s", time.Second}, {"m", time.Minute}, {"h", time.Hour}, {"d", 24 * time.Hour}}

const (
	maxCalls   = 1_000_000_000
	maxRate    = 10_000 // the times of so many calls are kept
	maxRatePer = 24 * time.Hour
	maxNote    = 500 // characters
	rateType   = `a rate such as "5/s"`
)

var termKeys = section[Terms]{
	{
		Key: Key{
			Path: "calls", Type: countType, Min: "1", Max: printCount(maxCalls), Unit: "calls in a session", Default: "any number",
			Doc:     "How many calls a session may make of the functions of this table together.",
			Example: "20",
		},
		read: func(c *checker, f field, into *Terms) { into.Calls = c.quantity(f, counts, 1, maxCalls) },
	},
	{
		Key: Key{
			Path: "rate", Type: rateType, Unit: "calls in a time", Default: "no limit",
			Doc:     "How many calls may be made in any stretch of time, by all sessions of one host together: \"5/s\", \"100/m\", \"1000/h\", \"5/10s\".",
			Example: `"5/s"`,
		},
		read: readRate,
	},
	{
		Key: Key{
			Path: "timeout", Type: durationType, Min: "1ms", Max: "24h", Unit: "time", Default: "what is left of limits.wall_time",
			Doc:     "How long one call may take.",
			Example: `"5s"`,
		},
		read: func(c *checker, f field, into *Terms) {
			into.Timeout = time.Duration(c.quantity(f, durations, int64(time.Millisecond), int64(24*time.Hour)))
		},
	},
	{
		Key: Key{
			Path: "approve", Type: `"never", "once" or "always"`, Default: `"never"`, Choices: []string{ApproveNever, ApproveOnce, ApproveAlways},
			Doc:     "Whether a human is asked: at each call, or at a function's first call in a session, the answer then holding for the session.",
			Example: `"once"`,
		},
		read: func(c *checker, f field, into *Terms) {
			into.Approve = c.choice(f, ApproveNever, ApproveOnce, ApproveAlways)
		},
	},
	{
		Key: Key{
			Path: "as", Type: "a string", Default: "the family's name",
			Doc:     "What the module is called in Python.",
			Example: `"report_math"`,
		},
		read: readAs,
	},
	{
		Key: Key{
			Path: "note", Type: "a string", Default: "none",
			Doc:     "Why it is granted, for those who review the policy and those who are asked to approve a call.",
			Example: `"the weekly report needs it"`,
		},
		read: readNote,
	},
	{
		Key: Key{
			Path: "expires", Type: expiresType, Default: "never",
			Doc:     "The instant from which it is granted no more.",
			Example: "2030-01-01T00:00:00Z",
		},
		read: readExpires,
	},
}

const expiresType = "a date and time with an offset, such as 2030-01-01T00:00:00Z"

var grantKeys = append(section[Grant]{
	{
		Key: Key{
			Path: "functions", Type: "an array of strings",
			Doc:     "The functions of the family that may be called.",
			Example: `["sqrt", "log"]`,
		},
		required: "name the functions that are granted",
		read:     readFunctions,
	},
}, append(lift(whenKeys, func(g *Grant) *[]*Condition { return &g.Conditions }), lift(termKeys, func(g *Grant) *Terms { return &g.Terms })...)...)

// whenKeys is the key of conditions.
var whenKeys = section[[]*Condition]{
	{
		Key: Key{
			Path: "when", Type: "a string", Default: "none",
			Doc:     "A condition on the arguments, in CEL. A call for which it is not true is denied.",
			Example: `'args.x < 100'`,
		},
		read: readWhen,
	},
}

// lift makes keys of a part of a T into keys of the T.
func lift[T, S any](keys section[S], part func(*T) *S) section[T] {
	lifted := make(section[T], len(keys))
	for i, k := range keys {
		lifted[i] = key[T]{Key: k.Key, required: k.required}
		lifted[i].read = func(c *checker, f field, into *T) { k.read(c, f, part(into)) }
	}
	return lifted
}

func readRate(c *checker, f field, into *Terms) {
	const hint = `write for example "5/s", "100/m" or "5/10s"`
	text, ok := c.text(f)
	if !ok {
		return
	}
	number, per, found := strings.Cut(text, "/")
	n, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil || strings.Trim(number, "0123456789") != "" {
		c.complain(f, &complaint{f.value.at, quote(text) + " is not a rate", hint})
		return
	}
	length, ok := rateLength(per)
	switch {
	case !ok:
		c.complain(f, &complaint{f.value.within(len(number) + 1), quote(per) + " is not a length of time", "the units are s, m, h and d, or a duration such as 10s"})
	case n < 1:
		c.complain(f, &complaint{f.value.at, number + " is below the minimum of 1", "to permit no call, remove the grant"})
	case n > maxRate:
		c.complain(f, &complaint{f.value.at, "the number is above the maximum of " + printCount(maxRate), ""})
	case length < time.Millisecond || length > maxRatePer:
		c.complain(f, &complaint{f.value.within(len(number) + 1), "the time must be from 1ms to 24h", ""})
	default:
		into.Rate = Rate{n, length}
	}
}

func rateLength(text string) (time.Duration, bool) {
	for _, unit := range rateUnits {
		if unit.name == text {
			return unit.per, true
		}
	}
	if !durationGrammar.MatchString(text) {
		return 0, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

// reserved are names in Python that a grant cannot take.
var reserved = []string{"postern", "tools", "builtins", "sys"}

var pythonKeywords = strings.Fields(`and as assert async await break class continue def del elif else except finally for from global if
	import in is lambda nonlocal not or pass raise return try while with yield`)

func readAs(c *checker, f field, into *Terms) {
	text, ok := c.text(f)
	switch {
	case !ok:
	case !functionName.matches(text):
		c.complain(f, &complaint{f.value.at, quote(text) + " cannot be a module's name here", "a name is lower-case letters, digits and '_', a letter first"})
	case slices.Contains(reserved, text) || slices.Contains(pythonKeywords, text):
		c.complain(f, &complaint{f.value.at, quote(text) + " means something else in Python", "choose another name"})
	default:
		into.As = text
	}
}

func readNote(c *checker, f field, into *Terms) {
	text, ok := c.text(f)
	wrong := strings.IndexFunc(text, unprintable)
	switch {
	case !ok:
	case utf8.RuneCountInString(text) > maxNote:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must not be longer than %d characters", maxNote), ""})
	case wrong >= 0:
		c.complain(f, &complaint{f.value.within(wrong), "a note cannot have " + character(text, wrong), "write one line of printable characters"})
	default:
		into.Note = text
	}
}

func readExpires(c *checker, f field, into *Terms) {
	if f.kind != dateKind {
		hint := ""
		if _, err := time.Parse(time.RFC3339, f.value.text); f.kind == stringKind && err == nil {
			hint = "write it without quotes"
		}
		c.complain(f, f.mismatch(expiresType, hint))
		return
	}
	// TOML also lets a blank stand for the T, both letters be small, and seconds be left out.
	text := strings.ToUpper(strings.Replace(f.value.text, " ", "T", 1))
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04Z07:00"} {
		if t, err := time.Parse(layout, text); err == nil {
			into.Expires = t
			return
		}
	}
	hint := "write an instant, such as 2030-01-01T00:00:00Z"
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		hint = "write " + t.Format(time.RFC3339)
	} else if t, err := time.Parse("2006-01-02T15:04:05", text); err == nil {
		hint = "write " + t.Format(time.RFC3339) + " if the time is UTC"
	}
	c.complain(f, &complaint{f.value.at, "expected " + expiresType + ", found one without an offset", hint})
}

// readGrants reads [grant]: one table for each family.
func readGrants(c *checker, f field, into *Policy) {
	into.Grants = readGrantTables(c, f, into.Grants)
	if f.kind == tableKind {
		c.checkPythonNames(f, into.Grants)
	}
}

// readGrantTables reads grants. Those of the policy that is extended, base, are
// what the tables of the same name begin with; without a table they are not granted.
func readGrantTables(c *checker, f field, base []Grant) (grants []Grant) {
	if !c.isTable(f) {
		return nil
	}
	for _, e := range f.table.entries {
		table := field{f.path + "." + pathKey(e.name), e.at, e.value}
		known := c.isFamily(e)
		if !c.isTable(table) {
			continue
		}
		grant := Grant{Family: e.name}
		keys := slices.Concat(grantKeys, scopeSection(c.vocab.Families[e.name].Scopes))
		if i := slices.IndexFunc(base, func(g Grant) bool { return g.Family == e.name }); i >= 0 {
			grant = base[i].inherit()
			keys = keys.optional()
		}
		grant.Position, grant.rule = c.doc.position(e.value.at), table.path
		if !known {
			// Its functions and scope keys would all be unknown too: once is enough.
			keys = keys.without("functions").without("when")
		}
		family := c.vocab.Families[e.name]
		grant.decide, grant.open = family.Decide, family.Open
		c.note(table.path, e.value.at)
		if known {
			keys.read(c, table.path+".", e.value.table, &grant)
		} else {
			keys.readKnown(c, table.path+".", e.value.table, &grant)
		}
		grant.Scope.fill(family.Scopes, c.defaults)
		grants = append(grants, grant)
	}
	slices.SortFunc(grants, func(a, b Grant) int { return strings.Compare(a.Family, b.Family) })
	return grants
}

// inherit returns what a grant begins with that narrows this one.
func (g Grant) inherit() Grant {
	g.Functions, g.Positions = slices.Clone(g.Functions), slices.Clone(g.Positions)
	g.Conditions = slices.Clone(g.Conditions)
	g.Scope = g.Scope.clone()
	return g
}

// checkPythonNames reports two modules of one name.
func (c *checker) checkPythonNames(f field, grants []Grant) {
	taken := map[string]string{}
	for i := range grants {
		if grants[i].As == "" {
			taken[grants[i].Family] = grants[i].Family
		}
	}
	for _, e := range f.table.entries {
		i := slices.IndexFunc(grants, func(g Grant) bool { return g.Family == e.name && g.As != "" })
		if i < 0 {
			continue
		}
		g := &grants[i]
		if other, twice := taken[g.As]; twice {
			at := e.at
			if as, ok := e.value.table.get("as"); ok {
				at = as.value.at
			}
			c.report(at, fmt.Sprintf("%s.as: %q is already the name of [grant.%s]", g.Rule(), g.As, other), "choose another name")
			continue
		}
		taken[g.As] = g.Family
	}
}

// optional returns the section with no key that must be there.
func (s section[T]) optional() section[T] {
	s = slices.Clone(s)
	for i := range s {
		s[i].required = ""
	}
	return s
}

// without returns the section with a key that is known and not looked at.
func (s section[T]) without(name string) section[T] {
	s = slices.Clone(s)
	for i := range s {
		if s[i].Path == name {
			s[i].required, s[i].read = "", func(*checker, field, *T) {}
		}
	}
	return s
}

func (c *checker) isFamily(e entry) bool {
	if _, known := c.vocab.Families[e.name]; known && familyName.matches(e.name) {
		return true
	}
	families := c.vocab.familyNames()
	if !familyName.matches(e.name) {
		c.report(e.at, quote(e.name)+" is not a family's name",
			c.suggest(e.name, families, "a family is written in lower-case letters and digits, a letter first"))
	} else {
		c.report(e.at, "there is no family "+quote(e.name), c.suggest(e.name, families, choices("there are", families)))
	}
	return false
}

// readFunctions reads what a grant grants; the family is known to exist.
func readFunctions(c *checker, f field, into *Grant) {
	items, ok := c.list(f)
	if ok && len(f.items) == 0 {
		c.complain(f, &complaint{f.value.at, "must not be empty", "name at least one function, or remove the grant"})
	}
	valid := c.vocab.Families[into.Family].names()
	items = slices.DeleteFunc(items, func(item *value) bool {
		mistake := c.functionMistake(item, into.Family, valid)
		if mistake != nil {
			c.complain(f, mistake)
		}
		return mistake != nil
	})
	slices.SortFunc(items, func(a, b *value) int { return cmp.Compare(a.text, b.text) })
	into.Functions, into.Positions = nil, nil
	for _, item := range items {
		into.Functions = append(into.Functions, item.text)
		into.Positions = append(into.Positions, c.doc.position(item.at))
	}
}

func (c *checker) functionMistake(item *value, family string, valid []string) *complaint {
	short, qualified := strings.CutPrefix(item.text, family+".")
	open := c.vocab.Families[family].Open
	switch {
	case item.text == "*":
		return &complaint{item.at, "\"*\" is not supported", "name each function: what a family gains later should not be granted by itself"}
	case open && functionName.matches(item.text):
		return nil
	case qualified && slices.Contains(valid, short):
		return &complaint{item.at, quote(item.text) + " is not a function's name", fmt.Sprintf("write %q: the family is given by the table", short)}
	case !functionName.matches(item.text):
		return &complaint{
			item.at, quote(item.text) + " is not a function's name",
			c.suggest(item.text, valid, "a function is written in lower-case letters, digits and '_', a letter first"),
		}
	case !slices.Contains(valid, item.text):
		return &complaint{
			item.at, fmt.Sprintf("there is no function %s in family %q", quote(item.text), family),
			c.suggest(item.text, valid, choices("there are", valid)),
		}
	}
	return nil
}
