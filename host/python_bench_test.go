package host_test

import (
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// pythonHost is a host of the real guest that grants math.sqrt.
func pythonHost(tb testing.TB) *host.Host {
	tb.Helper()
	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		tb.Fatal(err)
	}
	policy, err := policies.Parse("policy.toml", []byte("policy = 1\nname = \"bench\"\n[limits]\nhost_calls = 1_000_000_000\nwall_time = \"1h\"\nfuel = 1_000_000_000_000_000\n[grant.math]\nfunctions = [\"sqrt\"]\n"),
		policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		tb.Fatal(err)
	}
	return open(tb, host.Config{Policy: policy, Capabilities: registry, Audit: audit.Discard})
}

func BenchmarkPythonNewSession(b *testing.B) {
	h := pythonHost(b)
	for b.Loop() {
		s, err := h.NewSession(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkPythonNewSessionExec(b *testing.B) {
	h := pythonHost(b)
	for b.Loop() {
		s, err := h.NewSession(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if r, err := s.Exec(b.Context(), "1+1", host.ExecOptions{}); err != nil || !r.OK {
			b.Fatal(r, err)
		}
		s.Close()
	}
}

func BenchmarkPythonWarmExec(b *testing.B) { benchmarkPython(b, "1+1", 1) }

func BenchmarkPythonHostCall(b *testing.B) {
	benchmarkPython(b, "import math\nf = math.sqrt\nfor i in range(10000): f(i)", 10000)
}

// benchmarkPython runs code in one session; it does something times each run.
func benchmarkPython(b *testing.B, code string, times int) {
	h := pythonHost(b)
	s := session(b, h)
	for b.Loop() {
		if r, err := s.Exec(b.Context(), code, host.ExecOptions{}); err != nil || !r.OK {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*times), "µs/each")
}
