package policies

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"
)

// Reference fills in the parts of a page that are made of the schema: what
// stands between the lines "<!-- keys: TABLE -->" and "<!-- end -->" becomes the
// table of the keys of [TABLE], "top" being those at the top, "families" all that a
// vocabulary's families contribute, and "overview" one row for each of them. The rest
// of the page stays as it is.
func Reference(page []byte, vocab Vocabulary) ([]byte, error) {
	const begin, end = "<!-- keys: ", "<!-- end -->"
	var out bytes.Buffer
	rest := string(page)
	for {
		before, after, found := strings.Cut(rest, begin)
		out.WriteString(before)
		if !found {
			return out.Bytes(), nil
		}
		name, after, ok := strings.Cut(after, " -->\n")
		if !ok {
			return nil, fmt.Errorf("policies: a mark is not closed: %.40q", after)
		}
		_, after, ok = strings.Cut(after, end)
		if !ok {
			return nil, fmt.Errorf("policies: the part %q has no end", name)
		}
		part := ""
		switch name {
		case "families":
			part = familiesReference(vocab)
		case "overview":
			part = familiesOverview(vocab)
		default:
			part = keysTable(name)
		}
		if part == "" {
			return nil, fmt.Errorf("policies: there is no table %q", name)
		}
		out.WriteString(begin + name + " -->\n" + part + end)
		rest = after
	}
}

// keysTable returns the keys right in a table.
func keysTable(table string) string {
	prefix := table + "."
	if table == "top" {
		prefix = ""
	}
	var keys []Key
	for _, k := range Schema(Vocabulary{}) {
		if name, ok := strings.CutPrefix(k.Path, prefix); ok && !strings.Contains(name, ".") {
			keys = append(keys, k)
		}
	}
	return keyRows(keys)
}

func keyRows(keys []Key) string {
	if len(keys) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("| key | purpose | a value is | default | least | greatest | unit | example |\n|---|---|---|---|---|---|---|---|\n")
	for _, k := range keys {
		name := k.Path[strings.LastIndexByte(k.Path, '.')+1:]
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | `%s` |\n", name, k.Doc, k.Type,
			cmp.Or(k.Default, "needed"), cmp.Or(k.Min, "–"), cmp.Or(k.Max, "–"), cmp.Or(k.Unit, "–"), name+" = "+k.Example)
	}
	return b.String()
}

func familiesReference(vocab Vocabulary) string {
	var b strings.Builder
	for _, name := range vocab.familyNames() {
		family := vocab.Families[name]
		fmt.Fprintf(&b, "### `[grant.%s]`\n\n%s.\n\n", name, family.Doc)
		if len(family.Scopes) > 0 {
			var keys []Key
			for i := range family.Scopes {
				keys = append(keys, family.Scopes[i].describe())
			}
			b.WriteString(keyRows(keys) + "\n")
		} else {
			b.WriteString("It has no keys of its own.\n\n")
		}
		b.WriteString("| function | effects | what it does |\n|---|---|---|\n")
		for _, f := range family.Functions {
			fmt.Fprintf(&b, "| `%s%s` | %s | %s |\n", f.Name, strings.ReplaceAll(f.Signature, "|", "\\|"), f.effects(), f.Doc)
		}
		b.WriteString("\n")
	}
	return b.String()
}

// familiesOverview returns one row a family. The keys that are sizes, durations and
// numbers are its limits, the others say what it may reach.
func familiesOverview(vocab Vocabulary) string {
	var b strings.Builder
	b.WriteString("| family | what it is | functions, by their effects | scope keys | limits and their defaults |\n|---|---|---|---|---|\n")
	for _, name := range vocab.familyNames() {
		family := vocab.Families[name]
		var scopes, limits []string
		for i := range family.Scopes {
			k := &family.Scopes[i]
			switch k.Type {
			case ScopeSize, ScopeDuration, ScopeInt:
				limits = append(limits, fmt.Sprintf("`%s` %s", k.Name, cmp.Or(strings.Trim(k.Default, `"`), "needed")))
			default:
				scopes = append(scopes, "`"+k.Name+"`")
			}
		}
		var functions []string
		for _, effects := range []string{"pure", "reads", "reads and writes", "writes"} {
			var names []string
			for _, f := range family.Functions {
				if f.effects() == effects {
					names = append(names, "`"+f.Name+"`")
				}
			}
			if names != nil {
				functions = append(functions, effects+": "+strings.Join(names, ", "))
			}
		}
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s | %s |\n", name, name, family.Doc, strings.Join(functions, "; "),
			cmp.Or(strings.Join(scopes, ", "), "–"), cmp.Or(strings.Join(limits, ", "), "–"))
	}
	return b.String()
}

func (f Function) effects() string {
	switch {
	case f.Reads && f.Writes:
		return "reads and writes"
	case f.Reads:
		return "reads"
	case f.Writes:
		return "writes"
	}
	return "pure"
}
