package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os/exec"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/conformance/suite"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/host/internal/unmetered"
	"github.com/postern-sandbox/postern/link"
)

// programs runs the suite of pure-Python programs in a guest with and without fuel, turn by turn so that both see the same machine, and
// natively.
func (m *measurer) programs() (figures []Figure, err error) {
	m.say("pure-Python programs, with and without fuel")
	free, err := m.unmeteredHost()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, free.Close()) }()
	programs := suite.Programs()
	rounds := m.runs(7)
	with, without := newTimes(rounds, len(programs)), newTimes(rounds, len(programs))
	for round := range rounds {
		for i, p := range programs {
			for _, side := range []struct {
				host *host.Host
				into times
			}{{nil, with}, {free, without}} {
				if side.into[round][i], err = m.runProgram(side.host, p); err != nil {
					return nil, err
				}
			}
		}
	}
	overhead := figure("fuel_overhead_ratio", "the suite with fuel to the suite without, geometric mean", nil)
	overhead.Runs = rounds
	overhead.Median, overhead.P99 = with.ratios(without)

	suiteRatio := figure("python_suite_ratio", "the suite to a native python3, geometric mean", nil)
	if python := nativePython(m.ctx); python != "" {
		m.say("the same programs in " + python)
		native := newTimes(1, len(programs))
		for i, p := range programs {
			if native[0][i], err = runNatively(m.ctx, python, p, rounds); err != nil {
				return nil, err
			}
		}
		suiteRatio.Runs = rounds
		suiteRatio.Median, suiteRatio.P99 = with.ratios(native)
	}
	return []Figure{overhead, suiteRatio}, nil
}

// unmeteredHost is a host like the measurer's, whose guest has no fuel to lose.
func (m *measurer) unmeteredHost() (*host.Host, error) {
	base, err := guest.Wasm()
	if err != nil {
		return nil, err
	}
	symbols := host.Symbols(m.policy())
	linked, err := link.Link(base, link.Options{Functions: symbols})
	if err != nil {
		return nil, err
	}
	inner := *m
	inner.ctx = unmetered.With(m.ctx)
	return inner.newHost(func(c *host.Config) { c.Linked = linked })
}

// runProgram gives the milliseconds that a program takes in a session of its own.
func (m *measurer) runProgram(h *host.Host, p suite.Program) (took float64, err error) {
	err = m.with(h, func(s *host.Session) error {
		r, err := s.Exec(m.ctx, p.Code, host.ExecOptions{})
		if err != nil {
			return err
		}
		if r.Error != nil {
			return fmt.Errorf("bench: program %s: %w", p.Name, r.Error)
		}
		took = r.Usage.WallMS
		return nil
	})
	return took, err
}

// times are what each program took, by round.
type times [][]float64

func newTimes(rounds, programs int) times {
	t := make(times, rounds)
	for i := range t {
		t[i] = make([]float64, programs)
	}
	return t
}

// best is the shortest time of each program, which is the one that the machine has disturbed least.
func (t times) best() []float64 {
	best := append([]float64(nil), t[0]...)
	for _, round := range t[1:] {
		for i, took := range round {
			best[i] = min(best[i], took)
		}
	}
	return best
}

// ratios are the geometric means of t to the best of other: of t's best, and of its worst.
func (t times) ratios(other times) (best, worst float64) {
	low, high := make([]float64, len(t[0])), make([]float64, len(t[0]))
	for i, of := range other.best() {
		slowest := 0.0
		for _, round := range t {
			slowest = max(slowest, round[i])
		}
		low[i], high[i] = t.best()[i]/of, slowest/of
	}
	return geometricMean(low), geometricMean(high)
}

// nativePython is a Python that starts, of the guest's version if there is one: version managers leave stand-ins that do not.
func nativePython(ctx context.Context) string {
	for _, name := range []string{"python3.13", "python3"} {
		if exec.CommandContext(ctx, name, "-I", "-c", "").Run() == nil {
			return name
		}
	}
	return ""
}

// runNatively gives the milliseconds that a program takes natively at best, without what the process takes.
func runNatively(ctx context.Context, python string, p suite.Program, rounds int) (float64, error) {
	const driver = `import contextlib, io, sys, time
code, best = compile(sys.stdin.read(), "program", "exec"), 1e9
for _ in range(int(sys.argv[1])):
    with contextlib.redirect_stdout(io.StringIO()):
        begun = time.perf_counter()
        exec(code, {"__name__": "__main__"})
        best = min(best, time.perf_counter() - begun)
print(best * 1e3)`
	command := exec.CommandContext(ctx, python, "-I", "-c", driver, strconv.Itoa(rounds))
	command.Stdin = strings.NewReader(p.Code)
	output, err := command.Output()
	if err != nil {
		return math.NaN(), fmt.Errorf("bench: program %s in %s: %w", p.Name, python, err)
	}
	took, err := strconv.ParseFloat(strings.TrimSpace(string(output)), 64)
	if err != nil {
		return math.NaN(), fmt.Errorf("bench: program %s in %s: %w", p.Name, python, err)
	}
	return took, nil
}
