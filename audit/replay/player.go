package replay

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/values"
)

// A Player runs the sessions of one policy again. It is safe for concurrent use.
type Player struct {
	host *host.Host

	mu   sync.Mutex
	runs map[string]*run // by the ID of the new session
}

// A Report says how a replay went. It was the same if there is neither a Difference nor a reason why it could not be run.
type Report struct {
	Execs, Calls int         // that were run again and were the same
	Difference   *Difference // the first
	Unable       string      // why it could not go on, as a clause; empty if it could
}

// Same reports whether all of the session was run again and nothing was different.
func (r *Report) Same() bool { return r.Difference == nil && r.Unable == "" }

// A Difference is where a replay went another way.
type Difference struct {
	Record     int64 // number of the record that says otherwise
	Exec, Call int   // Call is 0 if it is about the exec as a whole
	What       string
	Recorded   string
	Replayed   string
}

// Error says all of it in one line.
func (d *Difference) Error() string {
	place := "exec " + strconv.Itoa(d.Exec)
	if d.Call > 0 {
		place += ", call " + strconv.Itoa(d.Call)
	}
	return fmt.Sprintf("%s (record %d): %s: recorded %s, now %s", place, d.Record, d.What, d.Recorded, d.Replayed)
}

// patience replaces the policy's wall_time: a replay waits for nobody, and may run on a slower machine.
const patience = time.Hour

// NewPlayer makes a player for the sessions of config.Policy, which must be the one that they ran under, read under the name that their records have for it. Of
// config.Capabilities it takes names and signatures; none is called.
func NewPlayer(ctx context.Context, config host.Config) (*Player, error) {
	p := &Player{runs: make(map[string]*run)}
	if config.Policy == nil {
		return nil, errors.New("replay: no policy")
	}
	policy := *config.Policy
	policy.Limits = policy.Limits.WithDefaults()
	policy.Limits.WallTime = patience
	config.Policy, config.Audit, config.Replay, config.Sinks = &policy, listener{p}, p.answer, nil
	var err error
	p.host, err = host.New(ctx, config)
	return p, err
}

// Close ends what runs.
func (p *Player) Close() error { return p.host.Close() }

// run is one session that is run again.
type run struct {
	session *Session
	ctx     context.Context
	stop    context.CancelCauseFunc
	report  Report

	opened, started, ended *audit.Record // by the new host
	withheld               []string
}

var errStop = errors.New("replay: it goes another way")

// Play runs a session again, until it has ended or goes another way. The error is for what is wrong here, not with the session.
func (p *Player) Play(ctx context.Context, session *Session) (*Report, error) {
	r := &run{session: session}
	s, err := p.host.NewSession(ctx)
	if err != nil {
		return nil, err
	}
	p.enlist(s.ID(), r)
	defer p.dismiss(s.ID())
	defer s.Close()
	if r.unable(p.unlike(s.ID(), session)) {
		return &r.report, nil
	}
	for _, x := range session.Execs {
		if r.unable(x.unable()) {
			break
		}
		if x.Reset {
			if err := s.Reset(ctx); err != nil {
				return nil, err
			}
		}
		if err := r.exec(ctx, s, x); err != nil {
			return nil, err
		}
		if !r.report.Same() {
			break
		}
		r.report.Execs++
	}
	return &r.report, nil
}

func (r *run) unable(reason string) bool {
	if reason != "" && r.report.Difference == nil {
		r.report.Unable = reason
	}
	return reason != ""
}

// differs notes the first difference and stops the guest.
func (r *run) differs(record *audit.Record, what, recorded, replayed string) {
	if r.report.Same() {
		r.report.Difference = &Difference{record.Number, record.Exec, record.Call, what, recorded, replayed}
	}
	if r.stop != nil {
		r.stop(errStop)
	}
}

// unlike says why the session cannot be compared with what this host runs.
func (p *Player) unlike(id string, session *Session) string {
	then, now := session.Opened, p.openedBy(id)
	switch {
	case then == nil:
		return "the log does not have its beginning"
	case session.goesOn():
		return fmt.Sprintf("it began with what session %s had, and not anew", then.From)
	case now == nil:
		return "this host has no digests"
	case then.Policy != now.Policy:
		return fmt.Sprintf("it ran under policy %s, and this is %s", then.Policy, now.Policy)
	case then.Guest != now.Guest:
		return fmt.Sprintf("it ran in guest %s, and this program has %s", then.Guest, now.Guest)
	case then.Linked != now.Linked:
		return fmt.Sprintf("it ran in linked guest %s, and this program links %s", then.Linked, now.Linked)
	}
	return ""
}

// unable says why an exec cannot be run again.
func (x *Exec) unable() string {
	switch {
	case x.Started.Input == nil:
		return fmt.Sprintf("exec %d: the log has the digest of what was run, and not the code itself (arguments = \"digest\", or it was too large)", x.Started.Exec)
	case audit.Digest(x.Started.Input) != x.Started.InputDigest:
		return "" // it is run, and found to be different
	case x.Ended == nil:
		return fmt.Sprintf("exec %d: the log ends before it does", x.Started.Exec)
	case x.Ended.Limit == "wall_time":
		return fmt.Sprintf("exec %d was ended by the clock, which a replay does not have", x.Started.Exec)
	case x.Ended.Error == "Canceled":
		return fmt.Sprintf("exec %d was ended by its caller", x.Started.Exec)
	}
	return ""
}

// exec runs one exec again and compares.
func (r *run) exec(ctx context.Context, s *host.Session, x *Exec) error {
	r.ctx, r.stop = context.WithCancelCause(ctx)
	defer r.stop(nil)
	r.started, r.ended, r.withheld = nil, nil, nil
	if digest := audit.Digest(x.Started.Input); digest != x.Started.InputDigest {
		r.differs(x.Started, "what was run does not fit its digest", x.Started.InputDigest, digest)
		return nil
	}
	err := enter(r.ctx, s, x.Started)
	switch {
	case !r.report.Same():
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		r.differs(x.Ended, "the exec", "ran", err.Error())
		return nil
	}
	r.compare(x)
	return nil
}

// enter does what the record says was done.
func enter(ctx context.Context, s *host.Session, started *audit.Record) error {
	var input struct {
		Code, Filename, Function string
		Args                     json.RawMessage
		Variables, Kwargs        map[string]json.RawMessage
	}
	if err := json.Unmarshal(started.Input, &input); err != nil {
		return fmt.Errorf("replay: input: %w", err)
	}
	variables, err := decodeAll(input.Variables)
	if err != nil {
		return err
	}
	switch started.Entry {
	case "exec":
		// Text with lone surrogates cannot be in the code: the host does not take it.
		_, err = s.Exec(ctx, input.Code, host.ExecOptions{Filename: input.Filename})
		return err
	case "set":
		_, err = s.Set(ctx, variables)
		return err
	case "call":
		args, err := values.Decode(input.Args)
		if err != nil {
			return fmt.Errorf("replay: input: %w", err)
		}
		list, ok := args.([]any)
		kwargs, err := decodeAll(input.Kwargs)
		if err != nil || !ok {
			return fmt.Errorf("replay: the input is no call: %w", err)
		}
		_, err = s.Call(ctx, input.Function, list, kwargs, host.CallOptions{})
		return err
	}
	return fmt.Errorf("replay: unknown entry %q", started.Entry)
}

func decodeAll(encoded map[string]json.RawMessage) (map[string]any, error) {
	decoded := make(map[string]any, len(encoded))
	for name, value := range encoded {
		var err error
		if decoded[name], err = values.Decode(value); err != nil {
			return nil, fmt.Errorf("replay: input: %w", err)
		}
	}
	return decoded, nil
}

// compare compares the ends.
func (r *run) compare(x *Exec) {
	then, now := x.Ended, r.ended
	if now == nil || r.started == nil {
		r.differs(then, "its record", "is there", "is not")
		return
	}
	if r.started.InputDigest != x.Started.InputDigest {
		r.differs(x.Started, "what the guest is given", x.Started.InputDigest, r.started.InputDigest)
		return
	}
	if then.Restored && now.Lost {
		r.unable(fmt.Sprintf("exec %d fell back to a state that its session had kept, and the log does not have", then.Exec))
		return
	}
	usage := func(of *audit.Record) audit.Usage {
		if of.Usage == nil {
			return audit.Usage{}
		}
		return *of.Usage
	}
	a, b := usage(then), usage(now)
	for _, part := range []struct{ what, recorded, replayed string }{
		{"host calls", strconv.FormatInt(a.HostCalls, 10), strconv.FormatInt(b.HostCalls, 10)},
		{"whether it succeeded", boolean(then.OK), boolean(now.OK)},
		{"the exception", quoted(then.Error), quoted(now.Error)},
		{"whether the session was lost", strconv.FormatBool(then.Lost), strconv.FormatBool(now.Lost)},
		{"the limit that ended it", quoted(then.Limit), quoted(now.Limit)},
		{"what was withheld", quoted(strings.Join(x.Withheld, ", ")), quoted(strings.Join(r.withheld, ", "))},
		{"stdout", or(then.StdoutDigest, "nothing"), or(now.StdoutDigest, "nothing")},
		{"stderr", or(then.StderrDigest, "nothing"), or(now.StderrDigest, "nothing")},
		{"the value", or(then.ValueDigest, "none"), or(now.ValueDigest, "none")},
		{"fuel", strconv.FormatInt(a.Fuel, 10), strconv.FormatInt(b.Fuel, 10)},
		{"memory", strconv.FormatInt(a.MemoryBytes, 10), strconv.FormatInt(b.MemoryBytes, 10)},
	} {
		if part.recorded != part.replayed {
			r.differs(then, part.what, part.recorded, part.replayed)
			return
		}
	}
}

func boolean(b *bool) string { return strconv.FormatBool(b != nil && *b) }

func quoted(text string) string {
	if text == "" {
		return "none"
	}
	return strconv.Quote(text)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// answer answers a host call of a session that is run again: it is the host's Replay.
func (p *Player) answer(id string, exec, call int, capability string, arguments []byte) ([]byte, error) {
	p.mu.Lock()
	r := p.runs[id]
	p.mu.Unlock()
	if r == nil || exec > len(r.session.Execs) || !r.report.Same() {
		return nil, errStop
	}
	x := r.session.Execs[exec-1]
	if call > len(x.Calls) {
		r.differs(x.Ended, "host calls", strconv.Itoa(len(x.Calls)), "one more: "+capability)
		return nil, errStop
	}
	recorded := x.Calls[call-1]
	answer := r.check(recorded, capability, arguments)
	if answer == nil {
		r.stop(errStop)
		return nil, errStop
	}
	r.report.Calls++
	return answer, nil
}

// check compares a call with the recorded one and gives its answer, or nil if there is none.
func (r *run) check(recorded *Call, capability string, arguments []byte) []byte {
	d := recorded.Decision
	digest := ""
	if arguments != nil {
		digest = audit.Digest(arguments)
	}
	switch {
	case d.Capability != capability:
		r.differs(d, "the function that is called", d.Capability, capability)
		return nil
	case d.Redacted == nil && d.ArgumentsDigest != digest:
		then, now := show(d.Arguments, d.ArgumentsDigest), show(arguments, digest)
		if then == now { // it is the digest that was changed
			then, now = d.ArgumentsDigest, digest
		}
		r.differs(d, "the arguments of "+capability, then, now)
		return nil
	}
	if d.Allow == nil || !*d.Allow {
		if d.Answer == nil {
			r.unable(r.missing(d, "the denial"))
		}
		return d.Answer
	}
	o := recorded.Outcome
	switch {
	case o == nil:
		r.unable(fmt.Sprintf("exec %d, call %d: the log has no outcome of it", d.Exec, d.Call))
		return nil
	case o.Redacted != nil:
		r.unable(fmt.Sprintf("exec %d, call %d: its outcome is redacted (%s)", d.Exec, d.Call, strings.Join(o.Redacted, ", ")))
		return nil
	case o.Result == nil && o.Answer == nil:
		r.unable(r.missing(d, "the outcome"))
		return nil
	case o.Result == nil:
		return o.Answer
	case o.ResultDigest != audit.Digest(o.Result):
		r.differs(o, "the recorded result of "+capability, o.ResultDigest+" by its digest", show(o.Result, audit.Digest(o.Result)))
		return nil
	}
	return append(append([]byte(`{"ok":`), o.Result...), '}')
}

func (r *run) missing(d *audit.Record, what string) string {
	return fmt.Sprintf("exec %d, call %d: the log has the digest of %s, and not the content (arguments = \"digest\", or it was too large)", d.Exec, d.Call, what)
}

// show is a content if it is short, and its digest otherwise.
func show(content []byte, digest string) string {
	if len(content) == 0 || len(content) > 200 {
		return or(digest, "none")
	}
	return string(content)
}

// listener is the log of the player's host: it hands the records to the run that they belong to.
type listener struct{ *Player }

// Append implements [audit.Log].
func (l listener) Append(record *audit.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.runs[record.Session]
	if r == nil {
		r = new(run) // of a session that is just being made
		l.runs[record.Session] = r
	}
	kept := *record
	switch record.Kind {
	case audit.SessionOpened:
		r.opened = &kept
	case audit.ExecStarted:
		r.started = &kept
	case audit.ExecEnded:
		r.ended = &kept
	case audit.Withheld:
		r.withheld = append(r.withheld, record.Withheld)
	}
	return nil
}

// Close implements [audit.Log]; the host does not call it.
func (l listener) Close() error { return nil }

func (p *Player) enlist(id string, r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if begun := p.runs[id]; begun != nil {
		r.opened = begun.opened
	}
	p.runs[id] = r
}

func (p *Player) openedBy(id string) *audit.Record {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs[id].opened
}

func (p *Player) dismiss(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.runs, id)
}
