package main

import (
	"bytes"
	"embed"
	"strconv"
	"strings"
	"text/template"

	"github.com/postern-sandbox/postern/policies"
)

// A preset is a policy to begin with: presets/NAME.toml, a template.
type preset struct {
	name  string
	about string

	// What must be known to write it.
	needsFolder, needsURLs bool
}

// presets are offered in this order. To add one is to add a line and a file.
func presets() []preset {
	return []preset{
		{name: "compute", about: "The agent computes: Python, mathematics and JSON. It reaches nothing outside."},
		{name: "read-only-files", about: "The agent reads the files of one folder, and changes nothing.", needsFolder: true},
		{name: "web-reader", about: "The agent reads pages at the URLs that are named, and sends nothing but requests for them.", needsURLs: true},
		{name: "data-analyst", about: "The agent computes with the data of one folder, and changes nothing.", needsFolder: true},
	}
}

//go:embed presets/*.toml
var presetFiles embed.FS

// presetValues are what a template is filled with.
type presetValues struct {
	About, Name, Folder string
	URLs                []string
}

// render makes a policy of a preset. The grants of families that the vocabulary does not have become comments, and
// missing names these families.
func (p preset) render(values presetValues, vocab policies.Vocabulary) (text []byte, missing []string, err error) {
	values.About = p.about
	source, err := presetFiles.ReadFile("presets/" + p.name + ".toml")
	if err != nil {
		return nil, nil, err
	}
	t, err := template.New(p.name).Funcs(template.FuncMap{"quote": strconv.Quote}).Parse(string(source))
	if err != nil {
		return nil, nil, err
	}
	var out bytes.Buffer
	if err := t.Execute(&out, values); err != nil {
		return nil, nil, err
	}
	rendered, missing := withoutMissing(out.String(), vocab)
	return []byte(rendered), missing, nil
}

// withoutMissing makes comments of the grants whose family is not there. A preset has a blank line before each header
// with its comments, and none in a table.
func withoutMissing(text string, vocab policies.Vocabulary) (rest string, missing []string) {
	blocks := strings.Split(text, "\n\n")
	for i, block := range blocks {
		_, after, ok := strings.Cut("\n"+block, "\n[grant.")
		family, _, closed := strings.Cut(after, "]")
		if _, known := vocab.Families[family]; !ok || !closed || known {
			continue
		}
		missing = append(missing, family)
		lines := strings.Split(strings.TrimRight(block, "\n"), "\n")
		for j, line := range lines {
			lines[j] = "# " + line
		}
		note := "# This version of postern has no family " + strconv.Quote(family) + ". With one that has it, remove the marks from these lines:\n#\n"
		blocks[i] = note + strings.Join(lines, "\n")
	}
	return strings.TrimRight(strings.Join(blocks, "\n\n"), "\n") + "\n", missing
}
