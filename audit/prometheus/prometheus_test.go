package prometheus_test

import (
	"strings"
	"testing"

	upstream "github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/audit/prometheus"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// A real session is counted.
func TestCounts(t *testing.T) {
	metrics := upstream.NewPedanticRegistry()
	sink, err := prometheus.NewSink(metrics)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := prometheus.NewSink(metrics); err == nil {
		t.Error("registered twice")
	}
	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("p.toml", []byte("policy = 1\nname = \"p\"\n[limits]\nhost_calls = 3\nfuel = 20_000_000\n[grant.math]\nfunctions = [\"sqrt\"]\n"),
		policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry, Audit: audit.Discard, Sinks: []audit.Sink{sink}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	s, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range []string{
		"import math\nmath.sqrt(4)",
		"class Chosen(Exception): pass\nraise Chosen",
		"import os",
		"import math\nmath.sqrt(-1)",
		"import math\nfor i in range(5): math.sqrt(i)",
		"while True: pass",
	} {
		if _, err := s.Exec(t.Context(), code, host.ExecOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	const want = `
# HELP postern_execs_total Calls into guests, by what ended them: ok, error, limit or canceled.
# TYPE postern_execs_total counter
postern_execs_total{outcome="error"} 3
postern_execs_total{outcome="limit"} 2
postern_execs_total{outcome="ok"} 1
# HELP postern_host_calls_total Decisions about host calls: allow or deny.
# TYPE postern_host_calls_total counter
postern_host_calls_total{capability="math.sqrt",decision="allow"} 5
postern_host_calls_total{capability="math.sqrt",decision="deny"} 1
# HELP postern_host_call_errors_total Host calls that raised an exception.
# TYPE postern_host_call_errors_total counter
postern_host_call_errors_total{capability="math.sqrt"} 1
# HELP postern_sessions Sessions that are open.
# TYPE postern_sessions gauge
postern_sessions 0
# HELP postern_sessions_lost_total Sessions whose guest broke or was stopped.
# TYPE postern_sessions_lost_total counter
postern_sessions_lost_total 1
# HELP postern_withheld_total What code tried and was not granted, by its own account: import or call.
# TYPE postern_withheld_total counter
postern_withheld_total{kind="import"} 1
`
	if err := testutil.GatherAndCompare(metrics, strings.NewReader(want), "postern_execs_total", "postern_host_calls_total", "postern_host_call_errors_total",
		"postern_sessions", "postern_sessions_lost_total", "postern_withheld_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(metrics, "postern_host_call_seconds", "postern_exec_seconds", "postern_fuel_total"); err != nil || n != 3 {
		t.Errorf("%d, %v", n, err)
	}
}
