package otel_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/audit/otel"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// A real session gives the spans that a tracing backend would show.
func TestSpans(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	provider := trace.NewTracerProvider(trace.WithSpanProcessor(spans))
	defer provider.Shutdown(context.Background())

	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("p.toml", []byte("policy = 1\nname = \"p\"\n[limits]\nhost_calls = 3\n[grant.math]\nfunctions = [\"sqrt\"]\n"),
		policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry, Audit: audit.Discard, Sinks: []audit.Sink{otel.NewSink(provider)}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const code = "import math\nsecret = 161803.0\nmath.sqrt(secret)\ntry: math.sqrt(-1)\nexcept ValueError: pass\ntry:\n    import os\nexcept ImportError: pass\nmath.sqrt(1)\nmath.sqrt(2)"
	for range 2 {
		if _, err := s.Exec(t.Context(), code, host.ExecOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}

	ended := spans.Ended()
	var names []string
	for _, span := range ended {
		names = append(names, span.Name()+" "+span.Status().Code.String()+" "+span.Status().Description)
	}
	want := []string{"math.sqrt Unset ", "math.sqrt Error ValueError", "math.sqrt Unset ", "math.sqrt Error denied", "postern.exec Error limit"}
	if !slices.Equal(names, append(slices.Clone(want), want...)) {
		t.Fatalf("spans %q", names)
	}
	exec := ended[4]
	for i, span := range ended[:4] {
		if span.Parent().SpanID() != exec.SpanContext().SpanID() || span.EndTime().Before(span.StartTime()) {
			t.Errorf("call %d: parent %v, from %v to %v", i, span.Parent(), span.StartTime(), span.EndTime())
		}
	}
	if exec.Parent().IsValid() || exec.Status().Code != codes.Error || len(exec.Events()) != 1 {
		t.Errorf("exec: parent %v, events %v", exec.Parent(), exec.Events())
	}
	var all strings.Builder
	for _, span := range ended {
		for _, attribute := range span.Attributes() {
			fmt.Fprintln(&all, attribute.Key, attribute.Value.String())
		}
	}
	if text := all.String(); strings.Contains(text, "161803") || strings.Contains(text, "402.2") || !strings.Contains(text, "postern.policy.name p") {
		t.Errorf("attributes:\n%s", text)
	}
}
