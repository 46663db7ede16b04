package host_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// vault is a family with scopes and parameters of several types, that does nothing.
func vault() capabilities.Family {
	nothing := func(context.Context, capabilities.Arguments) (any, error) { return nil, nil }
	return capabilities.Family{
		Name: "vault", Doc: "For tests",
		Scopes: []policies.ScopeKey{
			{Name: "paths", Type: policies.ScopePaths, Doc: "Which paths may be read.", Default: `["a/*"]`, Example: `["a/*"]`},
			{Name: "most", Type: policies.ScopeInt, Doc: "How much is read.", Default: "10", Example: "5"},
		},
		Decide: func(call policies.ScopedCall) policies.Verdict {
			if call.Function == "ping" {
				return policies.Verdict{Allow: true}
			}
			given, _ := call.Arguments.Lookup("path")
			path, ok := given.(string)
			if path == "a/panic" {
				panic("in Decide")
			}
			patterns := call.Scope.Patterns("paths")
			if !ok || !policies.MatchAny(patterns, path) {
				return policies.Verdict{Key: "paths", Reason: fmt.Sprintf("%q is not among paths", path), Nearest: policies.NearestPattern(patterns, path)}
			}
			if n, _ := call.Arguments.Lookup("n"); n != nil {
				if most, ok := n.(int64); !ok || most > call.Scope.Number("most") {
					return policies.Verdict{Key: "most", Reason: "too much"}
				}
			}
			return policies.Verdict{Allow: true}
		},
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{Family: "vault", Function: "get", Signature: "(path: str, n: int = 1)", Effects: capabilities.Reads}, nothing),
			capabilities.New(capabilities.Spec{Family: "vault", Function: "ping", Signature: "()", Effects: capabilities.Pure}, nothing),
			capabilities.New(capabilities.Spec{Family: "vault", Function: "put", Signature: "(path: str, /, *, n: int | None = None)", Effects: capabilities.Writes}, nothing),
		},
	}
}

// The functions' indices, in the order of their imports.
var vaultFunctions = []string{"get", "ping", "put"}

// vaultPolicy makes a policy of terms by chance.
func vaultPolicy(r *rand.Rand) string {
	some := func(lines ...string) string { return lines[r.IntN(len(lines))] }
	return "policy = 1\nname = \"generated\"\n[limits]\nhost_calls = 1000\n[grant.vault]\nfunctions = [\"get\", \"ping\", \"put\"]\n" +
		some("", "paths = [\"**\"]\n", "paths = [\"a/x\", \"b/**\"]\n", "paths = []\n") +
		some("", "most = 3\n", "most = 0\n") +
		some("", "calls = 1\n", "calls = 4\n") +
		some("", "rate = \"3/h\"\n", "rate = \"1/h\"\n") +
		some("", "", "expires = 2020-01-01T00:00:00Z\n", "expires = 2120-01-01T00:00:00Z\n") +
		some("", "approve = \"once\"\n", "approve = \"always\"\n") +
		some("", "when = 'args.path != \"a/y\"'\n", "when = 'call.count < 3'\n", "when = 'call.function == \"ping\" || args.path.startsWith(\"a\")'\n", "when = 'args.n != 4'\n")
}

// What Ask answers is what a host does: policies and calls that are made by chance are decided by both, in the same order.
func TestAskIsTheHost(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	registry, err := capabilities.NewRegistry(vault())
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]int{}
	for range 40 {
		src := vaultPolicy(r)
		policy, err := policies.Parse("p.toml", []byte(src), policies.Vocabulary{Families: registry.Vocabulary()})
		if err != nil {
			t.Fatalf("%s\n%v", src, err)
		}
		log := new(memoryLog)
		human := &moody{r: r}
		c := config(t)
		c.Policy, c.Capabilities, c.Audit, c.Approver = policy, registry, log, human
		s := session(t, open(t, c))
		usage, rates := new(policies.Usage), new(policies.Rates)
		for range 12 {
			i := r.IntN(len(vaultFunctions))
			arguments := someArguments(r, vaultFunctions[i])
			human.asked = nil
			answer(t, s, i, arguments)
			recorded := log.last(audit.Decision)

			written, err := policies.ParseWritten([]byte(arguments))
			if err != nil {
				t.Fatal(err)
			}
			call := policies.Call{Capability: "vault." + vaultFunctions[i], Now: time.Now(), Usage: usage, Rates: rates}
			d := policy.Ask(call, written)
			if d.Ask != (human.asked != nil) {
				t.Fatalf("%s%s: asked %v, the host %v", src, arguments, d.Ask, human.asked)
			}
			if d.Ask {
				call.Approval = human.asked
				d = policy.Ask(call, written)
			}
			// How long to wait is not in the reason; everything else must be the same.
			if d.Allow != *recorded.Allow || d.Reason != recorded.Reason || d.Rule != recorded.Rule || d.Position.String() != recorded.Position {
				t.Fatalf("%s%s %s\nAsk  %+v\nhost allow=%v %s %s %s", src, call.Capability, arguments, d, *recorded.Allow, recorded.Reason, recorded.Rule, recorded.Position)
			}
			key := d.By
			if d.Allow {
				key = "allow"
			}
			if strings.Contains(d.Reason, "do not fit") {
				key = "unfit"
			}
			outcomes[key]++
		}
	}
	for _, key := range []string{"allow", "unfit", "paths", "most", "when", "calls", "rate", "expires", "approve", "host"} {
		if outcomes[key] == 0 {
			t.Errorf("nothing was decided by %s: %v", key, outcomes)
		}
	}
}

func someArguments(r *rand.Rand, function string) string {
	path := []string{"a/x", "a/y", "b/c/d", "etc", "", "a/panic"}[r.IntN(6)]
	switch r.IntN(8) {
	case 0:
		return `{"args":[1,2,3]}`
	case 1:
		return `{"args":["` + path + `"],"kwargs":{"n":null}}`
	case 2:
		return `{"kwargs":{"n":2}}`
	}
	if function == "ping" {
		return `{"args":[]}`
	}
	return fmt.Sprintf(`{"args":["%s"],"kwargs":{"n":%d}}`, path, r.IntN(8))
}

// moody answers by chance, and remembers what.
type moody struct {
	r     *rand.Rand
	asked *policies.Approval
}

func (m *moody) Approve(context.Context, host.Question) (host.Answer, error) {
	if m.r.IntN(4) == 0 {
		m.asked = &policies.Approval{Unanswered: "asleep"}
		return host.Answer{}, errors.New("asleep")
	}
	m.asked = &policies.Approval{Allow: m.r.IntN(2) == 0, Session: m.r.IntN(4) == 0, By: "somebody"}
	return host.Answer{Allow: m.asked.Allow, Session: m.asked.Session, By: m.asked.By}, nil
}
