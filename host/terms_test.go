package host_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// box is a family with a scope: open(path: str) gives back what was decided, slow() waits until it is stopped.
func box() capabilities.Family {
	return capabilities.Family{
		Name: "box", Doc: "box", Exceptions: map[string]string{"Full": "ValueError"},
		Scopes: []policies.ScopeKey{
			{Name: "paths", Type: policies.ScopePaths, Doc: "Which paths may be opened.", Required: "write paths", Example: `["a/*"]`},
			{Name: "size", Type: policies.ScopeSize, Doc: "How much is read.", Default: "1KiB", Example: `"1KiB"`},
		},
		Decide: func(call policies.ScopedCall) policies.Verdict {
			if call.Function == "slow" || call.Function == "full" {
				return policies.Verdict{Allow: true}
			}
			given, _ := call.Arguments.Lookup("path")
			path, ok := given.(string)
			if path == "a/panic" {
				panic("secret")
			}
			patterns := call.Scope.Patterns("paths")
			if !ok || !policies.MatchAny(patterns, path) {
				return policies.Verdict{Key: "paths", Reason: fmt.Sprintf("%q is not among paths", path), Nearest: policies.NearestPattern(patterns, path)}
			}
			return policies.Verdict{Allow: true, Canonical: "canonical " + path}
		},
		Capabilities: []capabilities.Capability{
			capabilities.New(capabilities.Spec{Family: "box", Function: "open", Signature: "(path: str)", Effects: capabilities.Reads},
				func(_ context.Context, args capabilities.Arguments) (any, error) {
					return fmt.Sprint(args.Canonical(), " ", args.Scope().Number("size")), nil
				}),
			capabilities.New(capabilities.Spec{Family: "box", Function: "slow", Signature: "()", Effects: capabilities.Reads},
				func(ctx context.Context, _ capabilities.Arguments) (any, error) {
					<-ctx.Done()
					return nil, ctx.Err()
				}),
			capabilities.New(capabilities.Spec{Family: "box", Function: "full", Signature: "()", Effects: capabilities.Pure},
				func(context.Context, capabilities.Arguments) (any, error) {
					return nil, capabilities.Raise("box.Full", "full")
				}),
		},
	}
}

// boxed runs the toy under a policy with a grant of box.open, full and slow: functions bOpen and so on.
func boxed(t *testing.T, terms string) (host.Config, *memoryLog) {
	t.Helper()
	registry, err := capabilities.NewRegistry(box())
	if err != nil {
		t.Fatal(err)
	}
	src := "policy = 1\nname = \"n\"\n[limits]\nwall_time = \"10s\"\n[grant.box]\nfunctions = [\"open\", \"slow\", \"full\"]\npaths = [\"a/*\", \"b\"]\n" + terms
	policy, err := policies.Parse("p.toml", []byte(src), policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	log := new(memoryLog)
	c := config(t)
	c.Policy, c.Capabilities, c.Audit = policy, registry, log
	return c, log
}

// The functions' indices, in the order of their imports.
const (
	bFull = iota
	bOpen
	bSlow
)

const (
	openA  = `{"args": ["a/x"]}`
	opened = `{"ok":"canonical a/x 1024"}`
)

func denied(by string) string { return `{"denied":{"capability":"box.open","reason":"` + by }

func TestScopeIsDecidedAndActedOn(t *testing.T) {
	c, log := boxed(t, "")
	s := session(t, open(t, c))
	if got := answer(t, s, bOpen, openA); got != opened {
		t.Errorf("allowed: %s", got)
	}
	got := answer(t, s, bOpen, `{"args": ["etc/passwd"]}`)
	for _, want := range []string{
		`"reason":"\"etc/passwd\" is not among paths"`, `"rule":"grant.box","position":"p.toml:7:9"`,
		`box.open is denied by policy \"n\": \"etc/passwd\" is not among paths (paths of [grant.box] at p.toml:7:9); permitted: a/*`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("denied: %s\nwant %s", got, want)
		}
	}
	if d := log.last(audit.Decision); *d.Allow || d.Position != "p.toml:7:9" || d.Approval != nil {
		t.Errorf("%+v", d)
	}
	if got := answer(t, s, bOpen, `{"args": ["a/panic"]}`); !strings.HasPrefix(got, denied("the policy could not decide")) || strings.Contains(got, "secret") {
		t.Errorf("a panic: %s", got)
	}
	if d := log.last(audit.Decision); *d.Allow || d.Reason != "the policy could not decide" {
		t.Errorf("%+v", d)
	}
	// Arguments that do not fit are an error of the code, decided and recorded, and never reach the family.
	if got := answer(t, s, bOpen, `{"args": ["a/x", "a/y"]}`); !strings.HasPrefix(got, `{"error":{"type":"TypeError","message":"open() takes 1 positional argument but 2 were given"`) {
		t.Errorf("two arguments: %s", got)
	}
	if d := log.last(audit.Decision); *d.Allow || !strings.HasPrefix(d.Reason, "the arguments do not fit the function: TypeError") {
		t.Errorf("%+v", d)
	}
}

func TestQuotaIsTheSessions(t *testing.T) {
	c, _ := boxed(t, "calls = 2\n")
	h := open(t, c)
	s := session(t, h)
	answer(t, s, bOpen, `{"args": ["c"]}`) // denied: does not count
	answer(t, s, bOpen, `{"args": ["a/x", 1]}`)
	answer(t, s, bOpen, `[`)
	for range 2 {
		if got := answer(t, s, bOpen, openA); got != opened {
			t.Errorf("%s", got)
		}
	}
	const over = "the session has made all of its 2 calls"
	if got := answer(t, s, bOpen, openA); !strings.HasPrefix(got, denied(over)) {
		t.Errorf("third call: %s", got)
	}
	copied, err := s.Fork(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer copied.Close()
	if got := answer(t, copied, bOpen, openA); !strings.HasPrefix(got, denied(over)) {
		t.Errorf("a fork: %s", got)
	}
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	restored, err := h.Restore(t.Context(), &saved)
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	if got := answer(t, restored, bOpen, openA); !strings.HasPrefix(got, denied(over)) {
		t.Errorf("restored: %s", got)
	}
	if got := answer(t, session(t, h), bOpen, openA); got != opened {
		t.Errorf("another session: %s", got)
	}
	if err := s.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := answer(t, s, bOpen, openA); got != opened {
		t.Errorf("reset: %s", got)
	}
}

func TestRateIsTheHosts(t *testing.T) {
	c, _ := boxed(t, "rate = \"10/h\"\n")
	h := open(t, c)
	var mu sync.Mutex
	allowed := 0
	var sessions sync.WaitGroup
	for range 4 {
		s := session(t, h)
		sessions.Go(func() {
			for range 5 {
				r, err := s.Exec(t.Context(), hostcall(bOpen, openA), host.ExecOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if strings.Contains(string(r.Value), "canonical") {
					allowed++
				}
				mu.Unlock()
			}
		})
	}
	sessions.Wait()
	if allowed != 10 {
		t.Errorf("%d calls were allowed, want 10", allowed)
	}
}

func TestTimeoutOfAGrant(t *testing.T) {
	c, log := boxed(t, "timeout = \"20ms\"\n")
	s := session(t, open(t, c))
	soon(t, func() {
		const want = `{"error":{"type":"TimeoutError","message":"box.slow took longer than 20ms, the timeout of [grant.box]"}}`
		if got := answer(t, s, bSlow, `{}`); got != want {
			t.Errorf("%s", got)
		}
	})
	if o := log.last(audit.Outcome); o.Error != "TimeoutError" {
		t.Errorf("%+v", o)
	}
	if got := answer(t, s, bOpen, openA); got != opened {
		t.Errorf("afterwards: %s", got)
	}
}

// Under another name, a family's own exceptions have that name.
func TestOtherNameInPython(t *testing.T) {
	c, _ := boxed(t, "as = \"chest\"\n")
	s := session(t, open(t, c))
	if got := answer(t, s, bFull, `{}`); got != `{"error":{"type":"chest.Full","message":"full"}}` {
		t.Errorf("%s", got)
	}
	if got := string(exec(t, s, "config").Value); !strings.Contains(got, `"name":"chest","family":"box"`) {
		t.Errorf("%s", got)
	}
}

func TestConditionInTheHost(t *testing.T) {
	c, _ := boxed(t, "when = 'args.path != \"b\" && call.session.size() == 32'\n")
	s := session(t, open(t, c))
	if got := answer(t, s, bOpen, openA); got != opened {
		t.Errorf("%s", got)
	}
	if got := answer(t, s, bOpen, `{"args": ["b"]}`); !strings.HasPrefix(got, denied("the condition does not hold")) {
		t.Errorf("%s", got)
	}
}

// approver answers what it is told, after a time.
type approver struct {
	mu     sync.Mutex
	asked  []host.Question
	answer host.Answer
	err    error
	after  time.Duration
	panics bool
}

func (a *approver) Approve(ctx context.Context, q host.Question) (host.Answer, error) {
	a.mu.Lock()
	a.asked = append(a.asked, q)
	a.mu.Unlock()
	if a.panics {
		panic("approver")
	}
	select {
	case <-time.After(a.after):
		return a.answer, a.err
	case <-ctx.Done():
		return host.Answer{}, ctx.Err()
	}
}

func TestApproval(t *testing.T) {
	for name, test := range map[string]struct {
		approver *approver
		want     string
		record   audit.Approval
	}{
		"yes":     {&approver{answer: host.Answer{Allow: true, By: "ada"}}, opened, audit.Approval{Answer: "allow", By: "ada"}},
		"always":  {&approver{answer: host.Answer{Allow: true, Session: true}}, opened, audit.Approval{Answer: "allow", Session: true, By: "the approver"}},
		"no":      {&approver{answer: host.Answer{By: "ada"}}, denied("refused by ada"), audit.Approval{Answer: "deny", By: "ada"}},
		"nobody":  {nil, denied("nobody approved the call: there is nobody to ask"), audit.Approval{Answer: "none", Reason: "there is nobody to ask"}},
		"a fault": {&approver{err: errors.New("no line")}, denied("nobody approved the call: no line"), audit.Approval{Answer: "none", Reason: "no line"}},
		"a panic": {&approver{panics: true}, denied("nobody approved the call: the approver failed"), audit.Approval{Answer: "none", Reason: "the approver failed"}},
		"late": {&approver{after: time.Hour}, denied("nobody approved the call: no answer within 30ms"),
			audit.Approval{Answer: "none", Reason: "no answer within 30ms"}},
	} {
		c, log := boxed(t, "approve = \"always\"\nnote = \"why\"\n")
		c.ApprovalTimeout = 30 * time.Millisecond
		if name != "late" {
			c.ApprovalTimeout = 0
		}
		if test.approver != nil {
			c.Approver = test.approver
		}
		s := session(t, open(t, c))
		if got := answer(t, s, bOpen, openA); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s: %s", name, got)
		}
		d := log.last(audit.Decision)
		if d.Approval == nil {
			t.Errorf("%s: no record of the answer", name)
			continue
		}
		record := *d.Approval
		if record.Waited <= 0 {
			t.Errorf("%s: %+v", name, record)
		}
		record.Waited = 0
		if record != test.record || *d.Allow != (test.want == opened) {
			t.Errorf("%s: record %+v of %+v", name, record, d)
		}
		if a := test.approver; a != nil {
			q := a.asked[0]
			if string(q.Arguments) != `{"args":["a/x"],"kwargs":{}}` || q.Capability != "box.open" || q.Session != s.ID() || q.Policy != "n" ||
				q.Rule != "grant.box" || q.Position != "p.toml:8:11" || q.Note != "why" || q.Effects != "reads" {
				t.Errorf("%s: asked %+v", name, q)
			}
		}
		if name == "always" {
			answer(t, s, bOpen, openA)
			if len(test.approver.asked) != 1 || log.last(audit.Decision).Approval != nil {
				t.Errorf("asked %d times", len(test.approver.asked))
			}
		}
	}
}

// What the scope denies nobody is asked about.
func TestNobodyIsAskedInVain(t *testing.T) {
	c, _ := boxed(t, "approve = \"always\"\n")
	a := &approver{answer: host.Answer{Allow: true}}
	c.Approver = a
	s := session(t, open(t, c))
	answer(t, s, bOpen, `{"args": ["c"]}`)
	answer(t, s, bOpen, `{"args": [1, 2]}`)
	answer(t, s, bOpen, `{"args":`)
	if len(a.asked) != 0 {
		t.Errorf("asked %+v", a.asked)
	}
}

// The time that a human takes is not the run's.
func TestWaitingIsNotWallTime(t *testing.T) {
	c, _ := boxed(t, "approve = \"always\"\n")
	c.Policy.Limits.WallTime = 100 * time.Millisecond
	c.Approver = &approver{answer: host.Answer{Allow: true}, after: 150 * time.Millisecond}
	s := session(t, open(t, c))
	r := exec(t, s, hostcall(bOpen, openA)+"\n"+hostcall(bOpen, openA))
	if !r.OK || r.Usage.WallMS > 250 {
		t.Errorf("%+v %+v", r.Error, r.Usage)
	}
	// It has what it had: the loop is stopped.
	soon(t, func() {
		if r := exec(t, s, hostcall(bOpen, openA)+"\nloop"); r.OK || r.Error.Limit != "wall_time" {
			t.Errorf("%+v", r.Error)
		}
	})
}

// A caller who gives up does not wait for a human.
func TestWaitingEndsWithTheCaller(t *testing.T) {
	c, log := boxed(t, "approve = \"always\"\n")
	c.Approver = &approver{after: time.Hour}
	s := session(t, open(t, c))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	soon(t, func() { s.Exec(ctx, hostcall(bOpen, openA), host.ExecOptions{}) })
	if d := log.last(audit.Decision); d == nil || *d.Allow || d.Approval.Reason != "the run ended before there was an answer" {
		t.Errorf("%+v", d)
	}
}

// A file does not prove that anybody has approved anything.
func TestSavedSessionAsksAgain(t *testing.T) {
	c, _ := boxed(t, "approve = \"once\"\n")
	a := &approver{answer: host.Answer{Allow: true, By: "ada"}}
	c.Approver = a
	h := open(t, c)
	s := session(t, h)
	answer(t, s, bOpen, openA)
	answer(t, s, bOpen, openA)
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	restored, err := h.Restore(t.Context(), bytes.NewReader(saved.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	answer(t, restored, bOpen, openA)
	if len(a.asked) != 2 {
		t.Errorf("asked %d times, want 2", len(a.asked))
	}
}

// What a tool itself calls is asked about like any other call, under the tool's name, and not again in a session that has the answer; a
// saved session asks again.
func TestToolAsks(t *testing.T) {
	a := &approver{answer: host.Answer{Allow: true, By: "ada", Session: true}}
	c := toolConfig(t, "calls", "grant.math = { functions = [\"sqrt\"], approve = \"once\" }\n", "ask")
	c.Approver = a
	b := openTools(t, c, "ask")
	s := session(t, b.Host)
	for range 2 {
		if got := b.call(t, s, "ask", `{"args": ["{\"args\": [16]}"]}`); got != `{"ok":{"ok":4.0}}` {
			t.Errorf("%s", got)
		}
	}
	var saved bytes.Buffer
	if err := s.Save(&saved); err != nil {
		t.Fatal(err)
	}
	restored, err := b.Restore(t.Context(), &saved)
	if err != nil {
		t.Fatal(err)
	}
	defer restored.Close()
	b.call(t, restored, "ask", `{"args": ["{\"args\": [16]}"]}`)
	if len(a.asked) != 2 || a.asked[0].Rule != "tool.x.grant.math" || a.asked[0].Policy != "p/x" {
		t.Errorf("asked %+v", a.asked)
	}
}

// A policy that was parsed without the scopes of a family would not ask it.
func TestPolicyWithoutScopesIsRefused(t *testing.T) {
	c, _ := boxed(t, "")
	c.Policy = &policies.Policy{Grants: []policies.Grant{{Family: "box", Functions: []string{"open"}}}}
	if _, err := host.New(t.Context(), c); err == nil || !strings.Contains(err.Error(), "was not parsed with the scopes") {
		t.Errorf("%v", err)
	}
}
