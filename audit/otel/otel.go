// Package otel makes OpenTelemetry spans of audit records: one for each exec and, within it, one for each host call.
//
// Spans have names, decisions, sizes and durations, and never code, arguments, results or what the code says: traces go to more
// places than an audit log does. They prove nothing; the log does.
package otel

import (
	"context"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/postern-sandbox/postern/audit"
)

// Name is the instrumentation scope of the spans.
const Name = "github.com/postern-sandbox/postern"

// A Sink makes spans. It is an [audit.Sink], for host.Config.Sinks.
type Sink struct {
	tracer trace.Tracer

	mu       sync.Mutex
	sessions map[string]*session // that are open
}

// session is what of a session is under way.
type session struct {
	policy string
	ctx    context.Context // of the exec
	exec   trace.Span      // nil between execs
	calls  []call          // that are under way: of the code, and of a tool that it has called
}

// call is a host call that is under way.
type call struct {
	ctx  context.Context
	span trace.Span
}

// NewSink makes a sink for the tracers of a provider.
func NewSink(provider trace.TracerProvider) *Sink {
	return &Sink{tracer: provider.Tracer(Name), sessions: make(map[string]*session)}
}

// Record implements [audit.Sink].
func (k *Sink) Record(r *audit.Record) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.sessions[r.Session]
	if s == nil {
		if r.Kind != audit.SessionOpened {
			return
		}
		k.sessions[r.Session] = &session{policy: r.PolicyName}
		return
	}
	switch r.Kind {
	case audit.ExecStarted:
		s.endCalls(r.Time, 0)
		s.endExec(r.Time)
		s.ctx, s.exec = k.tracer.Start(context.Background(), "postern."+r.Entry, trace.WithTimestamp(r.Time), trace.WithAttributes(
			attribute.String("postern.session", r.Session), attribute.Int("postern.exec", r.Exec),
			attribute.String("postern.policy.name", s.policy), attribute.String("postern.policy", r.Policy),
			attribute.String("postern.guest", r.Guest), attribute.String("postern.linked", r.Linked)))
	case audit.Decision:
		k.decided(s, r)
	case audit.Outcome:
		s.returned(r)
	case audit.Withheld:
		if s.exec != nil {
			kind, _, _ := strings.Cut(r.Withheld, " ")
			s.exec.AddEvent("postern.withheld", trace.WithTimestamp(r.Time), trace.WithAttributes(attribute.String("postern.withheld.kind", kind)))
		}
	case audit.ExecEnded:
		s.ended(r)
	case audit.SessionClosed:
		s.endCalls(r.Time, 0)
		s.endExec(r.Time)
		delete(k.sessions, r.Session)
	}
}

func (k *Sink) decided(s *session, r *audit.Record) {
	if s.exec == nil {
		return
	}
	ctx := s.ctx
	if r.Within > 0 && len(s.calls) > 0 {
		s.endCalls(r.Time, 1)
		ctx = s.calls[0].ctx
	} else {
		s.endCalls(r.Time, 0)
	}
	allowed := r.Allow != nil && *r.Allow
	ctx, span := k.tracer.Start(ctx, r.Capability, trace.WithTimestamp(r.Time), trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("postern.capability", r.Capability), attribute.String("postern.effects", r.Effects), attribute.Int("postern.call", r.Call),
		attribute.Bool("postern.allowed", allowed), attribute.String("postern.rule", r.Rule)))
	if r.Tool != "" {
		span.SetAttributes(attribute.String("postern.tool", r.Tool))
	}
	s.calls = append(s.calls, call{ctx, span})
	if !allowed {
		span.SetStatus(codes.Error, "denied")
		s.endCalls(r.Time, len(s.calls)-1)
	}
}

func (s *session) returned(r *audit.Record) {
	depth := 0
	if r.Within > 0 {
		depth = 1
	}
	if len(s.calls) <= depth {
		return
	}
	span := s.calls[depth].span
	span.SetAttributes(attribute.Int("postern.result.bytes", r.ResultBytes))
	if r.Error != "" {
		span.SetStatus(codes.Error, r.Error)
	}
	s.endCalls(r.Time, depth)
}

func (s *session) ended(r *audit.Record) {
	s.endCalls(r.Time, 0)
	if s.exec == nil {
		return
	}
	if r.Usage != nil {
		s.exec.SetAttributes(attribute.Int64("postern.fuel", r.Usage.Fuel), attribute.Int64("postern.memory.bytes", r.Usage.MemoryBytes),
			attribute.Int64("postern.host_calls", r.Usage.HostCalls))
	}
	switch {
	case r.OK != nil && *r.OK:
		s.exec.SetStatus(codes.Ok, "")
	case r.Limit != "":
		s.exec.SetAttributes(attribute.String("postern.limit", r.Limit))
		s.exec.SetStatus(codes.Error, "limit")
	default:
		s.exec.SetStatus(codes.Error, "error")
	}
	s.endExec(r.Time)
}

// endCalls ends the calls that are under way, the last first, until so many are left.
func (s *session) endCalls(at time.Time, left int) {
	for len(s.calls) > left {
		s.calls[len(s.calls)-1].span.End(trace.WithTimestamp(at))
		s.calls = s.calls[:len(s.calls)-1]
	}
}

func (s *session) endExec(at time.Time) {
	if s.exec != nil {
		s.exec.End(trace.WithTimestamp(at))
		s.exec, s.ctx = nil, nil
	}
}
