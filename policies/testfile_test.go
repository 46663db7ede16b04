package policies_test

import (
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
)

const tested = `policy = 1
name = "tested"
[grant.http]
functions = ["get"]
urls = ["https://api.example.com/**"]
calls = 2
rate = "2/m"
approve = "once"
expires = 2026-01-01T00:00:00Z
`

// suite runs tests and returns their failures.
func suite(t *testing.T, tests string) (failures []string, r *policies.Report) {
	t.Helper()
	s, err := policies.ParseTests("t", []byte(tests), vocabulary())
	if err != nil {
		t.Fatal(err)
	}
	r = s.Run(parse(t, tested), nil)
	for _, result := range r.Results {
		failures = append(failures, result.Failures...)
	}
	return failures, r
}

func TestSuite(t *testing.T) {
	const get = `call = "http.get", args = { url = "https://api.example.com/x" }`
	failures, r := suite(t, `
[[test]]
name = "a human is asked, once; two calls in a session, two in a minute"
steps = [
	{ `+get+`, expect = "ask" },
	{ `+get+`, expect = "allow", approval = "yes", by = "approve" },
	{ `+get+`, expect = "allow" },
	{ `+get+`, expect = "deny", by = "calls", reason = "2 calls" },
	{ `+get+`, expect = "deny", by = "rate", session = "b", after = "59s" },
	{ `+get+`, expect = "deny", approval = "no", session = "b", after = "1s", reason = "refused by the test" },
	{ `+get+`, expect = "deny", session = "b", reason = "refused this function for the session" },
	{ `+get+`, expect = "deny", session = "c", approval = "none", reason = "gives no answer" },
	{ `+get+`, expect = "allow", session = "c", approval = "always" },
	{ `+get+`, expect = "deny", by = "expires", now = 2026-01-01T00:00:00Z },
	{ call = "http.get", args = ["https://evil.example/"], expect = "deny", by = "urls", reason = "permitted: https://api.example.com/", now = 2025-12-31T00:00:00Z },
]
`)
	if len(failures) > 0 {
		t.Errorf("%s", strings.Join(failures, "\n"))
	}
	c := r.Coverage
	if c.Functions != 1 || c.FunctionsAllowed != 1 || c.Terms != 5 || c.TermsDecided != 5 || len(c.Untested) != 0 {
		t.Errorf("coverage %+v", c)
	}
}

// A test must be able to fail, in each of the ways in which a decision can be another one.
func TestSuiteFails(t *testing.T) {
	for step, want := range map[string]string{
		`call = "http.get", args = ["https://evil.example/"], expect = "allow"`:                                            `t:1:9: http.get('https://evil.example/'): want allow, got deny: 'https://evil.example/' is not among urls`,
		`call = "http.get", args = ["https://api.example.com/"], expect = "allow"`:                                         `want allow, got ask: a human must approve the call (approve of [grant.http] at policy.toml:8:11)`,
		`call = "http.post", expect = "deny", by = "urls"`:                                                                 `deny as wanted, but not by "urls": [grant.http] does not name "post"`,
		`call = "http.get", args = [1], expect = "deny", reason = "evil"`:                                                  `deny as wanted, but the reason does not contain "evil": 1 is not among urls`,
		`call = "http.get", args = '["https://api.example.com/"]', expect = "ask", repeat = 2, now = 2027-01-01T00:00:00Z`: `call 1 of 2: want ask, got deny: the grant has expired`,
	} {
		failures, r := suite(t, "test = [{ name = \"n\", "+step+" }]\n")
		if len(failures) != 1 || !strings.Contains(failures[0], want) || r.OK() {
			t.Errorf("%s: %q", step, failures)
		}
	}
}

// FuzzParseTests checks that whatever a file of tests holds, there is either a suite that can be run or mistakes with their places.
func FuzzParseTests(f *testing.F) {
	f.Add([]byte("[[test]]\nname = \"n\"\ncall = \"math.sqrt\"\nargs = [1, 2.5, true, \"x\", 2030-01-01T00:00:00Z, [1], { a = 1 }]\nexpect = \"deny\"\n"))
	f.Add([]byte("now = 2030-01-01T00:00:00Z\ntest = [{ name = \"n\", steps = [{ call = \"http.get\", args = '{\"url\": 1}', expect = \"ask\", after = \"1s\", session = \"s\", repeat = 3 }] }]\n"))
	f.Add([]byte("[[test]]\n[[test.steps]]\nargs = inf\n[test.steps.args]\nx = nan\n"))
	f.Add([]byte("[test]\n[[test.x]]\n"))
	policy, err := policies.Parse("p", []byte(tested+"[grant.math]\nfunctions = [\"sqrt\"]\nwhen = 'args.x == 1'\n[grant.store]\nfunctions = [\"put\"]\n"), vocabulary())
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := policies.ParseTests("p", src, vocabulary())
		if err != nil {
			checkErrors(t, src, nil, err)
			return
		}
		calls := int64(0)
		for _, test := range s.Tests {
			for _, step := range test.Steps {
				calls += step.Repeat
			}
		}
		if calls > 1000 {
			return
		}
		begun := time.Now()
		r := s.Run(policy, nil)
		if len(r.Results) != len(s.Tests) || time.Since(begun) > time.Minute {
			t.Errorf("%d tests, %d results", len(s.Tests), len(r.Results))
		}
	})
}
