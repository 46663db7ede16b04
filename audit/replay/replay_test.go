package replay_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/audit/replay"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/json"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// dice is a family whose results no replay could guess: they are different each time.
func dice() capabilities.Family {
	function := func(name, signature string, fn func(context.Context, capabilities.Arguments) (any, error)) capabilities.Capability {
		return capabilities.New(capabilities.Spec{Family: "dice", Function: name, Signature: signature, Doc: name, Effects: capabilities.Reads}, fn)
	}
	return capabilities.Family{
		Name: "dice", Doc: "For tests.", Exceptions: map[string]string{"Lost": "ValueError"},
		Capabilities: []capabilities.Capability{
			function("roll", "(sides=6)", func(_ context.Context, a capabilities.Arguments) (any, error) {
				sides, ok := a.At(0).(int64)
				if !ok || sides < 1 {
					return nil, &capabilities.PythonError{Type: "dice.Lost", Message: "no such dice", Attributes: map[string]any{"luck": rand.Int64()}}
				}
				return 1 + rand.Int64N(sides), nil
			}),
			function("letters", "(n, /)", func(_ context.Context, a capabilities.Arguments) (any, error) {
				n, _ := a.At(0).(int64)
				text := make([]byte, min(n, 10_000))
				for i := range text {
					text[i] = byte('a' + rand.IntN(26))
				}
				return string(text), nil
			}),
			function("fail", "()", func(context.Context, capabilities.Arguments) (any, error) {
				return nil, fmt.Errorf("a secret of the host")
			}),
		},
	}
}

func registry(t testing.TB) *capabilities.Registry {
	t.Helper()
	r, err := capabilities.NewRegistry(json.Family(), math.Family(), dice())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func parse(t testing.TB, name, text string) *policies.Policy {
	t.Helper()
	p, err := policies.Parse(name, []byte(text), policies.Vocabulary{Families: registry(t).Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const policyText = `policy = 1
name = "player"
[limits]
host_calls = 20
fuel = 200_000_000
[grant.dice]
functions = ["roll", "letters", "fail"]
[grant.json]
functions = ["dumps", "loads"]
[grant.math]
functions = ["sqrt", "floor"]
`

// record runs something with a log in a new folder.
func record(t testing.TB, policy *policies.Policy, do func(*host.Host)) (folder string) {
	t.Helper()
	folder = t.TempDir()
	log, err := audit.Open(folder, audit.Options{Durability: audit.Batch})
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry(t), Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	do(h)
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return folder
}

func session(t testing.TB, h *host.Host, do func(*host.Session)) {
	t.Helper()
	s, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func exec(t testing.TB, s *host.Session, code string) *host.Result {
	t.Helper()
	r, err := s.Exec(t.Context(), code, host.ExecOptions{Filename: "agent.py"})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func player(t testing.TB, policy *policies.Policy) *replay.Player {
	t.Helper()
	p, err := replay.NewPlayer(t.Context(), host.Config{Policy: policy, Capabilities: registry(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// play replays all sessions of a folder.
func play(t testing.TB, p *replay.Player, folder string) []*replay.Report {
	t.Helper()
	reader, err := audit.OpenReader(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var reports []*replay.Report
	for s, err := range replay.Sessions(reader, func(string) bool { return true }) {
		if err != nil {
			t.Fatal(err)
		}
		report, err := p.Play(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		reports = append(reports, report)
	}
	return reports
}

// statements of the generated programs; %d is a random number.
var statements = []string{
	"x = dice.roll(%d)\nprint(x)",
	"total = sum(dice.roll() for _ in range(%[1]d %% 4))",
	"print(json.dumps({'k': %d, 'r': dice.roll(1000)}))",
	"json.loads('[%d, {\"a\": null}]')",
	"math.sqrt(%d)",
	"text = dice.letters(%d)\nprint(len(text), text[:5])",
	"try:\n    dice.roll(-%d)\nexcept ValueError as e:\n    print(type(e).__name__, e, e.luck)",
	"try:\n    dice.fail()\nexcept RuntimeError as e:\n    print(e)",
	"import random\nprint(random.random(), {random.randint(0, %d) for _ in range(5)})",
	"import time\nprint(time.time())",
	"class C: pass\nprint(sorted({str(C()), %q}))",
	"try:\n    import socket\nexcept ImportError as e:\n    print(e)",
	"try:\n    math.cos(1)\nexcept PermissionError as e:\n    print(e.rule, e.position)",
	"def f(n):\n    return dice.roll(n) if n < 3 else f(n - 1)\nf(%[1]d %% 50)",
	"print({i: chr(i) for i in range(65, 65 + %[1]d %% 20)})",
	"import sys\nprint('to stderr', file=sys.stderr) if 'sys' in dir() else None",
	"dice.roll(sides='%d')",
	"raise KeyError(dice.roll(%d + 1))",
	"for _ in range(%[1]d): dice.roll()", // over host_calls, sometimes
	"(dice.roll(%d + 1), {'set': {1, 2}}, 2.5, b'x')",
	"final_answer(dice.roll(%d + 1))",
}

func generate(r *rand.Rand) string {
	var code strings.Builder
	code.WriteString("import dice, json, math\n")
	for range 1 + r.IntN(4) {
		s := statements[r.IntN(len(statements))]
		if strings.Contains(s, "%") {
			s = fmt.Sprintf(s, 1+r.IntN(30))
		}
		code.WriteString(s + "\n")
	}
	return code.String()
}

func TestGeneratedSessions(t *testing.T) {
	policy := parse(t, "dir/policy.toml", policyText)
	const sessions = 100
	folder := record(t, policy, func(h *host.Host) {
		r := rand.New(rand.NewPCG(7, 11))
		for range sessions {
			session(t, h, func(s *host.Session) {
				for range 1 + r.IntN(3) {
					exec(t, s, generate(r))
				}
				if r.IntN(3) == 0 {
					if _, err := s.Set(t.Context(), map[string]any{"given": []any{int64(1), "é", 2.5}, "a": nil}); err != nil {
						t.Fatal(err)
					}
					exec(t, s, "def f(x, *, k): return [x, k, given, dice.roll(9)]\nimport dice")
					if _, err := s.Call(t.Context(), "f", []any{int64(1)}, map[string]any{"k": "v"}, host.CallOptions{}); err != nil {
						t.Fatal(err)
					}
				}
			})
		}
	})
	p := player(t, policy)
	calls, same := 0, 0
	for _, report := range play(t, p, folder) {
		calls += report.Calls
		if same++; !report.Same() {
			same--
			t.Errorf("%+v, %v", report, report.Difference)
		}
	}
	if same != sessions || calls < 2*sessions {
		t.Errorf("%d of %d sessions were the same, with %d calls", same, sessions, calls)
	}
}

// change replaces the first match in the log's lines.
func change(t *testing.T, folder, pattern, by string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(folder, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile(pattern).FindIndex(content)
	if place == nil {
		t.Fatalf("%s is not in the log", pattern)
	}
	changed := t.TempDir()
	content = append(append(append([]byte(nil), content[:place[0]]...), by...), content[place[1]:]...)
	if err := os.WriteFile(filepath.Join(changed, "log.jsonl"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return changed
}

func TestDifferencesAreFound(t *testing.T) {
	policy := parse(t, "policy.toml", policyText)
	folder := record(t, policy, func(h *host.Host) {
		session(t, h, func(s *host.Session) {
			exec(t, s, "import math, json\nprint(math.sqrt(2))\nx = json.dumps([math.sqrt(16)])\njson.loads('1')")
		})
	})
	p := player(t, policy)
	if reports := play(t, p, folder); len(reports) != 1 || !reports[0].Same() || reports[0].Calls != 4 {
		t.Fatalf("%+v", reports[0])
	}
	sqrt2 := `"result_digest":"` + audit.Digest([]byte("1.4142135623730951")) + `","result":1\.4142135623730951`
	for _, test := range []struct {
		name, pattern, by string
		call              int
		what              string
	}{
		{"a byte of a result", `"result":1\.4`, `"result":1.5`, 1, "the recorded result of math.sqrt"},
		{"a result that nobody looks at", `"result":1,`, `"result":2,`, 4, "the recorded result of json.loads"},
		{"a result with its digest", sqrt2, `"result_digest":"` + audit.Digest([]byte("1.5")) + `","result":1.5`, 0, "stdout"},
		{"a result that another call gets", `"result_digest":"[^"]*","result":4\.0`,
			`"result_digest":"` + audit.Digest([]byte("5.0")) + `","result":5.0`, 3, "the arguments of json.dumps"},
		{"a byte of the arguments' digest", `("capability":"json.dumps","effects":"pure","arguments_digest":"sha256:).`, `"capability":"json.dumps","effects":"pure","arguments_digest":"sha256:x`, 3, "the arguments of json.dumps"},
		{"the function", `"call":1,([^{}]*)"capability":"math.sqrt"`, `"call":1,"capability":"math.floor"`, 1, "the function that is called"},
		{"the code", `sqrt\(16\)`, `sqrt(25)`, 0, "what was run does not fit its digest"},
		{"fuel", `"usage":\{"fuel":`, `"usage":{"fuel":1`, 0, "fuel"},
		{"the outcome of the exec", `"ok":true`, `"ok":false`, 0, "whether it succeeded"},
		{"stdout", `"stdout_digest":"sha256:.`, `"stdout_digest":"sha256:x`, 0, "stdout"},
		{"value", `"value_digest":"sha256:.`, `"value_digest":"sha256:x`, 0, "the value"},
		{"host calls", `"host_calls":4`, `"host_calls":5`, 0, "host calls"},
	} {
		reports := play(t, p, change(t, folder, test.pattern, test.by))
		d := reports[0].Difference
		if d == nil || d.Call != test.call || d.What != test.what || d.Exec != 1 {
			t.Errorf("%s: %+v, %v", test.name, reports[0], d)
		} else if !strings.Contains(d.Error(), "recorded ") || d.Recorded == d.Replayed {
			t.Errorf("%s: %v", test.name, d)
		}
	}
}

// Any byte of any outcome.
func TestEachByteOfAnOutcomeCounts(t *testing.T) {
	policy := parse(t, "policy.toml", policyText)
	folder := record(t, policy, func(h *host.Host) {
		session(t, h, func(s *host.Session) {
			exec(t, s, "import dice\nx = dice.letters(40)\ntry: dice.roll(0)\nexcept ValueError as e: print(e, e.luck, type(e))")
		})
	})
	content, err := os.ReadFile(filepath.Join(folder, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	p := player(t, policy)
	tried := 0
	for _, part := range []string{`"result":"[a-z]*"`, `"message":"no such dice"`, `"luck":[^}]*`} {
		place := regexp.MustCompile(part).FindIndex(content)
		start := place[0] + strings.Index(part, ":") + 1
		for i := start; i < place[1]; i++ {
			c := content[i]
			if c < '1' || c > 'z' || c == '\\' || c == '$' || c == '{' {
				continue
			}
			changed := t.TempDir()
			by := append([]byte(nil), content...)
			if by[i] = c ^ 1; c >= '1' && c <= '9' {
				by[i] = '1' + (c-'1'+1)%9
			}
			if err := os.WriteFile(filepath.Join(changed, "log.jsonl"), by, 0o600); err != nil {
				t.Fatal(err)
			}
			reader, err := audit.OpenReader(changed)
			if err != nil {
				t.Fatal(err)
			}
			for s, err := range replay.Sessions(reader, func(string) bool { return true }) {
				if err != nil {
					break // not JSON any more
				}
				report, err := p.Play(t.Context(), s)
				if err != nil {
					t.Fatal(err)
				}
				if report.Same() {
					t.Errorf("%s, byte %d: %q became %q, and nothing was different", part, i-start, c, by[i])
				}
				tried++
			}
			reader.Close()
		}
	}
	if tried < 50 {
		t.Errorf("only %d bytes", tried)
	}
}

func TestUnable(t *testing.T) {
	run := func(text, code string) *replay.Report {
		t.Helper()
		policy := parse(t, "policy.toml", text)
		folder := record(t, policy, func(h *host.Host) { session(t, h, func(s *host.Session) { exec(t, s, code) }) })
		return play(t, player(t, policy), folder)[0]
	}
	for _, test := range []struct{ name, policy, code, want string }{
		{"digests", policyText + "[audit]\narguments = \"digest\"\n", "1", "and not the code itself"},
		{"redacted", policyText + "[audit]\nredact = [\"dice.roll.return\"]\n", "import dice\ndice.roll()", "its outcome is redacted (dice.roll.return)"},
		{"the clock", strings.Replace(policyText, "[limits]", "[limits]\nwall_time = \"50ms\"", 1), "while True: pass", "was ended by the clock"},
	} {
		if r := run(test.policy, test.code); !strings.Contains(r.Unable, test.want) || r.Difference != nil {
			t.Errorf("%s: %+v", test.name, r)
		}
	}
	// Arguments that are redacted keep nothing from being run again.
	if r := run(policyText+"[audit]\nredact = [\"math.sqrt.x\"]\n", "import math\nprint(math.sqrt(4))"); !r.Same() || r.Calls != 1 {
		t.Errorf("redacted arguments: %+v, %v", r, r.Difference)
	}

	// Another policy is another guest.
	policy := parse(t, "policy.toml", policyText)
	folder := record(t, policy, func(h *host.Host) { session(t, h, func(s *host.Session) { exec(t, s, "1") }) })
	other := player(t, parse(t, "policy.toml", policyText+"# changed\n"))
	if r := play(t, other, folder)[0]; !strings.Contains(r.Unable, "it ran under policy") {
		t.Errorf("another policy: %+v", r)
	}
}

func TestLostSessionsReplay(t *testing.T) {
	policy := parse(t, "policy.toml", strings.Replace(policyText, "200_000_000", "20_000_000", 1))
	folder := record(t, policy, func(h *host.Host) {
		session(t, h, func(s *host.Session) { exec(t, s, "while True: pass") })
		session(t, h, func(s *host.Session) { exec(t, s, "x = 1\nx +") })
	})
	for _, r := range play(t, player(t, policy), folder) {
		if !r.Same() || r.Execs != 1 {
			t.Errorf("%+v, %v", r, r.Difference)
		}
	}
}

// Sessions that are reset replay; those that go on from another's state, which the log does not have, do not, and it is said.
func TestSessionsWithAPast(t *testing.T) {
	policy := parse(t, "policy.toml", strings.Replace(policyText, "200_000_000", "20_000_000", 1))
	folder := record(t, policy, func(h *host.Host) {
		session(t, h, func(s *host.Session) {
			exec(t, s, "x = 1")
			if err := s.Reset(t.Context()); err != nil {
				t.Fatal(err)
			}
			if r := exec(t, s, "'x' in dir()"); string(r.Value) != "false" {
				t.Errorf("after a reset: %s", r.Value)
			}
			fork, err := s.Fork(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			exec(t, fork, "2")
			fork.Close()
		})
		session(t, h, func(s *host.Session) {
			exec(t, s, "y = 1")
			if err := s.Checkpoint(); err != nil {
				t.Fatal(err)
			}
			exec(t, s, "while True: pass")
			exec(t, s, "y")
		})
	})
	reports := play(t, player(t, policy), folder)
	if len(reports) != 3 {
		t.Fatalf("%d sessions", len(reports))
	}
	if r := reports[0]; !strings.Contains(r.Unable, "it began with what session") {
		t.Errorf("fork: %+v", r)
	}
	if r := reports[1]; !r.Same() || r.Execs != 2 {
		t.Errorf("reset: %+v, %v", r, r.Difference)
	}
	if r := reports[2]; !strings.Contains(r.Unable, "exec 2 fell back to a state") || r.Execs != 1 {
		t.Errorf("checkpoint: %+v, %v", r, r.Difference)
	}
}

func TestSessionsInterleaveAndEndEarly(t *testing.T) {
	policy := parse(t, "policy.toml", policyText)
	folder := record(t, policy, func(h *host.Host) {
		session(t, h, func(a *host.Session) {
			exec(t, a, "x = 1")
			session(t, h, func(b *host.Session) { exec(t, b, "y = 2") })
			exec(t, a, "x + 1")
		})
	})
	content, err := os.ReadFile(filepath.Join(folder, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(content), "\n")
	cut := t.TempDir() // before the last exec_ended
	if err := os.WriteFile(filepath.Join(cut, "log.jsonl"), []byte(strings.Join(lines[:len(lines)-3], "")), 0o600); err != nil {
		t.Fatal(err)
	}
	p := player(t, policy)
	reports := play(t, p, folder)
	if len(reports) != 2 || !reports[0].Same() || !reports[1].Same() || reports[0].Execs != 1 || reports[1].Execs != 2 {
		t.Errorf("%+v %+v", reports[0], reports[1])
	}
	reports = play(t, p, cut)
	if len(reports) != 2 || !reports[0].Same() || !strings.Contains(reports[1].Unable, "exec 2: the log ends before it does") {
		t.Errorf("%+v %+v", reports[0], reports[1])
	}
}
