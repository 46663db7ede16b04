package mcp_test

import (
	"maps"
	"testing"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/examples/internal/example"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/mcpclient"
	"github.com/postern-sandbox/postern/policies"
)

const want = `26 tickets are open
by team: {'billing': 3, 'web': 4}
3 Export has no header (1) waits for Sam
  ticket 3 has 1 comments
6 The report is late (2) waits for Mika
  ticket 6 has 2 comments
17 A login fails (4) waits for Sam
  ticket 17 has 1 comments
Error: there is no ticket 4711
Denied: tickets.add_comment is denied by policy "tickets": the condition does not hold (when of [mcp.tickets] at tickets.toml:19:8); allowed when call.function != "add_comment" || args.text.size() <= 200
Denied: tickets.close_ticket is not granted by policy 'tickets'; to allow it, add 'close_ticket' to functions of [mcp.tickets] in tickets.toml
`

// One program calls the tools of two servers, and each call is in the log.
func TestTickets(t *testing.T) {
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := policies.Parse("tickets.toml", []byte(example.Read(t, "tickets.toml")), policies.Vocabulary{Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	servers, err := mcpclient.Connect(t.Context(), policy, mcpclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	registry, err := capabilities.NewRegistry(servers.Families()...)
	if err != nil {
		t.Fatal(err)
	}
	var log example.Records
	h, err := host.New(t.Context(), host.Config{Policy: policy, Capabilities: registry, Audit: &log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	session, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	result := example.Run(t, session, "tickets.py", example.Read(t, "tickets.py"))
	if result.Error != nil {
		t.Fatal(result.Error)
	}
	if result.Stdout != want {
		t.Errorf("printed\n%s\nwant\n%s", result.Stdout, want)
	}
	calls, withheld := map[string]int{}, ""
	for _, r := range log.Kept {
		switch {
		case r.Kind == audit.Decision && *r.Allow:
			calls[r.Capability]++
		case r.Kind == audit.Withheld:
			withheld += r.Withheld
		}
	}
	if expected := map[string]int{"tickets.list_tickets": 3, "people.find_person": 7, "tickets.add_comment": 3, "tickets.get_ticket": 1}; !maps.Equal(calls, expected) || withheld != "call tickets.close_ticket" {
		t.Errorf("called %v, withheld %q", calls, withheld)
	}
}
