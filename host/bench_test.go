package host_test

import (
	"testing"

	"github.com/postern-sandbox/postern/host"
)

func BenchmarkNewSession(b *testing.B) {
	h := open(b, config(b))
	b.ReportAllocs()
	for b.Loop() {
		s, err := h.NewSession(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		s.Close()
	}
}

func BenchmarkExec(b *testing.B) {
	s := session(b, open(b, config(b)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Exec(b.Context(), "value 1", host.ExecOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostCall includes what the toy does to make a request and show the answer.
func BenchmarkHostCall(b *testing.B) {
	c := config(b)
	c.Policy.Limits.HostCalls = 1 << 30
	s := session(b, open(b, c))
	const calls = 100
	code := ""
	for range calls {
		code += hostcall(tEcho, `{"args": [1.5], "kwargs": {}}`) + "\n"
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Exec(b.Context(), code, host.ExecOptions{}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*calls), "ns/call")
}

// BenchmarkMeteredLoop is the worst case of metering: a loop that does nothing else.
func BenchmarkMeteredLoop(b *testing.B) {
	c := config(b)
	c.Policy.Limits.Fuel = 1 << 40
	s := session(b, open(b, c))
	for b.Loop() {
		if r := exec(b, s, "spin 100000000"); !r.OK {
			b.Fatal(r.Error)
		}
	}
}
