package link_test

import (
	"math"
	"slices"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/conformance/suite"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/link/internal/wasm"
	"github.com/postern-sandbox/postern/policies"
)

// free is the linked Python guest with a gauge that nothing charges, so that the host runs it.
func free(b *testing.B) []byte {
	b.Helper()
	m, err := wasm.Decode(mustLink(b, python(b), link.Options{}))
	if err != nil {
		b.Fatal(err)
	}
	m.Exports = append(m.Exports,
		wasm.Export{Name: link.FuelGlobal, Kind: wasm.KindGlobal, Index: m.GlobalCount()},
		wasm.Export{Name: link.RefuelFunction, Kind: wasm.KindFunction, Index: m.FunctionCount()})
	m.Globals = append(m.Globals, wasm.Global{Type: wasm.I64, Mutable: true, Init: wasm.Code{}.I64(0).End()})
	m.Functions = append(m.Functions, wasm.Function{Type: m.TypeIndex(wasm.FuncType{}), Locals: wasm.Locals(), Code: wasm.Code{}.End()})
	return m.Encode()
}

// BenchmarkPythonFuel runs the suite with and without metering, in turns, and tells how many times longer it takes with.
func BenchmarkPythonFuel(b *testing.B) {
	policy, err := policies.Parse("policy.toml", []byte("policy = 1\nname = \"bench\"\n[limits]\nwall_time = \"1h\"\nfuel = 1_000_000_000_000_000\n"+
		"[python]\nimports = [\"heapq\", \"itertools\", \"json\", \"re\"]\n"),
		policies.Vocabulary{Modules: []string{"heapq", "itertools", "json", "re"}})
	if err != nil {
		b.Fatal(err)
	}
	session := func(b *testing.B, linked []byte) *host.Session {
		h, err := host.New(b.Context(), host.Config{Policy: policy, Linked: linked, Audit: audit.Discard})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { h.Close() })
		s, err := h.NewSession(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	sessions := []*host.Session{
		session(b, free(b)),
		session(b, mustLink(b, python(b), link.Options{Meter: true})),
	}
	ratios := 0.0
	for _, p := range suite.Programs() {
		b.Run(p.Name, func(b *testing.B) {
			var times [2][]float64
			for b.Loop() {
				for i, s := range sessions {
					r, err := s.Exec(b.Context(), p.Code, host.ExecOptions{})
					if err != nil || !r.OK {
						b.Fatal(r, err)
					}
					times[i] = append(times[i], r.Usage.WallMS)
				}
			}
			ratio := median(times[1]) / median(times[0])
			ratios += math.Log(ratio)
			b.ReportMetric(ratio, "×unmetered")
		})
	}
	b.Run("geometric-mean", func(b *testing.B) {
		b.ReportMetric(math.Exp(ratios/float64(len(suite.Programs()))), "×unmetered")
		b.ReportMetric(0, "ns/op")
	})
}

func median(values []float64) float64 { return slices.Sorted(slices.Values(values))[len(values)/2] }
