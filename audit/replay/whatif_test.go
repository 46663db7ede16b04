package replay_test

import (
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/audit/replay"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/capabilities/math"
	"github.com/postern-sandbox/postern/policies"
)

// The rates of a tool's grants are the tool's alone, as they are when it runs.
func TestJudgeToolsRates(t *testing.T) {
	known, err := capabilities.NewRegistry(math.Family())
	if err != nil {
		t.Fatal(err)
	}
	const tool = `plugin = "a.wasm"
sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
grant.math = { functions = ["sqrt"], rate = "1/h" }
`
	text := "policy = 1\nname = \"p\"\n[grant.math]\nfunctions = [\"sqrt\"]\nrate = \"1/h\"\n[tool.a]\n" + tool + "[tool.b]\n" + tool
	policy, err := policies.Parse("p.toml", []byte(text), policies.Vocabulary{Families: known.Vocabulary()})
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	decision := func(capability, tool string, within int) *audit.Record {
		return &audit.Record{Kind: audit.Decision, Time: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Capability: capability, Tool: tool, Within: within, Allow: &yes}
	}
	session := &replay.Session{ID: "s", Execs: []*replay.Exec{{
		Started: &audit.Record{Exec: 1},
		Calls:   []*replay.Call{{Decision: decision("math.sqrt", "", 0)}, {Decision: decision("a.f", "", 0)}, {Decision: decision("b.f", "", 0)}},
		Within:  []*audit.Record{decision("math.sqrt", "a", 2), decision("math.sqrt", "b", 3), decision("math.sqrt", "b", 3)},
	}}}
	want := []bool{true, true, true, true, true, false}
	for i, j := range replay.Judge(session, policy, known) {
		if j.Would != want[i] {
			t.Errorf("decision %d, %s of tool %q: would be %v: %s", i, j.Record.Capability, j.Record.Tool, j.Would, j.Decision.Reason)
		}
	}
}
