package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/policies"
)

const initUsage = "policy init [--preset NAME] [--name NAME] [--folder DIR] [--url PATTERN]... [-o FILE]"

func (c *cli) policyInit(args []string) int {
	about := "Writes a policy to begin with, and never over a file that is there. On a terminal it asks for what the flags do not say. The presets:\n\n"
	for _, p := range presets() {
		about += fmt.Sprintf("  %-16s %s\n", p.name, p.about)
	}
	f := c.newFlags(initUsage, strings.TrimRight(about, "\n"))
	name := f.String("preset", "", "begin with the preset `NAME`")
	values := presetValues{}
	f.StringVar(&values.Name, "name", "", "the policy's `NAME`; default: the preset's")
	f.StringVar(&values.Folder, "folder", "", "the `DIR` whose files may be read, relative to the policy; default: data")
	f.Var((*list)(&values.URLs), "url", "a `PATTERN` of URLs that may be read, such as https://docs.example.com/**; can be repeated")
	output := f.String("o", "policy.toml", "write to `FILE`; - is stdout")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) > 0 {
		return c.fail(usageError("usage: postern "+initUsage, "init takes no arguments"))
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	vocab, err := vocabulary(known)
	if err != nil {
		return c.fail(err)
	}
	if err := absent(*output); err != nil {
		return c.fail(err) // before anything is asked
	}
	chosen, err := c.choosePreset(*name, &values)
	if err != nil {
		return c.fail(err)
	}
	text, missing, err := chosen.render(values, vocab)
	if err == nil {
		// What was asked for can be wrong. Then nothing is written.
		text, err = policies.Format(*output, text, vocab)
	}
	if err != nil {
		return c.fail(err)
	}
	if *output == "-" {
		_, err = c.stdout.Write(text)
	} else {
		err = create(*output, text)
	}
	if err != nil {
		return c.fail(err)
	}
	if *output != "-" {
		fmt.Fprintf(c.stderr, "postern: wrote %s from the preset %s\n", visibleName(*output), chosen.name)
	}
	for _, family := range missing {
		fmt.Fprintf(c.stderr, "postern: this version has no family %q: its grant is in the file as a comment, and the policy does not grant it\n", family)
	}
	if *output != "-" {
		c.hintf("postern policy explain %s says what it permits; postern run --policy %s FILE runs under it", visibleName(*output), visibleName(*output))
	}
	return exitOK
}

// absent is an error if there is such a file.
func absent(path string) error {
	if path == "-" {
		return nil
	}
	if _, err := os.Lstat(path); err == nil {
		return usageError("-o names another file", "%s is there already, and is not overwritten", path)
	}
	return nil
}

// create writes a file that is not there.
func create(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return absent(path)
	}
	if err != nil {
		return usageError("", "%w", err)
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}

// choosePreset finds the preset and what it needs, in the flags or by asking.
func (c *cli) choosePreset(name string, values *presetValues) (preset, error) {
	all := presets()
	names := make([]string, len(all))
	for i, p := range all {
		names[i] = p.name
	}
	var ask *asker
	if in, ok := c.stdin.(*os.File); ok && isTerminal(in) {
		ask = &asker{in: bufio.NewReader(c.stdin), out: c.stderr}
	}
	if name == "" && ask == nil {
		return preset{}, usageError("the presets are "+strings.Join(names, ", "), "--preset is needed where nobody can be asked")
	}
	if name == "" {
		var err error
		if name, err = ask.preset(all, names); err != nil {
			return preset{}, err
		}
	}
	i := slices.Index(names, name)
	if i < 0 {
		hint := "the presets are " + strings.Join(names, ", ")
		if near, ok := nearest(name, names); ok {
			hint = fmt.Sprintf("did you mean %q?", near)
		}
		return preset{}, usageError(hint, "there is no preset %q", name)
	}
	p := all[i]
	return p, p.complete(values, ask)
}

// complete fills in what the flags do not say. A nil asker takes the defaults.
func (p preset) complete(values *presetValues, ask *asker) (err error) {
	switch {
	case !p.needsFolder && values.Folder != "":
		return usageError("", "the preset %s has no use for --folder", p.name)
	case !p.needsURLs && len(values.URLs) > 0:
		return usageError("", "the preset %s has no use for --url", p.name)
	}
	if values.Name == "" {
		if values.Name, err = ask.text("What is the policy called?", p.name); err != nil {
			return err
		}
	}
	if p.needsFolder && values.Folder == "" {
		if values.Folder, err = ask.text("Which folder may be read, relative to the policy?", "data"); err != nil {
			return err
		}
	}
	if p.needsURLs && len(values.URLs) == 0 {
		answer, err := ask.text("Which URLs may be read? Patterns such as https://docs.example.com/**, with blanks between them", "")
		if err != nil {
			return err
		}
		if values.URLs = strings.Fields(answer); len(values.URLs) == 0 {
			return usageError("for example --url 'https://docs.example.com/**'", "the preset %s needs the URLs that may be read", p.name)
		}
	}
	return nil
}

// An asker asks on a terminal.
type asker struct {
	in  *bufio.Reader
	out io.Writer
}

// text asks for a line; an empty one, or nobody to ask, is the default.
func (a *asker) text(question, otherwise string) (string, error) {
	if a == nil {
		return otherwise, nil
	}
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	fmt.Fprint(a.out, question+" ")
	answer, err := a.in.ReadString('\n')
	if err != nil {
		fmt.Fprintln(a.out)
		return "", usageError("nothing was written", "there was no answer")
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		answer = otherwise
	}
	return answer, nil
}

// preset asks for one of the presets, by its number or name.
func (a *asker) preset(all []preset, names []string) (string, error) {
	for i, p := range all {
		fmt.Fprintf(a.out, "  %d  %-16s %s\n", i+1, p.name, p.about)
	}
	for {
		answer, err := a.text("Which preset?", names[0])
		if err != nil {
			return "", err
		}
		if n, err := strconv.Atoi(answer); err == nil && n >= 1 && n <= len(names) {
			return names[n-1], nil
		}
		if slices.Contains(names, answer) {
			return answer, nil
		}
		fmt.Fprintf(a.out, "  please answer with a number or a name\n")
	}
}
