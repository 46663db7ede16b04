// Package bench measures how fast sandboxes are on this machine: what `postern bench` prints.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// Options say what to measure.
type Options struct {
	// Executable is the postern command, whose starts are measured; empty leaves that figure out.
	Executable string

	// Quick takes a few runs of each figure: to see that it works, not to compare.
	Quick bool

	// Progress, if not nil, is called before each figure is measured.
	Progress func(what string)
}

// measurer has what the figures are measured with. Its folder is empty when it begins, and is removed.
type measurer struct {
	Options
	ctx    context.Context
	folder string
	host   *host.Host // see shared
}

// Run measures everything, which takes about a minute. It needs this machine for itself: what else runs shows in the figures.
func Run(ctx context.Context, options Options) (*Report, error) {
	folder, err := os.MkdirTemp("", "postern-bench-*")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	defer os.RemoveAll(folder)
	m := &measurer{Options: options, ctx: ctx, folder: folder}
	report := &Report{Machine: machine(), Versions: versions(ctx)}

	for _, measure := range m.measurements() {
		figures, err := measure.run()
		if err != nil {
			return nil, errors.Join(err, m.close())
		}
		report.Figures = append(report.Figures, figures...)
	}
	return report, m.close()
}

// measurements are all that there is to measure, in an order in which the first fills the cache for the others.
func (m *measurer) measurements() []measurement {
	return []measurement{
		{"compile", m.firstCompile}, {"start", m.startFromCache}, {"sessions", m.sessions}, {"execs", m.execs}, {"host_calls", m.hostCalls},
		{"tools", m.tools}, {"states", m.states}, {"memory", m.privateMemory}, {"programs", m.programs}, {"stop", m.stopLatency},
	}
}

type measurement struct {
	name string
	run  func() ([]Figure, error)
}

// shared is the host that most is measured with.
func (m *measurer) shared() (_ *host.Host, err error) {
	if m.host == nil {
		m.host, err = m.newHost(nil)
	}
	return m.host, err
}

func (m *measurer) close() error {
	if m.host == nil {
		return nil
	}
	return m.host.Close()
}

func (m *measurer) say(what string) {
	if m.Progress != nil {
		m.Progress(what)
	}
}

// runs is how often something is measured.
func (m *measurer) runs(n int) int {
	if m.Quick {
		return max(1, n/50)
	}
	return n
}

// repeat measures f, in units of the given length, after it has run once unmeasured.
func (m *measurer) repeat(n int, unit time.Duration, f func() (time.Duration, error)) ([]float64, error) {
	if _, err := f(); err != nil {
		return nil, err
	}
	return m.measure(n, unit, f)
}

// measure is repeat for what is slow the first time, and is to be measured then.
func (m *measurer) measure(n int, unit time.Duration, f func() (time.Duration, error)) ([]float64, error) {
	var measured []float64
	for range m.runs(n) {
		if err := m.ctx.Err(); err != nil {
			return nil, err
		}
		took, err := f()
		if err != nil {
			return nil, err
		}
		measured = append(measured, float64(took)/float64(unit))
	}
	return measured, nil
}

// clocked is a function for repeat that is measured as a whole.
func clocked(f func() error) func() (time.Duration, error) {
	return func() (time.Duration, error) {
		begun := time.Now()
		err := f()
		return time.Since(begun), err
	}
}

// policy is the default one, but with limits that measuring does not meet, without a log, and with the family of this package.
func (m *measurer) policy() *policies.Policy {
	return &policies.Policy{
		Name: "bench", Digest: audit.Digest([]byte("bench")),
		Limits: policies.Limits{WallTime: time.Hour, Fuel: 1 << 50, HostCalls: 1 << 30, Result: 4 << 20},
		Python: policies.Python{Imports: append(policies.DefaultImports(), "json", "math")}, // which the suite needs
		Audit:  policies.Audit{Log: policies.LogNone},                                       // where a log is part of what is measured, it is said
		Grants: []policies.Grant{{Family: "bench", Functions: []string{"echo"}}},
	}
}

func registry() (*capabilities.Registry, error) {
	return capabilities.NewRegistry(capabilities.Family{Name: "bench", Doc: "What host calls are measured with", Capabilities: []capabilities.Capability{
		capabilities.New(capabilities.Spec{
			Family: "bench", Function: "echo", Signature: "(x, /)", Doc: "Return x.", Effects: capabilities.Pure,
		}, func(_ context.Context, args capabilities.Arguments) (any, error) { return args.Get("x"), nil }),
	}})
}

// newHost makes a host of this package's policy, which change may change, with a cache in the folder.
func (m *measurer) newHost(change func(*host.Config)) (*host.Host, error) {
	known, err := registry()
	if err != nil {
		return nil, err
	}
	config := host.Config{Policy: m.policy(), Capabilities: known, Cache: filepath.Join(m.folder, "cache")}
	if change != nil {
		change(&config)
	}
	return host.New(m.ctx, config)
}

func (m *measurer) firstCompile() ([]Figure, error) {
	m.say("first compile")
	measured, err := m.measure(3, time.Millisecond, clocked(func() error {
		if err := os.RemoveAll(filepath.Join(m.folder, "cache")); err != nil {
			return err
		}
		h, err := m.newHost(nil)
		if err != nil {
			return err
		}
		return h.Close()
	}))
	return []Figure{figure("first_compile_ms", "a host with an empty cache: link, compile, start the interpreter", measured)}, err
}

// startFromCache runs the command itself, as a user would, with caches of its own.
func (m *measurer) startFromCache() ([]Figure, error) {
	const key, doc = "start_from_cache_ms", "a process, postern run -c 1, from its start to its end, with a filled cache"
	if m.Executable == "" {
		return []Figure{figure(key, doc, nil)}, nil
	}
	m.say("start from the cache")
	measured, err := m.repeat(20, time.Millisecond, clocked(func() error {
		command := exec.CommandContext(m.ctx, m.Executable, "run", "-c", "1")
		command.Env = append(os.Environ(),
			"XDG_CACHE_HOME="+filepath.Join(m.folder, "users"), "XDG_STATE_HOME="+m.folder, "HOME="+m.folder, "LocalAppData="+m.folder, "AppData="+m.folder)
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("bench: %s run: %w: %s", m.Executable, err, output)
		}
		return nil
	}))
	return []Figure{figure(key, doc, measured)}, err
}

// check is an exec that must go well.
func (m *measurer) check(s *host.Session, code string) error {
	r, err := s.Exec(m.ctx, code, host.ExecOptions{})
	if err != nil {
		return err
	}
	if r.Error != nil {
		return fmt.Errorf("bench: %.100q: %w", code, r.Error)
	}
	return nil
}

// with calls f with a new session of the host, or of the shared one.
func (m *measurer) with(h *host.Host, f func(*host.Session) error) (err error) {
	if h == nil {
		if h, err = m.shared(); err != nil {
			return err
		}
	}
	s, err := h.NewSession(m.ctx)
	if err != nil {
		return err
	}
	return errors.Join(f(s), s.Close())
}

func (m *measurer) sessions() (figures []Figure, err error) {
	m.say("new sessions")
	fresh, err := m.newHost(func(c *host.Config) { c.Spare = host.NoSpare })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, fresh.Close()) }()
	shared, err := m.shared()
	if err != nil {
		return nil, err
	}
	for _, from := range []struct {
		host        *host.Host
		suffix, doc string
	}{
		{shared, "", ""}, {fresh, "_unspared", ", in an interpreter that is made anew"},
	} {
		var opened []float64
		whole, err := m.repeat(500, time.Microsecond, func() (took time.Duration, err error) {
			begun := time.Now()
			s, err := from.host.NewSession(m.ctx)
			if err != nil {
				return 0, err
			}
			opened = append(opened, float64(time.Since(begun))/float64(time.Microsecond))
			err = m.check(s, "1+1")
			return time.Since(begun), errors.Join(err, s.Close())
		})
		if err != nil {
			return nil, err
		}
		figures = append(figures,
			figure("new_session"+from.suffix+"_us", "a new session"+from.doc, opened[1:]),
			figure("new_session_exec"+from.suffix+"_us", "a new session and `1+1` in it"+from.doc, whole))
	}
	return figures, nil
}

func (m *measurer) execs() ([]Figure, error) {
	m.say("warm execs and resets")
	var warm, reset []float64
	err := m.with(nil, func(s *host.Session) (err error) {
		if warm, err = m.repeat(3000, time.Microsecond, clocked(func() error { return m.check(s, "1+1") })); err != nil {
			return err
		}
		reset, err = m.repeat(500, time.Microsecond, func() (time.Duration, error) {
			if err := m.check(s, "x = [1, 2, 3]\nprint(len(x))"); err != nil {
				return 0, err
			}
			return clocked(func() error { return s.Reset(m.ctx) })()
		})
		return err
	})
	return []Figure{
		figure("warm_exec_us", "`1+1` in a session that has run before", warm),
		figure("reset_us", "Session.Reset after a small program", reset),
	}, err
}

// hostCalls measures calls as they are by default: each is decided and leaves two records in a log.
func (m *measurer) hostCalls() (figures []Figure, err error) {
	m.say("host calls, with a log")
	logged, err := m.newHost(func(c *host.Config) { c.Policy.Audit.Log = filepath.Join(m.folder, "audit") })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, logged.Close()) }()
	const calls = 1000
	var small, large, warm []float64
	err = m.with(logged, func(s *host.Session) (err error) {
		if err := m.check(s, "import bench\nx, y, f = 'x' * 64, 'x' * (1 << 20), bench.echo"); err != nil {
			return err
		}
		// The loop around the calls is measured, too; it is a hundredth.
		small, err = m.repeat(100, calls*time.Microsecond, clocked(func() error { return m.check(s, fmt.Sprintf("for _ in range(%d): f(x)", calls)) }))
		if err != nil {
			return err
		}
		if large, err = m.repeat(50, time.Millisecond, clocked(func() error { return m.check(s, "f(y)\nNone") })); err != nil {
			return err
		}
		warm, err = m.repeat(1000, time.Microsecond, clocked(func() error { return m.check(s, "1+1") }))
		return err
	})
	return []Figure{
		figure("host_call_us", "a host call with 64 bytes and back, decided and recorded in a file", small),
		figure("host_call_1mb_ms", "a host call with 1 MiB and back, the same", large),
		figure("warm_exec_logged_us", "`1+1` in a session that has run before, recorded in a file", warm),
	}, err
}

// states measures what is done with a session that has a little in it.
func (m *measurer) states() ([]Figure, error) {
	m.say("fork, save and restore")
	var fork, save, restore []float64
	err := m.with(nil, func(s *host.Session) (err error) {
		if err := m.check(s, "import re, statistics\nd = {str(i): [i] for i in range(1000)}\ndef f(x): return x + 1"); err != nil {
			return err
		}
		touch := func() error { return m.check(s, "d['0'].append(1)") } // so that there is something to copy each time
		fork, err = m.repeat(200, time.Microsecond, func() (took time.Duration, err error) {
			if err := touch(); err != nil {
				return 0, err
			}
			begun := time.Now()
			other, err := s.Fork(m.ctx)
			if err != nil {
				return 0, err
			}
			return time.Since(begun), other.Close()
		})
		if err != nil {
			return err
		}
		path := filepath.Join(m.folder, "session")
		save, err = m.repeat(50, time.Millisecond, func() (time.Duration, error) {
			if err := touch(); err != nil {
				return 0, err
			}
			return clocked(func() error { return saveTo(path, s) })()
		})
		if err != nil {
			return err
		}
		restore, err = m.repeat(50, time.Millisecond, func() (took time.Duration, err error) {
			begun := time.Now()
			file, err := os.Open(path)
			if err != nil {
				return 0, err
			}
			defer file.Close()
			restored, err := m.host.Restore(m.ctx, file)
			if err != nil {
				return 0, err
			}
			return time.Since(begun), restored.Close()
		})
		return err
	})
	return []Figure{
		figure("fork_us", "Session.Fork of a session with two modules and a thousand lists", fork),
		figure("save_ms", "Session.Save of the same, into a file", save),
		figure("restore_ms", "Host.Restore of that file", restore),
	}, err
}

func saveTo(path string, s *host.Session) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(s.Save(file), file.Close())
}

// privateMemory asks the operating system what it costs to have many sessions that wait.
func (m *measurer) privateMemory() (figures []Figure, err error) {
	const key, doc = "session_private_kb", "private memory of a session that has run `1+1` and waits, in KiB, of 200"
	if _, ok := privateBytes(); !ok {
		return []Figure{figure(key, doc, nil)}, nil
	}
	m.say("memory of idle sessions")
	h, err := m.newHost(nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	before, _ := privateBytes()
	sessions := 200
	for range sessions {
		s, err := h.NewSession(m.ctx)
		if err != nil {
			return nil, err
		}
		if err := m.check(s, "1+1"); err != nil {
			return nil, err
		}
	}
	after, _ := privateBytes()
	each := float64(after-before) / 1024 / float64(sessions)
	return []Figure{{Key: key, Doc: doc, Median: each, P99: math.NaN(), Runs: sessions}}, nil
}

// stopLatency runs loops in C, which nobody can ask to stop.
func (m *measurer) stopLatency() (figures []Figure, err error) {
	m.say("stopping loops in C")
	const limit = 100 * time.Millisecond
	h, err := m.newHost(func(c *host.Config) { c.Policy.Limits.WallTime = limit })
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.Close()) }()
	measured, err := m.repeat(30, time.Millisecond, func() (took time.Duration, err error) {
		err = m.with(h, func(s *host.Session) error {
			begun := time.Now()
			r, err := s.Exec(m.ctx, "sum(range(10**15))", host.ExecOptions{})
			took = time.Since(begun) - limit
			if err == nil && (r.Error == nil || r.Error.Limit != "wall_time") {
				err = fmt.Errorf("bench: a loop in C ended with %v", r.Error)
			}
			return err
		})
		return took, err
	})
	return []Figure{figure("stop_latency_ms", "how long after its deadline a loop in C is stopped", measured)}, err
}

func machine() string {
	return fmt.Sprintf("%s/%s, %d CPUs%s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
}
