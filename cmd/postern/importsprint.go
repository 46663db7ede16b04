package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/link"
)

// powerTitles are what people are told of each power, and, behind it, of what Postern's host makes of it.
var powerTitles = map[link.Power]string{
	link.PowerGranted:  "Functions of the host, which a policy grants or does not",
	link.PowerUnknown:  "What Postern does not know",
	link.PowerNetwork:  "The network",
	link.PowerFiles:    "Files: under Postern a guest sees its library, in memory, and a plugin sees none",
	link.PowerClock:    "Time: replaced, it is virtual and begins at 2025-01-01",
	link.PowerEntropy:  "Randomness: replaced, it is the same in each run",
	link.PowerProcess:  "The program itself: replaced, there are no arguments and no environment",
	link.PowerConfig:   "Extism's configuration",
	link.PowerVars:     "Extism's variables: under Postern they are kept in memory, for one call of a tool",
	link.PowerLogs:     "Extism's log",
	link.PowerExchange: "Bytes to and from the host, for a call",
}

// pageWidth is how many columns a line of text may have.
const pageWidth = 100

// printImports writes what a module imports by power, and what is wrong with that on stderr. The module chooses its names.
func (c *cli) printImports(r *importReport, path string) error {
	fmt.Fprintf(c.stdout, "%s: %s, %s\n", visibleName(path), r.Form, plural(int64(len(r.Imports)), "import", "imports"))
	names, width := make([]string, len(r.Imports)), 0
	for n, line := range r.Imports {
		names[n] = importName(line)
		if len(names[n]) <= 30 {
			width = max(width, len(names[n]))
		}
	}
	for _, power := range link.Powers() {
		title := false
		for n, line := range r.Imports {
			if line.Power != string(power) {
				continue
			}
			if !title {
				fmt.Fprintf(c.stdout, "\n%s\n", powerTitles[power])
				title = true
			}
			if err := printImport(c.stdout, line, names[n], width); err != nil {
				return err
			}
		}
	}
	c.printDifferences(r)
	return nil
}

// importName is what an import is called on a line: a capability by its name in policies, others by their own; the unknown with their module.
func importName(line importLine) string {
	name := line.Name
	switch {
	case line.Power == string(link.PowerUnknown):
		name = line.Module + "::" + line.Name
	case line.Module == link.UserModule:
		name = cmp.Or(line.Capability, capabilityName(line.Name))
	}
	return shortName(visibleName(name))
}

// shortName cuts names that nobody would give who wanted them read.
func shortName(name string) string {
	const most = 72
	if runes := []rune(name); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return name
}

// importStatus is the first word of a line: what the policy says, or else what Postern's host does.
func importStatus(line importLine) string {
	switch {
	case line.Host == hostRefused:
		return "REFUSED"
	case line.Granted != nil && *line.Granted:
		return "granted"
	case line.Granted != nil:
		return "NOT GRANTED"
	case line.Host == hostPolicy:
		return "to grant"
	}
	return line.Host
}

func printImport(w io.Writer, line importLine, name string, width int) error {
	const status = 11
	words := line.Words
	if line.Effects != "" {
		words += " (" + line.Effects + ")"
	}
	begin := fmt.Sprintf("  %-*s  %-*s  ", status, importStatus(line), width, name)
	indent := strings.Repeat(" ", 2+status+2+width+2)
	if len(name) > width { // it has a line of its own
		begin = strings.TrimRight(begin, " ") + "\n" + indent
	}
	_, err := fmt.Fprintln(w, begin+strings.TrimPrefix(wrap(visibleName(words), pageWidth, indent), indent))
	return err
}

// printDifferences says what the module wants and the policy does not grant, what would grant it, and the reverse.
func (c *cli) printDifferences(r *importReport) {
	whom := fmt.Sprintf("policy %q", r.Policy)
	if r.Tool != "" {
		whom = fmt.Sprintf("[tool.%s] of policy %q", r.Tool, r.Policy)
	}
	if len(r.NotGranted) > 0 {
		c.errorf("%s does not grant %s", whom, visibleName(strings.Join(r.NotGranted, ", ")))
		var hints []string
		for _, line := range r.Imports {
			if line.Hint != "" && !slices.Contains(hints, line.Hint) {
				hints = append(hints, line.Hint)
			}
		}
		for _, hint := range hints {
			c.hintf("%s", visibleName(hint))
		}
	}
	if r.OtherModule {
		fmt.Fprintf(c.stderr, "note: %s names another module: its sha256 is not this one's\n", whom)
	}
	if len(r.NotUsed) > 0 {
		fmt.Fprintf(c.stderr, "note: %s also grants %s, which the module does not import\n", whom, strings.Join(r.NotUsed, ", "))
	}
}
