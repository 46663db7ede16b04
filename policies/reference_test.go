package policies_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postern-sandbox/postern/policies"
)

// The reference is written by hand. These tests hold it to what the package
// does.
func reference(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile("../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// rows returns the cells of the rows of all tables in a text.
func rows(text string) (rows [][]string) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// part returns the text of a section, up to the next heading.
func part(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(page, "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("the page has no section %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// Every key has what the reference says of it, and Parse accepts its example.
func TestExamplesOfKeys(t *testing.T) {
	const head = "policy = 1\nname = \"n\"\n"
	for _, key := range policies.Schema(vocabulary()) {
		if key.Doc == "" || key.Type == "" || key.Example == "" {
			t.Errorf("%s: %+v", key.Path, key)
			continue
		}
		table, name, _ := strings.Cut(key.Path, ".")
		src := ""
		switch last := key.Path[strings.LastIndexByte(key.Path, '.')+1:] + " = " + key.Example + "\n"; {
		case key.Path == "policy":
			src = last + "name = \"n\"\n"
		case key.Path == "name":
			src = last + "policy = 1\n"
		case key.Path == "extends":
			src = head + last
		case table == "grant" && strings.HasPrefix(name, "FAMILY.functions"):
			src = head + "[grant.math]\n" + last
		case table == "grant" && strings.HasPrefix(name, "FAMILY."):
			src = head + "[grant.math]\nfunctions = [\"sqrt\"]\n" + last
		case table == "grant":
			family, _, _ := strings.Cut(name, ".")
			src = head + "[grant." + family + "]\nfunctions = [\"" + vocabulary().Families[family].Functions[0].Name + "\"]\n" + last
			if family == "http" && !strings.HasPrefix(last, "urls") {
				src += "urls = [\"https://example.com/\"]\n"
			}
		case strings.HasPrefix(key.Path, "tool.NAME.limits."):
			src = head + tool + "[tool.t.limits]\n" + last
		case table == "mcp":
			server := serverTable
			if strings.HasPrefix(last, "url") || strings.HasPrefix(last, "headers_from") {
				server = strings.Replace(server, "command = [\"s\"]", "url = \"https://example.com/\"", 1)
			}
			src = head + strings.Replace(server, strings.SplitN(last, " ", 2)[0]+" = ", "# ", 1) + last
		case table == "tool":
			src = head + strings.Replace(tool, strings.SplitN(last, " ", 2)[0]+" = ", "# ", 1) + last
			if name == "NAME.schema_sha256" {
				src += "schema = \"t.yaml\"\n"
			}
		default:
			src = head + "[" + table + "]\n" + last
		}
		if _, err := policies.Parse("p.toml", []byte(src), vocabulary()); err != nil {
			t.Errorf("%s\n%s%v", key.Path, src, err)
		}
	}
}

const tool = "[tool.t]\nplugin = \"t.wasm\"\nsha256 = \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n"

const serverTable = "[mcp.s]\ncommand = [\"s\"]\nfunctions = [\"get\", \"list_*\"]\n"

func TestReferenceListsTheDefaultImports(t *testing.T) {
	_, list, _ := strings.Cut(reference(t), "The base list is ")
	list, _, ok := strings.Cut(list, ", as far as")
	if !ok {
		t.Fatal("the page has no base list")
	}
	var names []string
	for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		names = append(names, name[1])
	}
	if !slices.Equal(names, policies.DefaultImports()) {
		t.Errorf("the base list of the page is %v", names)
	}
}

// Each example is a valid policy, or the part of one. The example under
// Messages is not, and the page shows its mistakes.
func TestReferenceExamples(t *testing.T) {
	page := reference(t)
	fence := regexp.MustCompile("(?s)```(toml)?\n(.*?)```")
	valid := 0
	for _, block := range fence.FindAllStringSubmatch(strings.Replace(page, part(t, page, "Messages"), "", 1), -1) {
		src := block[2]
		if block[1] != "toml" {
			continue
		}
		src = strings.ReplaceAll(src, "args.n ", "args.x ")
		if !strings.Contains(src, "policy = 1") {
			src = "policy = 1\nname = \"n\"\n" + src
		}
		if p := parse(t, src); len(p.Warnings) != 0 {
			t.Errorf("%s\nwarnings: %v", src, p.Warnings)
		}
		valid++
	}
	if valid < 5 {
		t.Errorf("only %d examples", valid)
	}

	blocks := fence.FindAllStringSubmatch(part(t, page, "Messages"), -1)
	if len(blocks) != 2 {
		t.Fatalf("%d blocks under Messages", len(blocks))
	}
	_, err := policies.Parse("policy.toml", []byte(blocks[0][2]), vocabulary())
	if err == nil || err.Error()+"\n" != blocks[1][2] {
		t.Errorf("the page shows\n%s\nParse says\n%v", blocks[1][2], err)
	}
}

// The reasons and hints of decisions are quoted as they are.
func TestReferenceDecisions(t *testing.T) {
	decisions := rows(part(t, reference(t), "How a call is decided"))[1:]
	const head = "policy = 1\nname = \"n\"\n"
	const granted = head + "[grant.math]\nfunctions = [\"cos\"]\n"
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	used := policies.Usage{Calls: map[string]int64{"math": 20}}
	nobody := &policies.Approval{Unanswered: "there is nobody to ask"}
	busy := new(policies.Rates)
	fast := parse(t, granted+"rate = \"5/s\"\n")
	for range 5 {
		fast.Decide(&policies.Call{Capability: "math.cos", Now: now, Rates: busy})
	}
	calls := []struct {
		policy string
		call   policies.Call
	}{
		{granted, policies.Call{}},
		{head + strings.Repeat("\n", 9) + "[grant.math]\nfunctions = [\"sqrt\"]\n", policies.Call{}},
		{head, policies.Call{}},
		{granted + "when = 'args.x < 100'\n", policies.Call{Arguments: policies.NamedArguments{"x": int64(100)}}},
		{granted + "calls = 20\n", policies.Call{Usage: &used}},
		{granted + "rate = \"5/s\"\n", policies.Call{Now: now, Rates: busy}},
		{granted + "expires = 2020-01-01T00:00:00Z\n", policies.Call{Now: now}},
		{granted + "approve = \"always\"\n", policies.Call{Approval: nobody}},
	}
	if len(decisions) != len(calls) {
		t.Fatalf("%d rows", len(decisions))
	}
	for i, row := range decisions {
		call := calls[i].call
		call.Capability = "math.cos"
		d := parse(t, calls[i].policy).Decide(&call)
		if d.Allow != (i == 0) || row[1] != "`"+d.Reason+"`" || strings.Trim(row[4], "`") != d.Hint || d.Rule != "" && row[2] != "`"+d.Rule+"`" {
			t.Errorf("the page says %q, Decide %+v", row, d)
		}
	}
}
