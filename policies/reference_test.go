package policies_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

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

// Every key is in the section of its table, with its default and bounds, and
// no other key is.
func TestReferenceListsTheKeys(t *testing.T) {
	page := reference(t)
	inWords := []string{"audit.log"} // its default depends on the system
	listed := map[string][]string{}
	for _, heading := range []string{"At the top", "`[limits]`", "`[python]`", "`[audit]`", "`[grant.FAMILY]`"} {
		for _, row := range rows(part(t, page, heading)) {
			if row[0] != "key" {
				listed[strings.Trim(row[0], "`")] = row
			}
		}
	}
	for _, key := range policies.Schema() {
		row, ok := listed[key.Path]
		if !ok {
			t.Errorf("no row for %s", key.Path)
			continue
		}
		delete(listed, key.Path)
		if len(row) == 3 {
			continue // the keys at the top have neither defaults nor bounds
		}
		for i, want := range []string{key.Default, key.Min, key.Max} {
			got := row[2+i]
			if i == 0 && slices.Contains(inWords, key.Path) {
				continue
			}
			if want == "" {
				want = "–"
			}
			if strings.Trim(got, "`") != want {
				t.Errorf("the row of %s says %q, not %q", key.Path, got, want)
			}
		}
	}
	for path := range listed {
		t.Errorf("there is no key %s", path)
	}
}

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

// What the page calls refused is refused, and for no other reason.
func TestReferenceRefusals(t *testing.T) {
	refused := rows(part(t, reference(t), "What is refused"))[1:]
	for _, row := range refused {
		example := strings.Trim(row[2], "`")
		src := "policy = 1\nname = \"n\"\n" + example + "\n"
		if strings.HasPrefix(example, "grant.math.") {
			src += "grant.math.functions = [\"sqrt\"]\n"
		}
		_, err := policies.Parse("p", []byte(src), vocabulary())
		mistakes, _ := err.(policies.Errors)
		if len(mistakes) != 1 || mistakes[0].Line != 3 ||
			!strings.Contains(mistakes[0].Message, "unknown") && !strings.Contains(mistakes[0].Message, "packages are not supported") {
			t.Errorf("%s: %v", example, err)
		}
	}
	if len(refused) < 12 {
		t.Errorf("only %d rows", len(refused))
	}
}

// The reasons and hints of decisions are quoted as they are.
func TestReferenceDecisions(t *testing.T) {
	decisions := rows(part(t, reference(t), "How a call is decided"))[1:]
	const head = "policy = 1\nname = \"n\"\n"
	policy := []string{
		head + "[grant.math]\nfunctions = [\"cos\"]\n",
		head + strings.Repeat("\n", 9) + "[grant.math]\nfunctions = [\"sqrt\"]\n",
		head,
	}
	if len(decisions) != len(policy) {
		t.Fatalf("%d rows", len(decisions))
	}
	for i, row := range decisions {
		d := parse(t, policy[i]).Decide("math.cos")
		if row[1] != "`"+d.Reason+"`" || strings.Trim(row[4], "`") != d.Hint || d.Rule != "" && row[2] != "`"+d.Rule+"`" {
			t.Errorf("the page says %q, Decide %+v", row, d)
		}
	}
}
