package tools_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/examples/internal/example"
)

// Four tools in four languages under one policy, each of whose calls is in the log.
func TestAgent(t *testing.T) {
	var log example.Records
	session := example.Session(t, "policy.toml", example.Read(t, "policy.toml"), &log)
	result := example.Run(t, session, "agent.py", example.Read(t, "agent.py"))
	if result.Error != nil {
		t.Fatal(result.Error)
	}
	for _, want := range []string{
		"amount: number, 1 missing, 5 distinct\n",
		"<td>sugar</td>\n<td style=\"text-align:right\">3.50</td>",
		"<td>buckwheat</td>\n<td style=\"text-align:right\">12.70</td>",
		"Sent by &lt;b&gt;nobody&lt;/b&gt;.",
		"refused: kg is a unit of mass, and metre of length\n",
		"refused: query must have at most 1000 characters, not 2000\n",
	} {
		if !strings.Contains(result.Stdout, want) {
			t.Errorf("no %q in\n%s", want, result.Stdout)
		}
	}
	var called []string
	for _, r := range log.Kept {
		if r.Kind == audit.Decision && !slices.Contains(called, r.Capability) {
			called = append(called, r.Capability)
		}
	}
	if want := []string{"profile.profile", "fuzzy.match", "units.convert", "markdown.render"}; !slices.Equal(called, want) {
		t.Errorf("called %q, want %q", called, want)
	}
}
