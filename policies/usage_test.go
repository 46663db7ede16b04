package policies_test

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// limited is a policy that grants math.sqrt and math.log under terms.
func limited(t testing.TB, terms string) *policies.Policy {
	t.Helper()
	p, err := policies.Parse("p", []byte("policy = 1\nname = \"n\"\n[grant.math]\nfunctions = [\"sqrt\", \"log\"]\n"+terms), vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Calls are counted for each session by itself and for the functions of a grant together.
func TestQuota(t *testing.T) {
	p := limited(t, "calls = 3\n")
	var one, other policies.Usage
	for i, name := range []string{"math.sqrt", "math.log", "math.cos", "math.sqrt"} {
		if d := p.Decide(&policies.Call{Capability: name, Usage: &one}); d.Allow != (name != "math.cos") {
			t.Errorf("call %d: %+v", i, d)
		}
	}
	d := p.Decide(&policies.Call{Capability: "math.log", Usage: &one})
	if d.Allow || d.By != "calls" || d.Position.String() != "p:5:9" || d.Reason != "the session has made all of its 3 calls" {
		t.Errorf("%+v", d)
	}
	if d := p.Decide(&policies.Call{Capability: "math.log", Usage: &other}); !d.Allow {
		t.Errorf("another session: %+v", d)
	}
	if one.Calls["math"] != 3 || other.Calls["math"] != 1 {
		t.Errorf("counted %v, %v", one, other)
	}
}

// A session that goes on, or a copy, goes on counting.
func TestUsageIsKept(t *testing.T) {
	p := limited(t, "calls = 3\napprove = \"once\"\n")
	var first policies.Usage
	yes := &policies.Approval{Allow: true, By: "ada"}
	p.Decide(&policies.Call{Capability: "math.sqrt", Usage: &first, Approval: yes})
	p.Decide(&policies.Call{Capability: "math.log", Usage: &first, Approval: &policies.Approval{By: "ada"}})

	text, err := json.Marshal(first)
	if err != nil || string(text) != `{"calls":{"math":1},"answers":{"math.log":false,"math.sqrt":true}}` {
		t.Fatalf("%s, %v", text, err)
	}
	var kept policies.Usage
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	copied := kept.Clone()
	for range 2 {
		if d := p.Decide(&policies.Call{Capability: "math.sqrt", Usage: &kept}); !d.Allow {
			t.Errorf("%+v", d)
		}
	}
	if d := p.Decide(&policies.Call{Capability: "math.sqrt", Usage: &kept}); d.Allow || d.By != "calls" {
		t.Errorf("%+v", d)
	}
	if d := p.Decide(&policies.Call{Capability: "math.log", Usage: &kept}); d.Allow {
		t.Errorf("%+v", d)
	}
	if d := p.Decide(&policies.Call{Capability: "math.sqrt", Usage: &copied}); !d.Allow {
		t.Errorf("the copy: %+v", d)
	}

	for _, wrong := range []string{`{"calls":{"math":-1}}`, `{"calls":{"math":9223372036854775807}}`, `{"calls":{"math":1.5}}`, `{"quota":{}}`, `[]`, `{"answers":{"a":1}}`,
		`{"tools":{"t":null}}`, `{"tools":{"t":{"calls":{"math":-1}}}}`, `{"tools":{"t":{"tools":{"u":{}}}}}`} {
		if err := json.Unmarshal([]byte(wrong), new(policies.Usage)); err == nil {
			t.Errorf("accepted: %s", wrong)
		}
	}
}

// What a tool uses of its own grants is counted apart from what the code uses.
func TestToolUsage(t *testing.T) {
	p := parse(t, "policy = 1\nname = \"n\"\ngrant.math = { functions = [\"sqrt\"], calls = 1 }\n"+tool+"functions = [\"count\"]\ncalls = 1\ngrant.math = { functions = [\"sqrt\"], calls = 1 }\n")
	own := p.Tool("t").Policy()
	var usage policies.Usage
	for _, step := range []struct {
		policy     *policies.Policy
		capability string
		usage      *policies.Usage
		allow      bool
		rule       string
	}{
		{p, "math.sqrt", &usage, true, "grant.math"},
		{p, "math.sqrt", &usage, false, "grant.math"},
		{own, "math.sqrt", usage.Tool("t"), true, "tool.t.grant.math"},
		{own, "math.sqrt", usage.Tool("t"), false, "tool.t.grant.math"},
		{own, "math.log", usage.Tool("t"), false, "tool.t.grant.math"},
		{own, "t.count", usage.Tool("t"), false, ""},
		{p, "t.other", &usage, false, "tool.t"},
		{p, "t.count", &usage, true, "tool.t"},
		{p, "t.count", &usage, false, "tool.t"},
	} {
		if d := step.policy.Decide(&policies.Call{Capability: step.capability, Usage: step.usage}); d.Allow != step.allow || d.Rule != step.rule {
			t.Errorf("%s under %s: %+v", step.capability, step.policy.Name, d)
		}
	}
	copied := usage.Clone()
	copied.Tool("t").Calls["math"] = 0
	if usage.Tool("t").Calls["math"] != 1 {
		t.Error("a copy shares what a tool has used")
	}
}

func TestRate(t *testing.T) {
	p := limited(t, "rate = \"2/s\"\n")
	rates := new(policies.Rates)
	at := func(ms int) policies.Decision {
		return p.Decide(&policies.Call{Capability: "math.sqrt", Rates: rates, Now: noon.Add(time.Duration(ms) * time.Millisecond)})
	}
	for _, test := range []struct {
		ms   int
		hint string // "" is allowed
	}{
		{0, ""}, {400, ""}, {400, "600ms"}, {999, "1ms"}, {1000, ""}, {1000, "400ms"}, {1399, "1ms"}, {1400, ""}, {5000, ""}, {5000, ""}, {5001, "999ms"},
		{4000, "1s"}, // the clock went back: nothing is gained
	} {
		d := at(test.ms)
		if d.Allow != (test.hint == "") || !d.Allow && d.Hint != "the next call is allowed in "+test.hint {
			t.Errorf("at %d ms: %+v, want %q", test.ms, d, test.hint)
		}
		if !d.Allow && (d.By != "rate" || d.Reason != "more than 2 calls in 1s" || d.Position.String() != "p:5:8") {
			t.Errorf("at %d ms: %+v", test.ms, d)
		}
	}
	if d := p.Decide(&policies.Call{Capability: "math.sqrt", Rates: rates}); d.Allow {
		t.Errorf("at no time: %+v", d)
	}
}

// In no stretch of time are there more calls than the rate permits, and none is refused without need.
func TestRateIsExact(t *testing.T) {
	const most, per = 7, time.Second
	p := limited(t, "rate = \"7/s\"\n")
	rates, random := new(policies.Rates), rand.New(rand.NewPCG(5, 6))
	var allowed []time.Duration
	for now := time.Duration(0); now < time.Minute; now += time.Duration(random.Int64N(int64(200 * time.Millisecond))) {
		recent := 0
		for _, at := range allowed {
			if now-at < per {
				recent++
			}
		}
		d := p.Decide(&policies.Call{Capability: "math.sqrt", Rates: rates, Now: noon.Add(now)})
		if d.Allow != (recent < most) {
			t.Fatalf("at %v, after %d calls in %v: %+v", now, recent, per, d)
		}
		if d.Allow {
			allowed = append(allowed, now)
		}
	}
	if len(allowed) < 300 {
		t.Errorf("only %d calls", len(allowed))
	}
}

// All sessions share a rate; each has its own quota.
func TestRatesAndQuotasOfManySessions(t *testing.T) {
	p := limited(t, "rate = \"100/m\"\ncalls = 15\n")
	rates := new(policies.Rates)
	var allowed, byQuota, byRate atomic.Int64
	var sessions sync.WaitGroup
	for range 10 {
		sessions.Go(func() {
			usage := new(policies.Usage)
			mine := 0
			for range 30 {
				switch d := p.Decide(&policies.Call{Capability: "math.sqrt", Usage: usage, Rates: rates, Now: noon}); {
				case d.Allow:
					allowed.Add(1)
					mine++
				case d.By == "calls":
					byQuota.Add(1)
				case d.By == "rate":
					byRate.Add(1)
				}
			}
			if mine > 15 || int64(mine) != usage.Calls["math"] {
				t.Errorf("a session made %d calls, counted %d", mine, usage.Calls["math"])
			}
		})
	}
	sessions.Wait()
	if allowed.Load() != 100 || allowed.Load()+byQuota.Load()+byRate.Load() != 300 {
		t.Errorf("%d allowed, %d beyond their quota, %d beyond the rate", allowed.Load(), byQuota.Load(), byRate.Load())
	}
}

func TestExpires(t *testing.T) {
	p := limited(t, "expires = 2026-01-01T12:00:00Z\n")
	for _, test := range []struct {
		now  time.Time
		want bool
	}{{noon.Add(-time.Nanosecond), true}, {noon, false}, {noon.Add(time.Hour), false}, {time.Time{}, false}, {noon.Add(-time.Hour).In(time.FixedZone("", 3600*14)), true}} {
		d := p.Decide(&policies.Call{Capability: "math.sqrt", Now: test.now})
		if d.Allow != test.want || !d.Allow && (d.By != "expires" || d.Position.String() != "p:5:11") {
			t.Errorf("at %v: %+v", test.now, d)
		}
	}
	if w := p.WarningsAt(noon); len(w) != 1 || !strings.Contains(w[0].Error(), "p:5:11: grant.math: has expired on 2026-01-01T12:00:00Z") {
		t.Errorf("warnings %v", w)
	}
	if w := p.WarningsAt(noon.Add(-1)); len(w) != 0 {
		t.Errorf("warnings %v", w)
	}
}

func TestApprove(t *testing.T) {
	yes, no := policies.Approval{Allow: true, By: "ada"}, policies.Approval{By: "ada"}
	always, never := policies.Approval{Allow: true, Session: true, By: "ada"}, policies.Approval{Session: true, By: "ada"}
	nobody := policies.Approval{Unanswered: "no answer within 5m0s"}
	// Each step is what is answered if somebody is asked, and what comes of it: ask means that somebody was.
	type step struct {
		answer policies.Approval
		want   string
	}
	for name, test := range map[string]struct {
		approve string
		steps   []step
	}{
		"never asks nobody":                   {"never", []step{{no, "allow"}, {no, "allow"}}},
		"always asks each time":               {"always", []step{{yes, "ask allow"}, {no, "ask deny"}, {yes, "ask allow"}}},
		"an answer for the session":           {"always", []step{{yes, "ask allow"}, {always, "ask allow"}, {no, "allow"}}},
		"a refusal for the session":           {"always", []step{{never, "ask deny"}, {yes, "deny"}}},
		"once asks once":                      {"once", []step{{yes, "ask allow"}, {no, "allow"}}},
		"once holds a refusal too":            {"once", []step{{no, "ask deny"}, {yes, "deny"}}},
		"without an answer once asks again":   {"once", []step{{nobody, "ask deny"}, {yes, "ask allow"}, {no, "allow"}}},
		"without an answer always asks again": {"always", []step{{nobody, "ask deny"}, {yes, "ask allow"}}},
	} {
		p := limited(t, "approve = \""+test.approve+"\"\nrate = \"100/s\"\n")
		usage, rates := new(policies.Usage), new(policies.Rates)
		for i, step := range test.steps {
			call := policies.Call{Capability: "math.sqrt", Usage: usage, Rates: rates, Now: noon}
			d := p.Decide(&call)
			got := ""
			if d.Ask {
				if d.Allow || d.By != "approve" || d.Position.String() != "p:5:11" {
					t.Errorf("%s: %+v", name, d)
				}
				got = "ask "
				call.Approval = &step.answer
				d = p.Decide(&call)
			}
			if d.Allow {
				got += "allow"
			} else {
				got += "deny"
			}
			if got != step.want || d.Ask {
				t.Errorf("%s, step %d: %s, want %s", name, i+1, got, step.want)
			}
		}
		if _, asked := usage.Answers["math.log"]; asked {
			t.Errorf("%s: an answer holds for another function", name)
		}
	}
}

// Who is asked takes time: what the call needs is looked at again, and a call that is refused takes nothing.
func TestApprovalTakesTime(t *testing.T) {
	p := limited(t, "approve = \"always\"\nrate = \"1/s\"\ncalls = 5\nexpires = 2026-01-01T12:01:00Z\n")
	usage, rates := new(policies.Usage), new(policies.Rates)
	yes := &policies.Approval{Allow: true, By: "ada"}
	slow := policies.Call{Capability: "math.sqrt", Usage: usage, Rates: rates, Now: noon}
	if d := p.Decide(&slow); !d.Ask {
		t.Fatalf("%+v", d)
	}
	// Another session has its answer first, and takes the second.
	quick := policies.Call{Capability: "math.sqrt", Usage: new(policies.Usage), Rates: rates, Now: noon, Approval: yes}
	if d := p.Decide(&quick); !d.Allow {
		t.Fatalf("%+v", d)
	}
	slow.Approval = yes
	if d := p.Decide(&slow); d.Allow || d.By != "rate" {
		t.Errorf("%+v", d)
	}
	slow.Now = noon.Add(time.Minute)
	if d := p.Decide(&slow); d.Allow || d.By != "expires" {
		t.Errorf("%+v", d)
	}
	slow.Now, slow.Approval = noon.Add(time.Second), &policies.Approval{By: "ada"}
	if d := p.Decide(&slow); d.Allow || d.Reason != "refused by ada" {
		t.Errorf("%+v", d)
	}
	slow.Approval = yes
	if d := p.Decide(&slow); !d.Allow || d.Reason != "approved by ada" || usage.Calls["math"] != 1 {
		t.Errorf("a refusal took something: %+v, %v", d, usage)
	}
}
