package conformance_test

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/host"
)

// programs are small and pure Python; each is run whole.
var programs = []struct{ name, code string }{
	{"fib", "def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\nfib(24)"},
	{"additions", "x = 0\nfor i in range(1_000_000): x += i"},
	{"json", "import json\nfor i in range(10_000): json.loads(json.dumps({'a': [1, 2, 3], 'b': 'x'}))"},
}

// BenchmarkPrograms times programs in the guest, and tells how much longer they take than in a python3.13 on PATH.
func BenchmarkPrograms(b *testing.B) {
	for _, p := range programs {
		b.Run(p.name, func(b *testing.B) {
			s := session(b)
			for b.Loop() {
				if r := run(b, s, p.code); r.Error != nil {
					b.Fatal(r.Error)
				}
			}
			const timed = "import sys, time\ncode, best = compile(sys.argv[1], 'p', 'exec'), 1e9\n" +
				"for _ in range(7):\n  t = time.perf_counter(); exec(code, {}); best = min(best, time.perf_counter() - t)\nprint(best)"
			out, err := exec.Command("python3.13", "-I", "-c", timed, p.code).Output()
			if err != nil {
				return
			}
			if native, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64); err == nil {
				b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/native, "×native")
			}
		})
	}
}

// BenchmarkStop tells how long after its deadline a loop is stopped: in Python, which is asked, and in C, which is forced.
func BenchmarkStop(b *testing.B) {
	h, err := hasty()
	if err != nil {
		b.Fatal(err)
	}
	for name, code := range map[string]string{"asked": "while True: pass", "forced": "sum(range(10**15))"} {
		b.Run(name, func(b *testing.B) {
			var late float64
			for b.Loop() {
				s := sessionOf(b, h)
				r, err := s.Exec(background, code, host.ExecOptions{})
				if err != nil || r.Error == nil || r.Error.Limit != "wall_time" {
					b.Fatal(r, err)
				}
				late += r.Usage.WallMS - 500
				s.Close()
			}
			b.ReportMetric(late/float64(b.N), "ms-late")
		})
	}
}
