package mcpclient_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/mcpclient"
	"github.com/postern-sandbox/postern/policies"
)

// records is a log in memory.
type records struct{ kept []audit.Record }

func (r *records) Append(record *audit.Record) error {
	r.kept = append(r.kept, *record)
	return nil
}

func (r *records) Close() error { return nil }

// session makes a session of a host with connected servers.
func session(t *testing.T, log audit.Log, tables ...string) *host.Session {
	t.Helper()
	modules, err := guest.Modules()
	if err != nil {
		t.Fatal(err)
	}
	src := "policy = 1\nname = \"test\"\n" + strings.Join(tables, "")
	p, err := policies.Parse("p.toml", []byte(src), policies.Vocabulary{Modules: modules})
	if err != nil {
		t.Fatal(err)
	}
	servers, err := mcpclient.Connect(t.Context(), p, mcpclient.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { servers.Close() })
	registry, err := capabilities.NewRegistry(servers.Families()...)
	if err != nil {
		t.Fatal(err)
	}
	h, err := host.New(t.Context(), host.Config{Policy: p, Capabilities: registry, Audit: log})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	s, err := h.NewSession(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func run(t *testing.T, s *host.Session, code string) *host.Result {
	t.Helper()
	r, err := s.Exec(t.Context(), code, host.ExecOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Python calls tools of two servers in one program; each call is decided and recorded.
func TestPython(t *testing.T) {
	log := new(records)
	s := session(t, log,
		table("notes", "notes", "functions = [\"add_note\", \"search\", \"show_*\", \"fails\"]\nwhen = 'call.function != \"add_note\" || args.title != \"secret\"'\ncalls = 6"),
		table("more", "notes", "functions = [\"search\"]\nas = \"elsewhere\""))
	r := run(t, s, `
import notes, elsewhere
said = [notes.add_note("a", "b"), notes.search("a")["count"], elsewhere.search(query="a", most=1)["count"], notes.show_image()["data"][:4]]
for call in (notes.fails, lambda: notes.add_note("secret", "x"), notes.wait, lambda: elsewhere.search(), lambda: elsewhere.search(query=1), lambda: notes.nothing,
             notes.show_image, notes.show_image, notes.show_image):
    try:
        call()
        said.append("fine")
    except Exception as error:
        said.append(f"{type(error).__module__}.{type(error).__qualname__}: {error}"[:60])
said.append(issubclass(notes.Error, RuntimeError))
said
`)
	if r.Error != nil {
		t.Fatal(r.Error)
	}
	want := `['kept a', 1, 0, b'\x89PNG', 'notes.Error: it does not work\nat all', ` +
		`'postern.Denied: notes.add_note is denied by policy "test": t', "postern.Denied: notes.wait is not granted by policy 'test'; ", ` +
		`'builtins.TypeError: search() missing 1 required positional a', 'builtins.TypeError: query must be str, not int', "builtins.AttributeError: module 'notes' has no attribute 'no", ` +
		`'fine', 'fine', 'postern.Denied: notes.show_image is denied by policy "test":', True]`
	if *r.Repr != want {
		t.Errorf("got  %s\nwant %s", *r.Repr, want)
	}
	var decisions []string
	for _, record := range log.kept {
		if record.Kind == audit.Decision {
			mark := "denied"
			if *record.Allow {
				mark = "allowed"
			}
			decisions = append(decisions, record.Capability+" "+mark+" "+record.Rule+" "+record.Effects)
		}
	}
	for _, decision := range []string{"notes.add_note allowed mcp.notes reads and writes", "notes.add_note denied mcp.notes reads and writes", "more.search allowed mcp.more reads and writes"} {
		if !slices.Contains(decisions, decision) {
			t.Errorf("%s is not in %q", decision, decisions)
		}
	}
	opened := log.kept[0]
	if len(opened.Tools) != 2 || opened.Tools[0].Name != "more" || opened.Tools[1].Name != "notes" || !strings.HasPrefix(opened.Tools[1].Schema, "sha256:") || opened.Tools[1].Plugin != "" {
		t.Errorf("%+v", opened.Tools)
	}
}

// What a policy wants to be left out of records is left out of those of a server's tools, their arguments and their answers, and a slip of the pen is a mistake.
func TestRedacted(t *testing.T) {
	notes := table("notes", "notes", "functions = [\"add_note\", \"search\"]")
	log := new(records)
	s := session(t, log, "audit.redact = [\"notes.add_note.text\", \"notes.search.return.notes\"]\n", notes)
	if r := run(t, s, "import notes\nnotes.add_note('a', text='hush')\nnotes.search('a')['notes'][0]['text']"); r.Error != nil || *r.Repr != "'hush'" {
		t.Fatalf("%v %v", r.Error, r.Repr)
	}
	redacted := 0
	for _, record := range log.kept {
		if strings.Contains(string(record.Arguments)+string(record.Result), "hush") {
			t.Errorf("%s: %s %s", record.Kind, record.Arguments, record.Result)
		}
		redacted += len(record.Redacted)
	}
	if redacted != 2 {
		t.Errorf("%d redacted", redacted)
	}
	for path, want := range map[string]string{
		"notes.add_notes.text": "the MCP server notes has no function add_notes",
		"notes.add_note.texts": "it is notes.add_note(title: str, text: str",
	} {
		p := policy(t, "audit.redact = [\""+path+"\"]\n", notes)
		servers, err := mcpclient.Connect(t.Context(), p, mcpclient.Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer servers.Close()
		registry, err := capabilities.NewRegistry(servers.Families()...)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := host.New(t.Context(), host.Config{Policy: p, Capabilities: registry, Audit: audit.Discard}); !errors.Is(err, host.ErrRedact) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// A condition has looked at what the server does: to one that reads JSON without regard to case, as those in Go do, another name for the same member is none that can be sent.
func TestConditionsLookAtWhatIsSent(t *testing.T) {
	list := `list {"name":"write","inputSchema":{"type":"object","properties":{"options":{"type":"object"},"place":{"type":"object","properties":{"path":{"type":"string"}}}},"additionalProperties":true}}`
	condition := "functions = [\"write\"]\nwhen = '(args.options == null || !has(args.options.path) || args.options.path == \"ok\") && (args.place == null || !has(args.place.path) || args.place.path == \"ok\")" +
		" && !(\"mode\" in args.others)'"
	s := session(t, audit.Discard, table("s", list, condition))
	r := run(t, s, `
import s
said = []
for arguments in (
    {"options": {"path": "ok", "other": 1}, "place": {"path": "ok"}}, {"options": {"path": "evil"}}, {"options": {"PATH": "evil"}}, {"options": {"path": "ok", "pAth": "evil"}},
    {"options": {"path": "ok", "in": {"PATH": 1}}}, {"place": {"PATH": "evil"}}, {"place": {"path": "ok", "Path": "evil"}}, {"place": {"A": 1, "a": 2}}, {"OPTIONS": {"path": "evil"}},
    {"mode": 1}, {"MODE": 1}, {"more": 1}, {"A": 1, "a": 1},
):
    try:
        said.append(s.write(**arguments))
    except Exception as error:
        said.append(f"{type(error).__name__}: {error}")
"\n".join(said)
`)
	if r.Error != nil {
		t.Fatal(r.Error)
	}
	const denied, undecided = `Denied: s.write is denied by policy "test": the condition does not hold`, `Denied: s.write is denied by policy "test": the condition cannot be decided: `
	want := []string{
		"ok", denied, undecided + `a dict has the key "PATH", which could be taken for "path"`, undecided + `a dict has the key "pAth", which could be taken for "path"`,
		"ok", undecided + `a dict has the key "PATH", which could be taken for "path"`, undecided + `a dict has the key "Path", which could be taken for "path"`,
		"ValueError: place must not have 'a', which could be taken for 'A'", "TypeError: 'OPTIONS' is given by another name",
		denied, undecided + `a dict has the key "MODE", which could be taken for "mode"`, "ok", "TypeError: 'a' could be taken for 'A'",
	}
	var text string
	if err := json.Unmarshal(r.Value, &text); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(text, "\n")
	for i := range want {
		if i >= len(got) || !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("%d: got  %s\nwant %s", i, got[min(i, len(got)-1)], want[i])
		}
	}
}

// The time of a call, of a grant and of a run end a call that the server does not answer. What is to come back has as much time as it likes.
func TestTimeouts(t *testing.T) {
	s := session(t, audit.Discard, "limits.wall_time = \"1m\"\n", table("notes", "notes", "functions = [\"none\"]"), table("brief", "notes", "functions = [\"wait\"]\ntimeout = \"100ms\""))
	r := run(t, s, "import notes, brief\ntry:\n    brief.wait()\nexcept TimeoutError as error:\n    said = str(error)\n(said, notes.none())")
	if r.Error != nil || *r.Repr != "('brief.wait took longer than 100ms, the timeout of [mcp.brief]', None)" {
		t.Errorf("%v %v", r.Error, r.Repr)
	}
	s = session(t, audit.Discard, "limits.wall_time = \"1s\"\n", table("slow", "notes", "functions = [\"wait\"]"))
	if r := run(t, s, "import slow; slow.wait()"); r.Error == nil || r.Error.Limit != "wall_time" {
		t.Errorf("%+v", r.Error)
	}
	if r, err := s.Exec(soon(t), "import slow; slow.wait()", host.ExecOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v %+v", err, r)
	}
}

// soon is a context that soon ends.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// A policy with servers that are not connected is not run without them.
func TestHostNeedsTheServers(t *testing.T) {
	_, err := host.New(t.Context(), host.Config{Policy: policy(t, table("notes", "notes", "functions = [\"wait\"]")), Audit: audit.Discard})
	if err == nil || !strings.Contains(err.Error(), `there is no family "notes" for [mcp.notes]`) {
		t.Errorf("%v", err)
	}
}

// What the policy wants left out of the log is not in it: arguments, and what a server says in an exception.
func TestRedaction(t *testing.T) {
	log := new(records)
	s := session(t, log, "audit.redact = [\"notes.add_note.text\", \"notes.fails.return\"]\n", table("notes", "notes", `functions = ["add_note", "fails"]`))
	if r := run(t, s, "import notes\nnotes.add_note('a', 's3cret')\ntry:\n    notes.fails()\nexcept notes.Error:\n    pass"); r.Error != nil {
		t.Fatal(r.Error)
	}
	decided := 0
	for _, record := range log.kept {
		if record.Kind == audit.Decision || record.Kind == audit.Outcome {
			decided++
			if text := string(record.Arguments) + record.Detail + string(record.Answer); strings.Contains(text, "s3cret") || strings.Contains(text, "does not work") {
				t.Errorf("recorded: %s", text)
			}
		}
	}
	if decided != 4 {
		t.Errorf("%d records", decided)
	}
}
