package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/policies"
)

// An Approver asks a human whether a call may be made that a policy wants to be approved. It may be called by many
// sessions at once.
type Approver interface {
	// Approve returns when there is an answer, or soon after ctx is done with its error. Any error is a refusal of this call.
	// It gets what an agent chose, and must show it as such: on a terminal, without obeying control characters.
	Approve(ctx context.Context, question Question) (Answer, error)
}

// A Question is the call that a human is asked about.
type Question struct {
	Session    string
	Capability string          // "http.get"
	Arguments  json.RawMessage // {"args": […], "kwargs": {…}}, values as in docs/abi.md: what the decision and the capability see
	Effects    string          // of the capability: "pure", "reads", "writes", "reads and writes"
	Policy     string          // its name
	Rule       string          // "grant.http"
	Position   string          // of what wants the call to be approved, FILE:LINE:COL
	Note       string          // what the policy says why it is granted; may be empty
}

// An Answer is what the human said.
type Answer struct {
	Allow bool

	// Session extends the answer to all calls of the function in the rest of the session.
	Session bool

	// By says who answered. It is in the audit record and in the agent's message.
	By string
}

// defaultApprovalTimeout is how long a human may take when Config does not say.
const defaultApprovalTimeout = 5 * time.Minute

var errUnanswered = errors.New("host: no answer in time")

// ask asks a human. The time that passes is not the run's. The answer is an approval for the decision and one for the record.
func (x *execution) ask(ctx context.Context, g *granted, arguments []byte, d policies.Decision) (*policies.Approval, *audit.Approval) {
	h := x.session.host
	timeout := h.config.ApprovalTimeout
	if timeout <= 0 {
		timeout = defaultApprovalTimeout
	}
	defer x.pause()()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errUnanswered)
	defer cancel()
	began := time.Now()
	answer, err := h.approve(ctx, Question{
		Session: x.session.id, Capability: g.name, Arguments: arguments, Effects: g.capability.Spec().Effects.String(),
		Policy: h.policy.Name, Rule: d.Rule, Position: d.Position.String(), Note: g.grant.Note,
	})
	record := &audit.Approval{Answer: "deny", Session: answer.Session, By: answer.By, Waited: time.Since(began)}
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), errUnanswered):
		err = fmt.Errorf("no answer within %v", timeout)
	case err != nil && ctx.Err() != nil:
		err = errors.New("the run ended before there was an answer")
	}
	if err != nil {
		*record = audit.Approval{Answer: "none", Waited: record.Waited, Reason: err.Error()}
		return &policies.Approval{Unanswered: err.Error()}, record
	}
	if answer.Allow {
		record.Answer = "allow"
	}
	return &policies.Approval{Allow: answer.Allow, Session: answer.Session, By: answer.By}, record
}

// pause stops the time of the execution, and of those that wait for it, until resume is called.
func (x *execution) pause() (resume func()) {
	var resumes []func()
	for ; x != nil; x = x.caller {
		resumes = append(resumes, x.deadline.pause())
	}
	return func() {
		for _, resume := range resumes {
			resume()
		}
	}
}

// approve calls the approver, whose faults are refusals.
func (h *Host) approve(ctx context.Context, q Question) (answer Answer, err error) {
	if h.config.Approver == nil {
		return Answer{}, errors.New("there is nobody to ask")
	}
	defer func() {
		if r := recover(); r != nil {
			h.logger.Error("panic in the approver", "capability", q.Capability, "panic", r, "stack", string(debug.Stack()))
			answer, err = Answer{}, errors.New("the approver failed")
		}
	}()
	answer, err = h.config.Approver.Approve(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	if answer.By == "" {
		answer.By = "the approver"
	}
	return answer, nil
}
