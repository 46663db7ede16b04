package replay

import (
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// A Judgement is what another policy says of a recorded call or of something that was withheld.
type Judgement struct {
	Record   *audit.Record // a decision or a withheld
	Was      bool          // allowed then
	Would    bool          // be allowed by the other policy
	Decision policies.Decision
}

// Changed reports whether the other policy decides otherwise.
func (j *Judgement) Changed() bool { return j.Was != j.Would }

// Judge says what a policy would have decided in a session: each recorded decision by its capability, and what was withheld, calls and imports. It runs nothing. A call
// that was denied for another reason than its grant, a limit or a malformed request, is judged by its grant alone.
func Judge(session *Session, policy *policies.Policy) []Judgement {
	var list []Judgement
	for _, x := range session.Execs {
		for _, call := range x.Calls {
			d := policy.Decide(call.Decision.Capability)
			list = append(list, Judgement{call.Decision, call.Decision.Allow != nil && *call.Decision.Allow, d.Allow, d})
		}
		for _, text := range x.Withheld {
			r := &audit.Record{Kind: audit.Withheld, Session: session.ID, Exec: x.Started.Exec, Withheld: text}
			if x.Ended != nil {
				r.Time, r.Number = x.Ended.Time, x.Ended.Number
			}
			d := withheld(policy, text)
			list = append(list, Judgement{r, false, d.Allow, d})
		}
	}
	return list
}

func withheld(policy *policies.Policy, text string) policies.Decision {
	kind, name, _ := strings.Cut(text, " ")
	if kind == "call" {
		return policy.Decide(name)
	}
	for _, module := range policy.Python.Imports {
		if name == module || strings.HasPrefix(name, module+".") {
			return policies.Decision{Allow: true, Reason: "[python] imports it"}
		}
	}
	for _, grant := range policy.Grants {
		if grant.Family == name {
			return policies.Decision{Allow: true, Rule: grant.Rule(), Position: grant.Position, Reason: "the family is granted"}
		}
	}
	return policies.Decision{Reason: "it is neither imported nor granted"}
}
