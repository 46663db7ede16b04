// Package prometheus counts audit records for Prometheus.
//
// No label has a value that the code in the sandbox chooses: capabilities are those of the policy, and everything else is from a short list.
package prometheus

import (
	"errors"
	"strings"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postern-sandbox/postern/audit"
)

// A Sink counts. It is an [audit.Sink], for host.Config.Sinks.
type Sink struct {
	sessions prometheus.Gauge
	lost     prometheus.Counter
	execs    *prometheus.CounterVec
	seconds  prometheus.Histogram
	fuel     prometheus.Counter
	calls    *prometheus.CounterVec
	errors   *prometheus.CounterVec
	duration *prometheus.HistogramVec
	withheld *prometheus.CounterVec
}

// NewSink makes a sink and registers what it counts; docs/audit.md lists it. Registering it twice with one registerer is an error.
func NewSink(registerer prometheus.Registerer) (*Sink, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "postern", Name: name, Help: help}, labels)
	}
	s := &Sink{
		sessions: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "postern", Name: "sessions", Help: "Sessions that are open."}),
		lost:     prometheus.NewCounter(prometheus.CounterOpts{Namespace: "postern", Name: "sessions_lost_total", Help: "Sessions whose guest broke or was stopped."}),
		execs:    counter("execs_total", "Calls into guests, by what ended them: ok, error, limit or canceled.", "outcome"),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: "postern", Name: "exec_seconds", Help: "Duration of calls into guests, host calls included.",
			Buckets: prometheus.ExponentialBuckets(0.0001, 4, 10)}),
		fuel:     prometheus.NewCounter(prometheus.CounterOpts{Namespace: "postern", Name: "fuel_total", Help: "Loop iterations and function calls of guests."}),
		calls:    counter("host_calls_total", "Decisions about host calls: allow or deny.", "capability", "decision"),
		errors:   counter("host_call_errors_total", "Host calls that raised an exception.", "capability"),
		withheld: counter("withheld_total", "What code tried and was not granted, by its own account: import or call.", "kind"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "postern", Name: "host_call_seconds", Help: "Duration of host calls.",
			Buckets: prometheus.ExponentialBuckets(0.000001, 8, 9)}, []string{"capability"}),
	}
	var errs []error
	for _, collector := range []prometheus.Collector{s.sessions, s.lost, s.execs, s.seconds, s.fuel, s.calls, s.errors, s.withheld, s.duration} {
		errs = append(errs, registerer.Register(collector))
	}
	return s, errors.Join(errs...)
}

// Record implements [audit.Sink].
func (s *Sink) Record(r *audit.Record) {
	switch r.Kind {
	case audit.SessionOpened:
		s.sessions.Inc()
	case audit.SessionClosed:
		s.sessions.Dec()
		if r.Lost {
			s.lost.Inc()
		}
	case audit.ExecEnded:
		s.execs.WithLabelValues(outcome(r)).Inc()
		if r.Usage != nil {
			s.fuel.Add(float64(r.Usage.Fuel))
			s.seconds.Observe(r.Duration.Seconds())
		}
	case audit.Decision:
		decision := "deny"
		if r.Allow != nil && *r.Allow {
			decision = "allow"
		}
		s.calls.WithLabelValues(r.Capability, decision).Inc()
	case audit.Outcome:
		s.duration.WithLabelValues(r.Capability).Observe(r.Duration.Seconds())
		if r.Error != "" {
			s.errors.WithLabelValues(r.Capability).Inc()
		}
	case audit.Withheld:
		kind := "call"
		if strings.HasPrefix(r.Withheld, "import ") {
			kind = "import"
		}
		s.withheld.WithLabelValues(kind).Inc()
	}
}

func outcome(r *audit.Record) string {
	switch {
	case r.OK != nil && *r.OK:
		return "ok"
	case r.Limit != "":
		return "limit"
	case r.Usage == nil: // the host alone says so
		return "canceled"
	}
	return "error"
}
