package replay

import (
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
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

// Judge says what a policy would have decided in a session: each recorded decision, in its order and at its time, with its arguments as far as the log has them, and what was withheld. Nothing
// runs, so the calls are those that were made: code that is denied one may make others. Where the policy wants a human to be asked, the recorded answer counts; if nobody was asked, the call is
// denied. The registry has the signatures of the functions.
func Judge(session *Session, policy *policies.Policy, registry *capabilities.Registry) []Judgement {
	var list []Judgement
	usage, rates, ofTools := new(policies.Usage), new(policies.Rates), make(map[string]*policies.Rates)
	for _, x := range session.Execs {
		if x.Reset {
			usage = new(policies.Usage)
		}
		for _, call := range x.Calls {
			r := call.Decision
			d := decide(r, policy, registry, usage, rates)
			list = append(list, Judgement{r, r.Allow != nil && *r.Allow, d.Allow, d})
		}
		for _, r := range x.Within {
			if ofTools[r.Tool] == nil {
				ofTools[r.Tool] = new(policies.Rates)
			}
			d := decideWithin(r, policy, registry, usage, ofTools[r.Tool])
			list = append(list, Judgement{r, r.Allow != nil && *r.Allow, d.Allow, d})
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

// decideWithin decides about what a tool itself called.
func decideWithin(r *audit.Record, policy *policies.Policy, registry *capabilities.Registry, usage *policies.Usage, rates *policies.Rates) policies.Decision {
	tool := policy.Tool(r.Tool)
	if tool == nil {
		return policies.Decision{Reason: "there is no [tool." + r.Tool + "]"}
	}
	return decide(r, tool.Policy(), registry, usage.Tool(r.Tool), rates)
}

func decide(r *audit.Record, policy *policies.Policy, registry *capabilities.Registry, usage *policies.Usage, rates *policies.Rates) policies.Decision {
	call := &policies.Call{Capability: r.Capability, Session: r.Session, Now: r.Time, Usage: usage, Rates: rates}
	if bound, ok := bind(r, registry); ok {
		call.Arguments = bound
	}
	d := policy.Decide(call)
	if d.Ask {
		call.Approval = &policies.Approval{Unanswered: "nobody was asked then"}
		if a := r.Approval; a != nil && a.Answer != "none" {
			call.Approval = &policies.Approval{Allow: a.Answer == "allow", Session: a.Session, By: a.By}
		}
		d = policy.Decide(call)
	}
	return d
}

// bind gives the recorded arguments to the function's parameters; what is redacted would be decided about as if it were the argument, so it is not there.
func bind(r *audit.Record, registry *capabilities.Registry) (policies.Arguments, bool) {
	signature, known := registry.Signature(r.Capability)
	family, function, _ := strings.Cut(r.Capability, ".")
	if !known || r.Arguments == nil || r.Redacted != nil {
		return nil, false
	}
	args, kwargs, err := values.DecodeCall(r.Arguments)
	if err != nil {
		return nil, false
	}
	bound, err := signature.Bind(family, function, &capabilities.Call{Args: args, Kwargs: kwargs})
	return bound, err == nil
}

// withheld looks whether a policy grants or imports what another did not.
func withheld(policy *policies.Policy, text string) policies.Decision {
	kind, name, _ := strings.Cut(text, " ")
	if kind == "import" {
		for _, module := range policy.Python.Imports {
			if name == module || strings.HasPrefix(name, module+".") {
				return policies.Decision{Allow: true, Reason: "[python] imports it"}
			}
		}
	}
	module, function, _ := strings.Cut(name, ".")
	grants := policy.OpenGrants()
	for i := range policy.Grants {
		grants = append(grants, &policy.Grants[i])
	}
	for _, grant := range grants {
		if grant.PythonName() != module {
			continue
		}
		if kind == "import" {
			return policies.Decision{Allow: true, Rule: grant.Rule(), Position: grant.Position, Reason: "the family is granted"}
		}
		for j, granted := range grant.Functions {
			if granted == function && j < len(grant.Positions) {
				return policies.Decision{Allow: true, Rule: grant.Rule(), Position: grant.Positions[j], Reason: "the grant names the function"}
			}
		}
		if grant.Open() && grant.Names(function) {
			return policies.Decision{Allow: true, Rule: grant.Rule(), Position: grant.Position, Reason: "the grant names the function"}
		}
	}
	return policies.Decision{Reason: "it is neither imported nor granted"}
}
