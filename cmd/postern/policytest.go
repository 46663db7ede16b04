package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

const policyTestUsage = "policy test [-v] [-run REGEXP] [--json] FILE..."

func (c *cli) policyTest(args []string) int {
	f := c.newFlags(policyTestUsage, `Tests policies: runs the [[test]] tables of NAME_test.toml, which stands beside the policy NAME.toml. FILE is either of the two. Nothing
is called: each test asks the policy about calls and compares the decision with the one that is expected. docs/policy-tools.md has the keys.

Exit codes: 0 when all tests pass; 1 when one fails; 2 for mistakes in a policy or in a file of tests.`)
	verbose := f.Bool("v", false, "show every test with its decisions, and what no test has decided")
	pattern := f.String("run", "", "run only the tests whose name matches the regular expression `REGEXP`")
	asJSON := f.Bool("json", false, "print a JSON object and nothing else")
	files, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(files) == 0 {
		return c.fail(usageError("usage: postern "+policyTestUsage, "no policy is named"))
	}
	filter, err := regexp.Compile(*pattern)
	if err != nil {
		return c.fail(usageError("", "-run: %w", err))
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	look := &toolLook{cli: c}
	defer look.close()
	report := testReport{OK: true, Files: []testedPolicy{}}
	worst := exitOK
	for _, file := range files {
		tested, policyReport, err := look.testPolicy(file, known, filter.MatchString)
		switch {
		case err != nil && *asJSON:
			worst = exitUsage
			if tested.Mistakes, err = mistakesOf(file, err); err != nil {
				return c.fail(err)
			}
		case err != nil:
			worst = max(worst, c.fail(err))
		case !tested.OK:
			worst = max(worst, exitDiffers)
		}
		if err == nil && !*asJSON {
			if err := c.printTests(tested, policyReport, *verbose); err != nil {
				return c.fail(err)
			}
		}
		report.OK = report.OK && tested.OK
		report.Files = append(report.Files, tested)
	}
	if *asJSON {
		if err := writeJSON(c.stdout, report); err != nil {
			return c.fail(err)
		}
	}
	return worst
}

// testReport is the JSON of `postern policy test --json`.
type testReport struct {
	OK    bool           `json:"ok"`
	Files []testedPolicy `json:"files"`
}

type testedPolicy struct {
	Policy   string       `json:"policy"`
	Tests    string       `json:"tests"` // the file
	OK       bool         `json:"ok"`
	Mistakes []finding    `json:"mistakes"`
	Results  []testResult `json:"results"`
	Coverage testCoverage `json:"coverage"`
}

type testResult struct {
	Name     string   `json:"name"`
	Position string   `json:"position"`
	OK       bool     `json:"ok"`
	Failures []string `json:"failures,omitempty"`
}

type testCoverage struct {
	Functions        int        `json:"functions"`
	FunctionsAllowed int        `json:"functions_allowed"`
	Terms            int        `json:"terms"`
	TermsDecided     int        `json:"terms_decided"`
	Untested         []untested `json:"untested"`
}

type untested struct {
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	Position string `json:"position"`
}

// testFiles are the policy and the file of its tests, of which one is named.
func testFiles(file string) (policy, tests string) {
	if name, ok := strings.CutSuffix(file, "_test.toml"); ok {
		return name + ".toml", file
	}
	return file, strings.TrimSuffix(file, filepath.Ext(file)) + "_test.toml"
}

// checkSteps checks that what the tests call of tools is there.
func checkSteps(suite *policies.Suite, policy *policies.Policy, seen *seenTools) error {
	var mistakes policies.Errors
	for _, test := range suite.Tests {
		for _, step := range test.Steps {
			if step.Tool != "" {
				continue
			}
			if message, hint := seen.missing(policy, step.Call); message != "" {
				mistakes = append(mistakes, &policies.Error{Position: step.Position, Message: message, Hint: hint})
			}
		}
	}
	if mistakes != nil {
		return mistakes
	}
	return nil
}

func (l *toolLook) testPolicy(file string, known *capabilities.Registry, wanted func(string) bool) (testedPolicy, *policies.Report, error) {
	r := testedPolicy{Mistakes: []finding{}, Results: []testResult{}, Coverage: testCoverage{Untested: []untested{}}}
	r.Policy, r.Tests = testFiles(file)
	policy, err := lookPolicy(r.Policy, known)
	if err != nil {
		return r, nil, err
	}
	src, err := readFile(r.Tests, policyLimit)
	if err != nil {
		return r, nil, usageError("the tests of a policy are in a file beside it; docs/policy-tools.md says how they are written", "%w", err)
	}
	suite, err := policies.ParseTests(r.Tests, src, policy.Callable())
	if err != nil {
		return r, nil, err
	}
	seen, err := l.tools(policy, known)
	if err != nil {
		return r, nil, err
	}
	if err := checkSteps(suite, policy, seen); err != nil {
		return r, nil, err
	}
	suite.Tools = seen.functions()
	report := suite.Run(policy, wanted)
	r.OK = report.OK()
	for _, t := range report.Results {
		r.Results = append(r.Results, testResult{t.Name, t.Position.String(), len(t.Failures) == 0, t.Failures})
	}
	cover := report.Coverage
	r.Coverage = testCoverage{cover.Functions, cover.FunctionsAllowed, cover.Terms, cover.TermsDecided, []untested{}}
	for _, u := range cover.Untested {
		r.Coverage.Untested = append(r.Coverage.Untested, untested{u.Subject, u.Text, u.Position.String()})
	}
	return r, report, nil
}

// mistakesOf are the findings of an error that is a file's fault; any other is returned.
func mistakesOf(file string, err error) ([]finding, error) {
	var mistakes policies.Errors
	if errors.As(err, &mistakes) {
		return findings(mistakes), nil
	}
	var failure *failure
	if errors.As(err, &failure) {
		return []finding{{File: file, Message: failure.Error(), Hint: failure.hint}}, nil
	}
	return []finding{}, err
}

func (c *cli) printTests(t testedPolicy, report *policies.Report, verbose bool) error {
	var b strings.Builder
	failed := 0
	for _, result := range report.Results {
		mark := "PASS"
		if len(result.Failures) > 0 {
			mark = "FAIL"
			failed++
		}
		if mark == "FAIL" || verbose {
			fmt.Fprintf(&b, "--- %s: %s\n", mark, result.Name)
		}
		for i, step := range result.Steps {
			if verbose && (mark == "PASS" || i < len(result.Steps)-1) {
				fmt.Fprintf(&b, "    %v: %s: %s: %s\n", step.Position, step.Call, outcomeOf(step.Decision), step.Decision.Reason)
			}
		}
		for _, failure := range result.Failures {
			fmt.Fprintf(&b, "    %s\n", failure)
		}
	}
	cover := t.Coverage
	coverage := fmt.Sprintf("decided %d of %d functions", cover.FunctionsAllowed, cover.Functions)
	if cover.Terms > 0 {
		coverage += fmt.Sprintf(", %d of %d terms", cover.TermsDecided, cover.Terms)
	}
	if verbose {
		for _, u := range cover.Untested {
			fmt.Fprintf(&b, "    not tested: %s at %s: %s\n", u.Subject, u.Position, u.Text)
		}
	}
	switch n := len(report.Results); {
	case n == 0:
		fmt.Fprintf(&b, "ok    %s  [no tests to run]\n", t.Policy)
	case failed > 0:
		fmt.Fprintf(&b, "FAIL  %s  %d of %s failed; %s\n", t.Policy, failed, plural(int64(n), "test", "tests"), coverage)
	default:
		fmt.Fprintf(&b, "ok    %s  %s; %s\n", t.Policy, plural(int64(n), "test", "tests"), coverage)
	}
	_, err := fmt.Fprint(c.stdout, visible(b.String()))
	return err
}
