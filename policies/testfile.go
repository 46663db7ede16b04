package policies

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/values"
)

// A Suite is what one file of tests says about a policy.
type Suite struct {
	File  string
	Now   time.Time // when the tests begin that do not say
	Tests []Test

	// Tools are the functions of the tools whose tables do not name theirs: the coverage counts those that are known. Whoever knows
	// the plugins sets it before [Suite.Run].
	Tools map[string][]string
}

// A Test is one [[test]]: calls of one host, one after the other, in sessions that are new.
type Test struct {
	Name     string
	Position Position
	Steps    []Step
}

// A Step is a call and what the policy is expected to decide about it.
type Step struct {
	Position Position
	Call     string // "http.get"
	Tool     string // which tool makes the call, under its own grants; empty is the code that is run
	Args     Written
	Expect   string        // ExpectAllow, ExpectDeny or ExpectAsk
	Reason   string        // what the reason or the hint contains; empty is anything
	By       string        // the key that decides; empty is any
	Now      time.Time     // the time of the call; zero is that of the step before
	After    time.Duration // how long after the step before
	Session  string        // which session calls
	Approval string        // what a human answers; empty is that nobody is asked
	Repeat   int64         // how many times the call is made
}

// The values of [Step.Expect].
const (
	ExpectAllow = "allow"
	ExpectDeny  = "deny"
	ExpectAsk   = "ask" // a human would have to be asked
)

// The values of [Step.Approval].
const (
	approvalYes    = "yes"
	approvalNo     = "no"
	approvalAlways = "always" // yes, for the rest of the session
	approvalNone   = "none"   // nobody answers
)

// defaultNow is when tests begin: they must not depend on the day on which they run.
var defaultNow = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

const maxRepeat = 10_000

// ParseTests reads a file of tests by the rules by which Parse reads a policy: all mistakes are reported at
// once, as [Errors], at their places. Calls must be of functions that the vocabulary has: see [Policy.Callable].
func ParseTests(filename string, src []byte, vocab Vocabulary) (*Suite, error) {
	c, err := newChecker(filename, src, vocab)
	if err != nil {
		return nil, err
	}
	s := &Suite{File: filename, Now: defaultNow}
	suiteKeys.read(c, "", c.doc.root, s)
	if len(c.errs) > 0 {
		c.errs.sort()
		return nil, c.errs
	}
	return s, nil
}

var suiteKeys = section[Suite]{
	{
		Key:  Key{Path: "now"},
		read: func(c *checker, f field, into *Suite) { into.Now = readInstant(c, f) },
	},
	{Key: Key{Path: "test"}, required: "write [[test]] with name, call and expect", read: readTests},
}

var stepKeys = section[Step]{
	{Key: Key{Path: "call"}, read: readStepCall},
	{Key: Key{Path: "tool"}, read: readStepTool},
	{Key: Key{Path: "args"}, read: readStepArgs},
	{Key: Key{Path: "expect"}, read: func(c *checker, f field, into *Step) {
		into.Expect = c.choice(f, ExpectAllow, ExpectDeny, ExpectAsk)
	}},
	{Key: Key{Path: "reason"}, read: func(c *checker, f field, into *Step) { into.Reason, _ = c.text(f) }},
	{Key: Key{Path: "by"}, read: func(c *checker, f field, into *Step) { into.By, _ = c.text(f) }},
	{Key: Key{Path: "now"}, read: func(c *checker, f field, into *Step) { into.Now = readInstant(c, f) }},
	{Key: Key{Path: "after"}, read: func(c *checker, f field, into *Step) {
		into.After = time.Duration(c.quantity(f, durations, 0, int64(10*365*24*time.Hour)))
	}},
	{Key: Key{Path: "session"}, read: func(c *checker, f field, into *Step) { into.Session, _ = c.text(f) }},
	{Key: Key{Path: "approval"}, read: func(c *checker, f field, into *Step) {
		into.Approval = c.choice(f, approvalYes, approvalNo, approvalAlways, approvalNone)
	}},
	{Key: Key{Path: "repeat"}, read: func(c *checker, f field, into *Step) { into.Repeat = c.quantity(f, counts, 1, maxRepeat) }},
}

var testKeys = append(section[Test]{
	{Key: Key{Path: "name"}, required: `write for example name = "reads the team's repositories"`, read: readTestName},
	{Key: Key{Path: "steps"}, read: readSteps},
}, lift(stepKeys, func(t *Test) *Step {
	if len(t.Steps) == 0 {
		t.Steps = []Step{{Repeat: 1}}
	}
	return &t.Steps[0]
})...)

func readInstant(c *checker, f field) time.Time {
	var t Terms
	readExpires(c, f, &t)
	return t.Expires
}

// elements returns the tables of an array, whether it was written as [[name]] or name = [{…}].
func (c *checker) elements(f field) []*value {
	if f.kind != arrayKind && f.kind != arrayOfTablesKind {
		c.complain(f, f.mismatch("an array of tables", ""))
		return nil
	}
	var tables []*value
	for _, item := range f.items {
		if item.kind != tableKind {
			c.complain(f, item.mismatch("a table", ""))
			continue
		}
		tables = append(tables, item)
	}
	return tables
}

func readTests(c *checker, f field, into *Suite) {
	taken := map[string]Position{}
	for _, item := range c.elements(f) {
		t := Test{Position: c.doc.position(item.at)}
		_, sequence := item.table.get("steps")
		keys := testKeys
		if sequence {
			// The calls are in the steps.
			for _, k := range stepKeys {
				if e, ok := item.table.get(k.Path); ok {
					c.report(e.at, "test: "+k.Path+" and steps are both given", "put all calls into steps")
				}
				keys = keys.without(k.Path)
			}
		}
		keys.read(c, "test.", item.table, &t)
		if !sequence {
			if len(t.Steps) == 0 {
				t.Steps = []Step{{}}
			}
			t.Steps[0].Position = t.Position
			c.checkStep("test.", item, &t.Steps[0])
		}
		if first, twice := taken[t.Name]; twice && t.Name != "" {
			e, _ := item.table.get("name")
			c.report(e.value.at, fmt.Sprintf("test.name: %s is the name of two tests; first at %d:%d", quote(t.Name), first.Line, first.Column), "")
		}
		taken[t.Name] = t.Position
		into.Tests = append(into.Tests, t)
	}
	if f.kind == arrayKind && len(f.items) == 0 {
		c.complain(f, &complaint{f.value.at, "must not be empty", ""})
	}
}

func readTestName(c *checker, f field, into *Test) {
	text, ok := c.text(f)
	wrong := strings.IndexFunc(text, unprintable)
	switch {
	case !ok:
	case text == "" || utf8.RuneCountInString(text) > maxNote:
		c.complain(f, &complaint{f.value.at, fmt.Sprintf("must have 1 to %d characters", maxNote), ""})
	case wrong >= 0:
		c.complain(f, &complaint{f.value.within(wrong), "a name cannot have " + character(text, wrong), ""})
	default:
		into.Name = text
	}
}

func readSteps(c *checker, f field, into *Test) {
	for _, item := range c.elements(f) {
		s := Step{Repeat: 1, Position: c.doc.position(item.at)}
		stepKeys.read(c, "test.steps.", item.table, &s)
		c.checkStep("test.steps.", item, &s)
		into.Steps = append(into.Steps, s)
	}
	if len(f.items) == 0 {
		c.complain(f, &complaint{f.value.at, "must not be empty", ""})
	}
}

// checkStep checks what keys of a step need of each other.
func (c *checker) checkStep(path string, item *value, s *Step) {
	for _, needed := range []struct{ name, hint string }{{"call", `write for example call = "math.sqrt"`}, {"expect", `write "allow", "deny" or "ask"`}} {
		if _, ok := item.table.get(needed.name); !ok && c.complete {
			c.report(item.at, fmt.Sprintf("%q is missing%s", needed.name, in(path)), needed.hint)
		}
	}
	family, _, _ := strings.Cut(s.Call, ".")
	if e, ok := item.table.get("call"); ok && s.Tool != "" && c.vocab.Families[family].Open {
		c.complain(field{path + "call", e.at, e.value}, &complaint{e.value.at, "a tool calls capabilities alone, and not " + quote(s.Call), "leave tool out: it says who calls"})
	}
	if e, ok := item.table.get("approval"); ok && s.Expect == ExpectAsk {
		c.report(e.at, path+"approval: nobody answers a question that is expected to be open", `expect "allow" or "deny", or leave approval out`)
	}
	if e, ok := item.table.get("after"); ok && !s.Now.IsZero() {
		c.report(e.at, path+"after: now and after are both given", "leave one out")
	}
}

func readStepCall(c *checker, f field, into *Step) {
	text, ok := c.text(f)
	if !ok {
		return
	}
	family, name, _ := strings.Cut(text, ".")
	known, ok := c.vocab.Families[family]
	_, exists := c.vocab.function(family, name)
	switch {
	case !functionName.matches(family) || !functionName.matches(name):
		c.complain(f, &complaint{f.value.at, quote(text) + " is not a capability's name", "write for example math.sqrt"})
	case !ok:
		families := c.vocab.familyNames()
		c.complain(f, &complaint{f.value.at, "there is no family " + quote(family), c.suggest(family, families, choices("there are", families))})
	case known.Open:
		into.Call = text
	case !exists:
		c.complain(f, &complaint{
			f.value.within(len(family) + 1), fmt.Sprintf("there is no function %s in family %q", quote(name), family),
			c.suggest(name, known.names(), choices("there are", known.names())),
		})
	default:
		into.Call = text
	}
}

func readStepTool(c *checker, f field, into *Step) {
	name, ok := c.text(f)
	if !ok {
		return
	}
	if !c.vocab.Families[name].tool {
		var tools []string
		for _, family := range c.vocab.familyNames() {
			if c.vocab.Families[family].tool {
				tools = append(tools, family)
			}
		}
		c.complain(f, &complaint{f.value.at, "there is no tool " + quote(name), c.suggest(name, tools, choices("there are", tools))})
		return
	}
	into.Tool = name
}

// readStepArgs reads arguments: an array by place, a table by name, or JSON in a string for what TOML has no values for.
func readStepArgs(c *checker, f field, into *Step) {
	switch f.kind {
	case stringKind:
		written, err := ParseWritten([]byte(f.value.text))
		if err != nil {
			c.complain(f, &complaint{f.value.at, printable(err.Error()), ""})
		}
		into.Args = written
	case arrayKind:
		for _, item := range f.items {
			into.Args.Args = append(into.Args.Args, c.python(f, item))
		}
	case tableKind:
		for _, e := range f.table.entries {
			into.Args.Kwargs = append(into.Args.Kwargs, values.Keyword{Name: e.name, Value: c.python(f, e.value)})
		}
	default:
		c.complain(f, f.mismatch("an array, a table, or JSON in a string", ""))
	}
}

// python makes a value of Python of one of TOML.
func (c *checker) python(f field, v *value) any {
	plain := strings.ReplaceAll(v.text, "_", "")
	switch v.kind {
	case stringKind:
		return v.text
	case integerKind:
		if n, err := strconv.ParseInt(plain, 0, 64); err == nil {
			return n
		}
		if n, ok := new(big.Int).SetString(plain, 0); ok {
			return n
		}
	case floatKind:
		switch strings.TrimLeft(plain, "+-") {
		case "inf":
			if plain[0] == '-' {
				return math.Inf(-1)
			}
			return math.Inf(1)
		case "nan":
			return math.NaN()
		}
		if x, err := strconv.ParseFloat(plain, 64); err == nil {
			return x
		}
	case booleanKind:
		return v.text == "true"
	case dateKind:
		before := len(c.errs)
		instant := readInstant(c, field{f.path, f.at, v})
		if len(c.errs) > before {
			return nil
		}
		if t, err := values.NewDateTime(instant); err == nil {
			return t
		}
	case arrayKind:
		list := values.List{}
		for _, item := range v.items {
			list = append(list, c.python(f, item))
		}
		return list
	case tableKind:
		dict := values.NewDict(len(v.table.entries))
		for _, e := range v.table.entries {
			dict.SetString(e.name, c.python(f, e.value))
		}
		return dict
	}
	c.complain(f, &complaint{v.at, quote(v.text) + " cannot be an argument", "write all arguments as JSON in a string"})
	return nil
}

// A Report is what came of the tests of one policy.
type Report struct {
	Results  []TestResult
	Coverage Coverage
}

// OK reports whether all tests passed.
func (r *Report) OK() bool {
	return !slices.ContainsFunc(r.Results, func(t TestResult) bool { return len(t.Failures) > 0 })
}

// A TestResult is what came of one test.
type TestResult struct {
	Name     string
	Position Position
	Steps    []StepResult // those that were made: a test ends with its first failure
	Failures []string     // empty if the test passed
}

// A StepResult is the last decision about a step's call.
type StepResult struct {
	Position Position
	Call     string // "math.sqrt(2.0)"
	Decision Decision
}

// Run makes the calls of all tests that are wanted, each test under a host and with sessions of its own, and compares what [Policy.Ask]
// decides with what is expected.
func (s *Suite) Run(p *Policy, wanted func(name string) bool) *Report {
	cover := newCover(p, s.Tools)
	r := &Report{Results: []TestResult{}}
	for i := range s.Tests {
		if t := &s.Tests[i]; wanted == nil || wanted(t.Name) {
			r.Results = append(r.Results, t.run(p, s.Now, cover))
		}
	}
	r.Coverage = cover.result()
	return r
}

func (t *Test) run(p *Policy, now time.Time, cover *cover) TestResult {
	r := TestResult{Name: t.Name, Position: t.Position}
	sessions, rates := map[string]*Usage{}, map[string]*Rates{}
	for i := range t.Steps {
		s := &t.Steps[i]
		now = now.Add(s.After)
		if !s.Now.IsZero() {
			now = s.Now
		}
		if sessions[s.Session] == nil {
			sessions[s.Session] = new(Usage)
		}
		if rates[s.Tool] == nil {
			rates[s.Tool] = new(Rates)
		}
		args := p.Arrange(s.Call, s.Args)
		done := StepResult{Position: s.Position, Call: s.capability() + "(" + args.String() + ")"}
		for n := int64(1); n <= s.Repeat; n++ {
			done.Decision = s.decide(p, args, now, sessions[s.Session], rates[s.Tool], cover)
			if failure := s.judge(&done.Decision); failure != "" {
				if s.Repeat > 1 {
					failure = fmt.Sprintf("call %d of %d: %s", n, s.Repeat, failure)
				}
				r.Failures = append(r.Failures, fmt.Sprintf("%v: %s: %s", s.Position, done.Call, failure))
				break
			}
		}
		r.Steps = append(r.Steps, done)
		if len(r.Failures) > 0 {
			break // what follows depends on what this one should have been
		}
	}
	return r
}

// capability is how messages call what is called.
func (s *Step) capability() string { return calledBy(s.Tool, s.Call) }

// calledBy is the name of a capability that a tool calls; an empty tool is the code that is run.
func calledBy(tool, capability string) string {
	if tool == "" {
		return capability
	}
	return "tool " + tool + ": " + capability
}

func (s *Step) decide(p *Policy, args Written, now time.Time, usage *Usage, rates *Rates, cover *cover) Decision {
	if s.Tool != "" {
		tool := p.Tool(s.Tool)
		if tool == nil {
			return Decision{Reason: "the policy has no [tool." + s.Tool + "]"}
		}
		p, usage = tool.Policy(), usage.Tool(s.Tool)
	}
	call := Call{Capability: s.Call, Session: s.Session, Now: now, Usage: usage, Rates: rates}
	d := p.Ask(call, args)
	cover.note(s.capability(), &d)
	if !d.Ask || s.Approval == "" {
		return d
	}
	call.Approval = &Approval{By: "the test"}
	switch s.Approval {
	case approvalNone:
		call.Approval.Unanswered = "the test gives no answer"
	case approvalAlways:
		call.Approval.Allow, call.Approval.Session = true, true
	case approvalYes:
		call.Approval.Allow = true
	}
	d = p.Ask(call, args)
	cover.note(s.capability(), &d)
	return d
}

// judge says what is wrong with a decision; empty if nothing is.
func (s *Step) judge(d *Decision) string {
	got := ExpectDeny
	switch {
	case d.Allow:
		got = ExpectAllow
	case d.Ask:
		got = ExpectAsk
	}
	why := d.Reason
	if d.Hint != "" {
		why += "; " + d.Hint
	}
	where := d.Position.String()
	switch {
	case d.Rule != "" && d.By != "" && d.By != "functions":
		where = fmt.Sprintf("%s of [%s] at %s", d.By, d.Rule, where)
	case d.Rule != "":
		where = fmt.Sprintf("[%s] at %s", d.Rule, where)
	}
	switch {
	case got != s.Expect:
		return fmt.Sprintf("want %s, got %s: %s (%s)", s.Expect, got, why, where)
	case !strings.Contains(why, s.Reason):
		return fmt.Sprintf("%s as wanted, but the reason does not contain %s: %s (%s)", got, quote(s.Reason), why, where)
	case s.By != "" && s.By != d.By:
		return fmt.Sprintf("%s as wanted, but not by %s: %s (%s)", got, quote(s.By), why, where)
	}
	return ""
}
