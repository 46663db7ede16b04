package conformance_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/conformance/suite"
	"github.com/postern-sandbox/postern/host"
)

// BenchmarkPrograms times the suite in the guest and, when there is one on PATH, in a native python3.13, in turns, and tells
// how many times the native median the guest's is.
func BenchmarkPrograms(b *testing.B) {
	_, nativeErr := native()
	if nativeErr != nil {
		b.Logf("no ratios: python3.13: %v", nativeErr)
	}
	ratios := 0.0
	programs := suite.Programs()
	for _, p := range programs {
		b.Run(p.Name, func(b *testing.B) {
			s := session(b)
			var guest, native []float64
			for b.Loop() {
				r := run(b, s, p.Code)
				if r.Error != nil {
					b.Fatal(r.Error)
				}
				guest = append(guest, r.Usage.WallMS)
				if nativeErr == nil && len(guest)%8 == 1 {
					b.StopTimer()
					native = append(native, nativeTimes(b, p.Code)...)
					b.StartTimer()
				}
			}
			b.ReportMetric(median(guest), "ms-median")
			if nativeErr == nil {
				ratio := median(guest) / median(native)
				ratios += math.Log(ratio)
				b.ReportMetric(ratio, "×native")
			}
		})
	}
	if nativeErr == nil {
		b.Run("geometric-mean", func(b *testing.B) {
			b.ReportMetric(math.Exp(ratios/float64(len(programs))), "×native")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// nativeTimes is how many milliseconds a program took in a native python3.13, each time.
func nativeTimes(b *testing.B, code string) (times []float64) {
	const timed = `import contextlib, io, sys, time
code = compile(sys.argv[1], "program", "exec")
for _ in range(5):
    with contextlib.redirect_stdout(io.StringIO()):
        start = time.perf_counter()
        exec(code, {"__name__": "__main__"})
        end = time.perf_counter()
    print((end - start) * 1000)
`
	for _, line := range strings.Fields(nativeOutput(b, "-I", "-c", timed, code)) {
		ms, err := strconv.ParseFloat(line, 64)
		if err != nil {
			b.Fatal(err)
		}
		times = append(times, ms)
	}
	return times
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
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
