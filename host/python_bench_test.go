package host_test

import (
	"bytes"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// pythonHost is a host of the real guest that grants math.sqrt, with hardly any limits.
func pythonHost(tb testing.TB, log audit.Log) *host.Host {
	tb.Helper()
	return pythonHostOf(tb, "[limits]\nhost_calls = 1_000_000_000\nwall_time = \"1h\"\nfuel = 1_000_000_000_000_000\n", log)
}

// pythonHostOf is a host of the real guest that grants math.sqrt, under limits as they are written in a policy.
func pythonHostOf(tb testing.TB, limits string, log audit.Log) *host.Host {
	tb.Helper()
	registry, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		tb.Fatal(err)
	}
	policy, err := policies.Parse("policy.toml", []byte("policy = 1\nname = \"python\"\n"+limits+"[grant.math]\nfunctions = [\"sqrt\"]\n"),
		policies.Vocabulary{Families: registry.Vocabulary()})
	if err != nil {
		tb.Fatal(err)
	}
	return open(tb, host.Config{Policy: policy, Capabilities: registry, Audit: log})
}

func BenchmarkPythonNewSession(b *testing.B) {
	h := pythonHost(b, audit.Discard)
	for b.Loop() {
		s, err := h.NewSession(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkPythonNewSessionExec(b *testing.B) {
	h := pythonHost(b, audit.Discard)
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

func BenchmarkPythonWarmExec(b *testing.B) { benchmarkLogs(b, "1+1", 1) }

// A thousand lines, and whether somebody sees them while they are printed.
func BenchmarkPythonPrint(b *testing.B) {
	for name, output := range map[string]host.Output{"unwatched": nil, "watched": func(string, string) {}} {
		b.Run(name, func(b *testing.B) {
			s := busySession(b, pythonHost(b, audit.Discard))
			for b.Loop() {
				r, err := s.Exec(b.Context(), "for n in range(1000): print('line', n)", host.ExecOptions{Output: output})
				if err != nil || !r.OK {
					b.Fatal(r, err)
				}
			}
		})
	}
}

func BenchmarkPythonHostCall(b *testing.B) {
	benchmarkLogs(b, "import math\nf = math.sqrt\nfor i in range(10000): f(i)", 10000)
}

// benchmarkLogs is benchmarkPython without a log and with one in a folder.
func benchmarkLogs(b *testing.B, code string, times int) {
	b.Run("discard", func(b *testing.B) { benchmarkPython(b, audit.Discard, code, times) })
	for _, durability := range []audit.Durability{audit.Batch, audit.Effects} {
		b.Run(string(durability), func(b *testing.B) {
			log, err := audit.Open(b.TempDir(), audit.Options{Durability: durability})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { log.Close() })
			benchmarkPython(b, log, code, times)
		})
	}
}

// benchmarkPython runs code in one session; it does something times each run.
func benchmarkPython(b *testing.B, log audit.Log, code string, times int) {
	h := pythonHost(b, log)
	s := session(b, h)
	for b.Loop() {
		if r, err := s.Exec(b.Context(), code, host.ExecOptions{}); err != nil || !r.OK {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*times), "µs/each")
}

// busySession is a session with a little state: modules, a thousand lists, a function.
func busySession(b *testing.B, h *host.Host) *host.Session {
	s := session(b, h)
	exec(b, s, "import re, statistics\nd = {str(i): [i] for i in range(1000)}\ndef f(x): return x + 1")
	return s
}

// afterEach measures what f does after code has run, which is not measured.
func afterEach(b *testing.B, s *host.Session, code string, f func() error) {
	for b.Loop() {
		b.StopTimer()
		exec(b, s, code)
		b.StartTimer()
		if err := f(); err != nil {
			b.Fatal(err)
		}
	}
}

// touch changes a little of what a busySession has.
const touch = "d['0'].append(1)"

func BenchmarkPythonReset(b *testing.B) {
	s := session(b, pythonHost(b, audit.Discard))
	afterEach(b, s, "x = [1, 2, 3]", func() error { return s.Reset(b.Context()) })
}

func BenchmarkPythonCheckpoint(b *testing.B) {
	s := busySession(b, pythonHost(b, audit.Discard))
	afterEach(b, s, touch, s.Checkpoint)
}

func BenchmarkPythonFork(b *testing.B) {
	s := busySession(b, pythonHost(b, audit.Discard))
	afterEach(b, s, touch, func() error {
		other, err := s.Fork(b.Context())
		if err != nil {
			return err
		}
		b.StopTimer()
		defer b.StartTimer()
		return other.Close()
	})
}

func BenchmarkPythonSaveAndRestore(b *testing.B) {
	h := pythonHost(b, audit.Discard)
	s := busySession(b, h)
	var saved bytes.Buffer
	b.Run("save", func(b *testing.B) {
		afterEach(b, s, touch, func() error {
			saved.Reset()
			return s.Save(&saved)
		})
		b.ReportMetric(float64(saved.Len()), "bytes")
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			other, err := h.Restore(b.Context(), bytes.NewReader(saved.Bytes()))
			if err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			other.Close()
			b.StartTimer()
		}
	})
}
