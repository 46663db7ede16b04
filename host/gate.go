package host

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	extism "github.com/extism/go-sdk"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// This file is the gate: the one way from the guest to a capability. A call is counted, read, decided, recorded, made,
// recorded again and answered, in this order, by pass. Nothing else calls capabilities. A guest that must stop gets no call and another answer, from respond.

// hostFunctions binds each granted function to the import of its symbol: these, and no others, exist.
func (h *Host) hostFunctions() []extism.HostFunction {
	list := make([]extism.HostFunction, len(h.functions))
	for i, g := range h.functions {
		list[i] = extism.NewHostFunctionWithStack(g.symbol,
			func(ctx context.Context, plugin *extism.CurrentPlugin, stack []uint64) {
				stack[0] = h.serve(ctx, g, plugin, stack[0])
			},
			[]extism.ValueType{extism.ValueTypeI64}, []extism.ValueType{extism.ValueTypeI64})
		list[i].SetNamespace(link.UserModule)
	}
	return list
}

// serve takes the handle of a request to the handle of an answer, or 0. It does not panic, since that would end the exec
// with a text that shows the host's insides, except to stop a guest whose time is over: a call takes hardly any fuel of it, so that the end of a
// slice would come late.
func (h *Host) serve(ctx context.Context, g *granted, plugin *extism.CurrentPlugin, handle uint64) uint64 {
	x := executionOf(ctx)
	if x == nil {
		return 0
	}
	x.showAndGoOn(true) // the call may take long
	keepDeadline(ctx)
	answer, over := x.respond(ctx, g, plugin, handle)
	if over {
		panic(errStopped)
	}
	return answer
}

// respond is serve for a guest that may go on; over says that it may not after the call.
//
// A guest that must stop and has not noticed learns it from the answer: code that calls does not go on for longer than code that computes.
func (x *execution) respond(ctx context.Context, g *granted, plugin *extism.CurrentPlugin, handle uint64) (answer uint64, over bool) {
	h, in := x.session.host, x.instance
	x.serving = true
	defer func() {
		x.serving = false
		if r := recover(); r != nil {
			h.logger.Error("panic in the gate", "capability", g.name, "panic", r, "stack", string(debug.Stack()))
			answer = 0
		}
	}()
	exchanges := in.exchange.there() && handle <= fetch
	text := x.unfetched
	x.unfetched = nil
	stop := in.meter.tells()
	if !stop && !(exchanges && handle == fetch) {
		request, err := x.request(plugin, handle, exchanges)
		text = x.pass(ctx, g, request, err)
		if in.meter.expired() {
			return 0, true
		}
		stop = in.meter.tells()
	}
	if stop {
		text = appendStop(g)
	}
	if exchanges {
		return x.exchangeAnswer(text, handle), false
	}
	answer, err := x.answers.write(ctx, plugin, text)
	if err != nil {
		h.logger.Error("no answer", "capability", g.name, "error", err)
	}
	return answer, false
}

// request is what the guest asks for: a view of its memory, or of Extism's.
func (x *execution) request(plugin *extism.CurrentPlugin, handle uint64, exchanges bool) ([]byte, error) {
	bound := x.session.host.bounds.request
	if exchanges {
		return x.instance.exchange.take(bound)
	}
	return readBlock(plugin.Memory(), handle, bound)
}

// exchangeAnswer puts an answer into the guest's exchange. One for which there is no room is kept until the guest has made some: fetching it is no call.
func (x *execution) exchangeAnswer(answer []byte, handle uint64) uint64 {
	if len(answer) == 0 {
		return 0
	}
	if !x.instance.exchange.put(answer) && handle == exchanged {
		x.unfetched = answer
	}
	return answered
}

// pass serves one call and returns the answer in JSON. request is a view of the guest's memory, and is not looked at when unread says why it
// could not be read.
func (x *execution) pass(ctx context.Context, g *granted, request []byte, unread error) []byte {
	h := x.session.host
	if x.starting {
		// Code of packages runs already, and nothing would be recorded.
		return appendError(nil, "RuntimeError", g.name+": host functions cannot be called while modules are imported before the session begins")
	}
	x.calls++
	if x.calls > h.limits.HostCalls {
		return x.overLimit(g)
	}
	call, arguments, malformed := readCall(request, unread, h.bounds.request)
	if h.config.Replay != nil {
		return x.replay(g, arguments)
	}
	decision, approval, refusal := x.decide(ctx, g, call, arguments, malformed)
	if refusal == nil && !decision.Allow {
		refusal = appendDenied(g, h.policy.Name, decision)
	}
	if err := x.recordDecision(g, call, arguments, decision, approval, refusal); err != nil {
		return x.unrecorded(g, err)
	}
	if refusal != nil {
		return refusal
	}
	call.Scope, call.Canonical = g.grant.Scope, decision.Canonical
	call.Session = capabilities.Session{ID: x.session.id, Policy: h.policy, Usage: &x.session.usage, Logger: h.logger}
	started := time.Now()
	o := h.call(ctx, g, call)
	o.duration = time.Since(started)
	if err := x.recordOutcome(g, o); err != nil {
		return x.unrecorded(g, err)
	}
	return o.answer
}

// replay answers a call as it was answered before. Nothing is decided and nothing is called.
func (x *execution) replay(g *granted, arguments []byte) []byte {
	answer, err := x.session.host.config.Replay(x.session.id, x.session.number, int(x.calls), g.name, arguments)
	if err != nil {
		return appendError(nil, "RuntimeError", g.name+": not as recorded")
	}
	return answer
}

// decide asks the policy about a call, and a human if the policy wants that. refusal is the answer to a request that is no
// call of the function: it is an error of the code and not a denial.
func (x *execution) decide(ctx context.Context, g *granted, call *capabilities.Call, arguments []byte, malformed error) (d policies.Decision, approval *audit.Approval, refusal []byte) {
	h := x.session.host
	question := policies.Call{Capability: g.name, Session: x.session.id, Now: time.Now()}
	if malformed == nil && g.grant.NeedsArguments() {
		bound, err := g.signature.Bind(g.grant.Family, g.function, call)
		if err != nil {
			d := h.decide(&question)
			d.Allow, d.Ask, d.Hint, d.Reason = false, false, "", "the arguments do not fit the function: "+oneLine(err.Error())
			return d, nil, h.failed(ctx, g, err).answer
		}
		question.Arguments = bound
	}
	if malformed != nil {
		d := h.decide(&question)
		d.Allow, d.Ask, d.Hint, d.Reason = false, false, "", "the request is malformed: "+malformed.Error()
		return d, nil, appendError(nil, "RuntimeError", g.name+": "+d.Reason)
	}
	question.Usage, question.Rates = &x.session.usage, &h.rates
	d = h.decide(&question)
	if d.Ask {
		question.Approval, approval = x.ask(ctx, g, arguments, d)
		question.Now = time.Now()
		d = h.decide(&question)
	}
	return d, approval, nil
}

// decide asks the policy. What a family's part of it does wrong is a denial, and recorded as one.
func (h *Host) decide(question *policies.Call) (d policies.Decision) {
	defer func() {
		if r := recover(); r != nil {
			h.logger.Error("panic in a decision", "capability", question.Capability, "panic", r, "stack", string(debug.Stack()))
			d = policies.Decision{Reason: "the policy could not decide", By: "host"}
		}
	}()
	return h.policy.Decide(question)
}

// readCall reads a request. arguments is the JSON of what was understood, not of what was sent: records show the values that
// the decision and the capability saw.
func readCall(request []byte, unread error, bound int) (call *capabilities.Call, arguments []byte, err error) {
	if unread != nil {
		return nil, nil, unread
	}
	call = new(capabilities.Call)
	if call.Args, call.Kwargs, err = values.DecodeCall(request); err != nil {
		return nil, nil, err
	}
	arguments, err = appendArguments(nil, call.Args, call.Kwargs, 2*bound)
	if err != nil {
		return nil, nil, err
	}
	return call, arguments, nil
}

// outcome is what came of a call: the answer for the guest, and what the record says.
type outcome struct {
	answer   []byte
	result   []byte // the value's JSON; nil after an error
	class    string // of the exception, or what took its place
	limit    string // the key of [limits] that ended the call
	detail   string // for the record
	duration time.Duration
}

// call calls the capability. A *PythonError goes to Python as it is; any other error, and a panic, is a fault of the host whose
// details are for the logger and the record only.
func (h *Host) call(ctx context.Context, g *granted, call *capabilities.Call) (o outcome) {
	defer func() {
		if r := recover(); r != nil {
			h.logger.Error("panic in a capability", "capability", g.name, "panic", r, "stack", string(debug.Stack()))
			o = fault(g, fmt.Errorf("panic: %v", r))
		}
	}()
	run := ctx
	if g.grant.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, g.grant.Timeout, errCallTimeout)
		defer cancel()
	}
	result, err := g.capability.Call(ctx, call)
	switch {
	case err == nil:
		return h.returned(g, result)
	case run.Err() != nil && !settled(err):
		return stopped(g, context.Cause(run), err)
	}
	return h.failed(ctx, g, err)
}

// settled reports whether an error is what the call has come to, and not that it was stopped.
func settled(err error) bool {
	var raised *capabilities.PythonError
	var denied *capabilities.Denied
	return errors.As(err, &raised) && raised.Type != "TimeoutError" || errors.As(err, &denied)
}

// stopped is the outcome of a call that had come to nothing when the run had to stop, for which cause is the reason. The code gets what it would have got if
// it had computed: no exception of the call's own, which it could take for one that is to be caught.
func stopped(g *granted, cause, err error) outcome {
	o := outcome{answer: appendStop(g), class: canceled, detail: "stopped: " + cause.Error()}
	if errors.Is(cause, errWallTime) {
		o.class, o.limit, o.detail = LimitExceeded, "wall_time", "stopped: wall_time was over"
	}
	if !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, cause) {
		o.detail += "; " + err.Error()
	}
	return o
}

// errCallTimeout is the cause of a context that ended because of a grant's timeout.
var errCallTimeout = errors.New("host: timeout of the grant")

// failed makes an outcome of an error.
func (h *Host) failed(ctx context.Context, g *granted, err error) outcome {
	var raised *capabilities.PythonError
	if errors.As(err, &raised) {
		// Python knows the family's own classes by the name that the grant gives to the module.
		class := raised.Type
		if own, ok := strings.CutPrefix(class, g.grant.Family+"."); ok {
			class = g.grant.PythonName() + "." + own
		}
		answer, encodeErr := values.AppendError(nil, class, raised.Message, raised.Attributes, h.bounds.answer)
		if encodeErr != nil {
			h.logger.Error("capability's exception cannot be encoded", "capability", g.name, "error", encodeErr)
			return fault(g, encodeErr)
		}
		return outcome{answer: answer, class: raised.Type, detail: raised.Message}
	}
	var denied *capabilities.Denied
	if errors.As(err, &denied) {
		d := h.policy.Refuse(g.grant.Family, denied.Verdict)
		return outcome{answer: appendDenied(g, h.policy.Name, d), class: "Denied", detail: d.Reason}
	}
	if ctx.Err() != nil && errors.Is(context.Cause(ctx), errCallTimeout) {
		text := fmt.Sprintf("%s took longer than %v, the timeout of [%s]", g.name, g.grant.Timeout, g.grant.Rule())
		return outcome{answer: appendError(nil, "TimeoutError", text), class: "TimeoutError", detail: text}
	}
	h.logger.Error("capability failed", "capability", g.name, "error", err)
	return fault(g, err)
}

func (h *Host) returned(g *granted, result any) outcome {
	answer, err := values.AppendOK(nil, result, h.bounds.answer)
	switch {
	case errors.Is(err, values.ErrTooLarge):
		text := g.name + ": the result is larger than " + strconv.Itoa(h.bounds.answer) + " bytes"
		return outcome{answer: appendError(nil, "RuntimeError", text), class: "RuntimeError", detail: text}
	case err != nil:
		h.logger.Error("capability's result cannot be encoded", "capability", g.name, "error", err)
		return fault(g, err)
	}
	const before, after = `{"ok":`, `}`
	return outcome{answer: answer, result: answer[len(before) : len(answer)-len(after)]}
}

func fault(g *granted, err error) outcome {
	return outcome{
		answer: appendError(nil, "RuntimeError", g.name+" failed in the host"),
		class:  "RuntimeError",
		detail: err.Error(),
	}
}

// recordDecision records what was decided, and the refusal that the guest gets, if it does.
func (x *execution) recordDecision(g *granted, call *capabilities.Call, arguments []byte, d policies.Decision, approval *audit.Approval, refusal []byte) error {
	var redacted []string
	if call != nil && g.redaction != nil {
		var err error
		if arguments, redacted, err = g.redaction.arguments(call, x.session.host.bounds.request); err != nil {
			return err
		}
		if redacted != nil && !d.Allow {
			// The reason can quote what is redacted, and the refusal has the reason.
			d.Reason, refusal = "[reason redacted]", nil
		}
	}
	return x.journal.write(audit.Decision, func(r *audit.Record) {
		r.Call, r.Capability, r.Effects = int(x.calls), g.name, g.effects
		if arguments != nil {
			r.ArgumentsDigest, r.Arguments = x.journal.content(arguments)
			r.Redacted = redacted
		}
		r.Allow, r.Reason, r.Rule, r.Position = &d.Allow, d.Reason, d.Rule, d.Position.String()
		left := max(x.session.host.limits.HostCalls-x.calls, 0)
		r.CallsLeft, r.Approval = &left, approval
		r.Answer = x.journal.keep(refusal)
	})
}

func (x *execution) recordOutcome(g *granted, o outcome) error {
	var redacted []string
	if g.redaction != nil {
		var err error
		if o, redacted, err = g.redaction.outcome(o, x.session.host.bounds.answer); err != nil {
			return err
		}
	}
	return x.journal.write(audit.Outcome, func(r *audit.Record) {
		r.Call, r.Capability, r.Duration = int(x.calls), g.name, o.duration
		r.Error, r.Limit, r.Redacted = o.class, o.limit, redacted
		if x.journal.full { // it may repeat arguments
			r.Detail = o.detail
		}
		if o.result != nil {
			r.ResultDigest, r.Result = x.journal.content(o.result)
			r.ResultBytes = len(o.result)
		} else {
			r.Answer = x.journal.keep(o.answer)
		}
	})
}

// overLimit refuses a call for want of host_calls. Only the first refusal is recorded: a loop that calls on would
// otherwise fill the log, and exec_ended has the number of calls.
func (x *execution) overLimit(g *granted) []byte {
	limit := x.session.host.limits.HostCalls
	refusal := must(values.AppendLimit(nil, "host_calls", x.session.host.figures("host_calls", Usage{HostCalls: x.calls}), kib))
	if x.calls == limit+1 {
		reason := fmt.Sprintf("limits.host_calls is %d", limit)
		if err := x.recordDecision(g, nil, nil, policies.Decision{Reason: reason, Rule: "limits.host_calls"}, nil, refusal); err != nil {
			return x.unrecorded(g, err)
		}
	}
	return refusal
}

// unrecorded refuses a call, or withholds its outcome, because the log did not take the record.
func (x *execution) unrecorded(g *granted, err error) []byte {
	x.session.host.logger.Error("audit log failed", "capability", g.name, "error", err)
	return appendError(nil, "RuntimeError", g.name+": refused because the audit log failed")
}
