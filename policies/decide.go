package policies

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A Call is one call to be decided, and what is known about it.
type Call struct {
	// Capability is its full name, "math.sqrt".
	Capability string

	// Arguments are bound to the function's parameters. Nil means that they are
	// not known: then a grant that depends on them denies.
	Arguments Arguments

	// Session identifies the session, for conditions.
	Session string

	// Now is the time of the call. The zero time is not known: then a grant that depends on it denies.
	Now time.Time

	// Usage is what the session has used. Nil counts nothing, as for a
	// session that has used nothing.
	Usage *Usage

	// Rates are those of all sessions. Nil counts nothing, and no rate is exceeded.
	Rates *Rates

	// Approval is the answer of a human, nil if none was asked.
	Approval *Approval
}

// An Approval is what a human answered to the question whether a call may be made.
type Approval struct {
	Allow bool

	// Session says that the answer holds for all calls of the function in
	// the rest of the session.
	Session bool

	// By says who answered.
	By string

	// Unanswered says why there is no answer, if there is none: the call is then denied.
	Unanswered string
}

// A Decision says whether a capability may be called, and why. The zero
// Decision denies.
type Decision struct {
	Allow bool

	// Ask says that the call is neither allowed nor denied: a human must be
	// asked, and the call decided again with the answer. Allow is then false.
	Ask bool

	// Rule is the grant that decided: "grant.math". It is empty when the
	// policy has no grant for the family.
	Rule string

	// By is the key of the grant that decided, "functions", "when", "calls" or one
	// of the family's own; empty when no grant did.
	By string

	// Position is where the policy names the function or, in a denial, where
	// that key is or else the family's grant begins. Without a grant it is the file.
	Position Position

	// Reason is why, as a clause without a full stop.
	Reason string

	// Hint is, in a denial, what would be allowed, or what to change in the policy so that it allows
	// the call. It is empty if nothing would.
	Hint string

	// Canonical is what the family made of the arguments, for the capability: see [Verdict].
	Canonical any
}

// Decide says whether the policy allows a call. It is the only place where that
// is decided: for the host, and for whoever explains or tests a policy.
//
// What is not granted is denied, and so is what is not a name. Then the terms of
// the grant are looked at in this order, and the first that does not hold denies: expires, the
// family's scope, when, calls, rate, approve. A call that is allowed is counted in its Usage and Rates,
// and an answer that holds for the session is remembered in its Usage. Nothing
// else is changed, and a denied call counts nothing.
//
// To allow without scope and condition costs two binary searches and no memory. A nil Policy denies.
// It relies on the order of Grants and Functions; a Policy that was changed
// and is out of order can deny more than it says, but never allow more.
func (p *Policy) Decide(call *Call) Decision {
	family, function, ok := strings.Cut(call.Capability, ".")
	if p == nil || !ok {
		return p.deny(call.Capability, family, function)
	}
	g, ok := p.grant(family)
	if !ok {
		return p.deny(call.Capability, family, function)
	}
	at, ok := g.function(function)
	if !ok {
		return p.deny(call.Capability, family, function)
	}
	d := Decision{Allow: true, Rule: g.Rule(), By: "functions", Position: at, Reason: "the grant names the function"}
	switch {
	case g.open && len(g.Functions) == 0:
		d.Reason = "all functions of the tool are granted"
	case g.names != nil && !slices.Contains(g.Functions, function):
		d.Reason = "a pattern of the grant names the function"
	}
	if !g.Expires.IsZero() && !p.inTime(g, call, &d) {
		return d
	}
	if g.decide != nil && !p.inScope(g, function, call, &d) {
		return d
	}
	if len(g.Conditions) > 0 && !p.holds(g, function, call, &d) {
		return d
	}
	if g.Calls > 0 && call.Usage.calls(family) >= g.Calls {
		p.refuse(g, &d, "calls", fmt.Sprintf("the session has made all of its %s", plural(g.Calls, "call")), "")
		return d
	}
	asks := g.asks()
	if g.Rate.Calls > 0 && !p.inRate(g, call, asks, &d) {
		return d
	}
	if asks {
		if !p.approved(g, call, &d) || g.Rate.Calls > 0 && !p.inRate(g, call, false, &d) {
			return d
		}
	}
	call.Usage.count(family)
	return d
}

// inRate counts the call if the rate permits it; with peek it only looks.
func (p *Policy) inRate(g *Grant, call *Call, peek bool, d *Decision) bool {
	if call.Now.IsZero() && call.Rates != nil {
		p.refuse(g, d, "rate", "the time is not known", "")
		return false
	}
	wait := call.Rates.take(g.Family, g.Rate, call.Now, peek)
	if wait > 0 {
		p.refuse(g, d, "rate", fmt.Sprintf("more than %s in %s", plural(g.Rate.Calls, "call"), printDuration(int64(g.Rate.Per))),
			"the next call is allowed in "+roundUp(wait).String())
	}
	return wait <= 0
}

// roundUp makes a time to wait readable, and not too short.
func roundUp(d time.Duration) time.Duration {
	return (d + time.Millisecond - 1).Truncate(time.Millisecond)
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return printCount(n) + " " + noun + "s"
}

// refuse makes a decision a denial by a key of the grant.
func (p *Policy) refuse(g *Grant, d *Decision, key, reason, hint string) {
	d.Allow, d.By, d.Reason, d.Hint = false, key, reason, hint
	d.Position = g.Position
	if at, ok := p.Where(g.Rule() + "." + key); ok {
		d.Position = at
	}
}

func (p *Policy) inTime(g *Grant, call *Call, d *Decision) bool {
	switch {
	case call.Now.IsZero():
		p.refuse(g, d, "expires", "the grant expires, and the time is not known", "")
	case !call.Now.Before(g.Expires):
		p.refuse(g, d, "expires", "the grant has expired on "+g.Expires.Format(time.RFC3339), "set a later expires if the grant is still wanted")
	default:
		return true
	}
	return false
}

// inScope asks the family.
func (p *Policy) inScope(g *Grant, function string, call *Call, d *Decision) bool {
	if call.Arguments == nil {
		p.refuse(g, d, "", "the arguments are not known", "")
		return false
	}
	v := g.decide(ScopedCall{Function: function, Arguments: call.Arguments, Scope: g.Scope})
	if v.Allow {
		d.Canonical = v.Canonical
		if v.Key != "" {
			d.By, d.Reason = v.Key, v.Reason
		}
		return true
	}
	p.refuseScope(g, v, d)
	return false
}

// refuseScope makes a decision the denial that a family's verdict is.
func (p *Policy) refuseScope(g *Grant, v Verdict, d *Decision) {
	reason, hint := v.Reason, ""
	if reason == "" {
		reason = "the scope does not permit it"
	}
	if v.Nearest != "" {
		hint = "permitted: " + bounded(v.Nearest)
	}
	p.refuse(g, d, v.Key, bounded(reason), hint)
}

// Refuse returns the denial that a verdict is of the grant of a family: of what a capability finds out only when it acts,
// as where a redirect leads.
func (p *Policy) Refuse(family string, v Verdict) Decision {
	g := p.Grant(family)
	if g == nil {
		return Decision{Reason: bounded(v.Reason)}
	}
	d := Decision{Rule: g.Rule()}
	p.refuseScope(g, v, &d)
	return d
}

// bounded makes a text that can hold what the guest chose fit for a message.
func bounded(text string) string {
	const most = 300
	text = printable(text)
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

func (p *Policy) holds(g *Grant, function string, call *Call, d *Decision) bool {
	if call.Arguments == nil {
		p.refuse(g, d, "when", "the arguments are not known", "")
		return false
	}
	for _, condition := range g.Conditions {
		holds, err := condition.holds(p, function, call, call.Usage.calls(g.Family)+1)
		switch {
		case err != nil:
			p.refuse(g, d, "when", "the condition cannot be decided: "+bounded(err.Error()), "")
		case !holds:
			p.refuse(g, d, "when", "the condition does not hold", "allowed when "+conditionText(condition.Text))
		default:
			continue
		}
		d.Position = condition.Position
		return false
	}
	return true
}

// conditionText is a condition on one line.
func conditionText(text string) string { return bounded(strings.Join(strings.Fields(text), " ")) }

// approved looks for the answer of a human.
func (p *Policy) approved(g *Grant, call *Call, d *Decision) bool {
	if yes, known := call.Usage.answer(call.Capability); known {
		if !yes {
			p.refuse(g, d, "approve", "a human has refused this function for the session", "")
		}
		return yes
	}
	a := call.Approval
	if a == nil {
		p.refuse(g, d, "approve", "a human must approve the call", "")
		d.Ask = true
		return false
	}
	if a.Unanswered != "" {
		p.refuse(g, d, "approve", "nobody approved the call: "+bounded(a.Unanswered), "")
		return false
	}
	if g.Approve == ApproveOnce || a.Session {
		call.Usage.remember(call.Capability, a.Allow)
	}
	if !a.Allow {
		p.refuse(g, d, "approve", "refused by "+bounded(a.By), "")
		return false
	}
	d.By, d.Reason = "approve", "approved by "+bounded(a.By)
	return true
}

// grant returns the grant of a family.
func (p *Policy) grant(family string) (*Grant, bool) {
	i, ok := slices.BinarySearchFunc(p.Grants, family, func(g Grant, family string) int {
		return strings.Compare(g.Family, family)
	})
	if ok {
		return &p.Grants[i], true
	}
	for i := range p.open {
		if p.open[i].Family == family {
			return &p.open[i], true
		}
	}
	return nil, false
}

// Grant returns the grant of a family, or that of the tool or MCP server of this name; nil if there is none.
func (p *Policy) Grant(family string) *Grant {
	if p == nil {
		return nil
	}
	g, _ := p.grant(family)
	return g
}

func (p *Policy) deny(capability, family, function string) Decision {
	if p == nil {
		return Decision{Reason: "there is no policy"}
	}
	d := Decision{Position: Position{File: p.File}}
	if !functionName.matches(family) || !functionName.matches(function) {
		d.Reason = quote(capability) + " is not a capability's name, family.function"
		return d
	}
	g, granted := p.grant(family)
	if granted {
		d.Rule, d.Position, d.By = g.Rule(), g.Position, "functions"
	}
	described, known := p.vocab.Families[family]
	switch {
	case granted && g.open:
		d.Reason = fmt.Sprintf("[%s] does not name %q", d.Rule, function)
		d.Hint = fmt.Sprintf("add %q to functions of [%s] at %s", function, d.Rule, g.Position.line())
	case p.vocab.Families != nil && !known:
		d.Reason = fmt.Sprintf("there is no family %q", family)
		d.Hint = suggest(family, p.vocab.familyNames(), "")
	case known && !slices.Contains(described.names(), function):
		d.Reason = fmt.Sprintf("there is no function %q in family %q", function, family)
		d.Hint = suggest(function, described.names(), "")
	case granted:
		d.Reason = fmt.Sprintf("[%s] does not name %q", d.Rule, function)
		d.Hint = fmt.Sprintf("add %q to functions of [%s] at %s", function, d.Rule, g.Position.line())
	default:
		d.Reason = fmt.Sprintf("there is no [%sgrant.%s]", p.owner, family)
		d.Hint = fmt.Sprintf("add [%sgrant.%s] with functions = [%q]", p.owner, family, function)
	}
	return d
}
