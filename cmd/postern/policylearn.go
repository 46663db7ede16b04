package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

const learnUsage = "policy learn [--base POLICY] [--allow PATTERN[: TERMS]]... [-o FILE [--force]] PROGRAM"

func (c *cli) policyLearn(args []string) int {
	f := c.newFlags(learnUsage, `Runs a program to find out what it needs, and prints the smallest policy that would permit what it tried: modules, functions, and the
values that the families' own keys must have, with wider ones as questions in comments. Read it before you use it: the program chose what
it tried.

While it learns, nothing that can read or change anything outside is done: such calls are denied, and recorded. What has no effects is
granted: modules of the guest and pure functions, such as math.sqrt. A denial usually ends the program, so what comes after is not
learned. --allow 'fs.read: roots = { data = "./data" }' really grants functions, by a pattern such as 'fs.*', under the terms that
follow the colon, in TOML. The program is run again for each module that it turns out to need, but never after a call with effects was made.

With --base, the program may also use the tools and the MCP servers of that policy. What they are (plugins, commands, digests, terms, what tools
may call themselves) is taken over, and of their functions those that were called. Tools run, in their sandboxes, and what they call themselves that
has effects is denied. The servers that the program imports are started or reached and asked for their tools, and none of these is called.
--allow 'NAME.*' really grants them.

The policy goes to stdout, or with -o into a file. If the file is there, the command says what would be gained and lost, and writes only
with --force. What the program prints goes to stderr.`)
	var allow list
	f.Var(&allow, "allow", "really grant the functions that match `PATTERN`, under the terms behind a colon; can be repeated")
	basePath := f.String("base", "", "the `POLICY` whose tools and MCP servers the program may use")
	output := f.String("o", "", "write the policy to `FILE`")
	force := f.Bool("force", false, "replace the file of -o")
	code := f.String("c", "", "learn from `CODE` instead of a file")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	program, err := c.program(rest, *code, *code != "")
	if err != nil {
		var failure *failure
		if errors.As(err, &failure) {
			failure.hint = "usage: postern " + learnUsage
		}
		return c.fail(err)
	}
	known, err := registry()
	if err != nil {
		return c.fail(err)
	}
	vocab, err := vocabulary(known)
	if err != nil {
		return c.fail(err)
	}
	l := &learner{cli: c, program: program, folder: filepath.Dir(*output), registry: known, vocab: vocab, functions: map[string]map[string]int{}, wanted: map[string]bool{}}
	if *basePath != "" {
		if l.base, err = c.newLearnBase(*basePath, known); err != nil {
			return c.fail(err)
		}
		defer func() { l.base.close() }()
	}
	if err := l.allow(allow); err != nil {
		return c.fail(err)
	}
	if err := l.run(); err != nil {
		return c.fail(err)
	}
	text, err := l.policy()
	if err != nil {
		return c.fail(err)
	}
	l.summary()
	if err := c.putLearned(*output, text, *force, known); err != nil {
		return c.fail(err)
	}
	return exitOK
}

// putLearned writes the policy, and never silently over another one.
func (c *cli) putLearned(output string, text []byte, force bool, known *capabilities.Registry) error {
	if output == "" {
		_, err := c.stdout.Write(text)
		return err
	}
	err := create(output, text)
	if _, statErr := os.Lstat(output); err == nil || statErr != nil {
		return err
	}
	if force {
		return rewrite(output, text)
	}
	if old, err := lookPolicy(output, known); err == nil {
		vocab := old.Vocabulary()
		learned, err := policies.Parse(output, text, vocab)
		if err != nil {
			return err
		}
		gained, lost := policies.Diff(old, learned)
		if err := c.printDiff(gained, lost); err != nil {
			return err
		}
	}
	return usageError("--force writes what was learned in its place; without -o it goes to stdout", "%s is there already, and is not overwritten", output)
}

// A learner runs a program under policies that grant what has no effects, and remembers what it tried.
type learner struct {
	cli      *cli
	program  program
	folder   string // of the policy, which paths in it are relative to
	registry *capabilities.Registry
	vocab    policies.Vocabulary
	base     *learnBase // whose tools and servers can be used; nil if none was given

	allowed map[string]bool   // functions that are really granted, "http.get"
	terms   map[string]string // TOML for the grants of families, as given with --allow

	imports   []string                  // that the program needs
	wanted    map[string]bool           // stand-ins that it imports by their names
	functions map[string]map[string]int // calls by family and function
	calls     []triedCall               // of functions with effects, each once
	missing   []string                  // what it wanted and this program does not have
	denied    *triedCall                // the last denied call
	effects   bool                      // a call with effects was made
	runs      int
	result    *host.Result
}

// A triedCall is a call that the program made, or wanted to make.
type triedCall struct {
	tool             string // which made it; empty is the program
	family, function string
	written          policies.Written
}

func (t *triedCall) String() string {
	if t.tool != "" {
		return fmt.Sprintf("tool %s: %s.%s(%s)", t.tool, t.family, t.function, t.written)
	}
	return fmt.Sprintf("%s.%s(%s)", t.family, t.function, t.written)
}

// standIns are families that take the place of what the guest has by itself, a virtual clock and randomness that repeats. A program
// that only asks for the time needs no grant, and would not get on if it were granted and denied.
var standIns = []string{"clock", "random"}

// maxTriedCalls bounds what is remembered of a program that calls in a loop.
const maxTriedCalls = 100

// maxRuns bounds how often the program is run.
const maxRuns = 40

// allow reads --allow.
func (l *learner) allow(patterns []string) error {
	l.allowed, l.terms = map[string]bool{}, map[string]string{}
	for _, text := range patterns {
		pattern, terms, _ := strings.Cut(text, ":")
		pattern = strings.TrimSpace(pattern)
		found := false
		for name, family := range l.vocab.Families {
			for _, function := range family.Functions {
				match, err := path.Match(pattern, name+"."+function.Name)
				if err != nil {
					return usageError("", "--allow: %q is not a pattern", pattern)
				}
				if !match {
					continue
				}
				found, l.allowed[name+"."+function.Name] = true, true
				if terms := strings.TrimSpace(terms); terms != "" && !strings.Contains(l.terms[name], terms) {
					l.terms[name] += terms + "\n"
				}
			}
		}
		if !found && l.base.allow(pattern) {
			if found = true; strings.TrimSpace(terms) != "" {
				return usageError("terms of tools and servers are those of --base", "--allow: %q is about a tool or server, and has terms", text)
			}
		}
		if !found {
			return usageError("write for example --allow 'math.*'", "--allow: no function matches %q", pattern)
		}
	}
	return nil
}

// trial makes the policy of the next run: everything can be called, and what has effects and is not allowed is denied.
func (l *learner) trial() (*policies.Policy, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "policy = 1\nname = \"learning\"\naudit.log = \"none\"\npython.imports = [%s]\n", quoted(l.imports))
	for _, name := range slices.Sorted(maps.Keys(l.vocab.Families)) {
		family := l.vocab.Families[name]
		var granted, may []string
		anyAllowed := false
		for _, f := range family.Functions {
			full := name + "." + f.Name
			granted = append(granted, f.Name)
			anyAllowed = anyAllowed || l.allowed[full]
			if l.allowed[full] || !f.Reads && !f.Writes {
				may = append(may, f.Name)
			}
		}
		if slices.Contains(standIns, name) && !anyAllowed && !l.wanted[name] || len(granted) == 0 {
			continue
		}
		fmt.Fprintf(&b, "[grant.%s]\nfunctions = [%s]\n%s", name, quoted(granted), l.terms[name])
		if len(may) < len(granted) {
			fmt.Fprintf(&b, "when = 'call.function in [%s]'\n", quoted(may))
		}
		if !anyAllowed {
			for _, key := range family.Scopes {
				if key.Required != "" {
					fmt.Fprintf(&b, "%s = %s\n", key.Name, key.Example) // it is denied whatever this says
				}
			}
		}
	}
	if l.base != nil {
		b.WriteString(l.base.trial(l))
	}
	p, err := policies.Parse(filepath.Join(l.folder, "(learning)"), []byte(b.String()), l.vocab)
	if err != nil && len(l.terms)+len(l.allowed) > 0 {
		var mistakes policies.Errors
		if errors.As(err, &mistakes) {
			return nil, usageError(`the keys of a grant follow a colon: --allow 'family.function: key = "value"'`, "--allow: %s", mistakes[0].Message)
		}
	}
	return p, err
}

// given are the keys of a family's grant as they were written with --allow.
func (l *learner) given(family string) map[string]string {
	keys := map[string]string{}
	for line := range strings.Lines(l.terms[family]) {
		if key, value, ok := strings.Cut(line, "="); ok {
			keys[strings.TrimSpace(key)] = strings.TrimSpace(value)
		}
	}
	return keys
}

func quoted(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = strconv.Quote(name)
	}
	return strings.Join(list, ", ")
}

// run runs the program until it tries no module that is new.
func (l *learner) run() error {
	for l.runs < maxRuns {
		if l.base != nil {
			if err := l.base.connect(l.cli); err != nil {
				return err
			}
		}
		p, err := l.trial()
		if err != nil {
			return err
		}
		before := l.found()
		if err := l.once(p); err != nil {
			return err
		}
		if l.found() == before || l.effects {
			break
		}
	}
	if l.base != nil {
		for name := range l.base.used {
			if l.functions[name] == nil {
				l.functions[name] = map[string]int{}
			}
		}
	}
	// A module whose constants alone are used leaves no call.
	for name := range l.vocab.Families {
		if l.functions[name] == nil && !slices.Contains(l.imports, name) && imported(l.program.code, name) {
			l.functions[name] = map[string]int{}
		}
	}
	slices.Sort(l.imports)
	all := slices.Clone(l.imports) // a module includes its submodules
	l.imports = slices.DeleteFunc(l.imports, func(module string) bool {
		return slices.ContainsFunc(all, func(parent string) bool { return strings.HasPrefix(module, parent+".") })
	})
	return nil
}

// found is how many modules were found that the program imports.
func (l *learner) found() int {
	n := len(l.imports) + len(l.wanted)
	if l.base != nil {
		n += len(l.base.used)
	}
	return n
}

// imported reports whether a line of a program seems to import a module.
func imported(code, module string) bool {
	return regexp.MustCompile(`(?m)^\s*(import\s+([\w.]+(\s+as\s+\w+)?\s*,\s*)*|from\s+)` + module + `\b`).MatchString(code)
}

// once runs the program and notes what it tried.
func (l *learner) once(p *policies.Policy) error {
	l.runs++
	l.functions, l.calls, l.missing, l.denied = map[string]map[string]int{}, nil, nil, nil
	known := l.registry
	if l.base != nil {
		clear(l.base.calls)
		var err error
		if known, err = capabilities.NewRegistry(append(known.Families(), l.base.families...)...); err != nil {
			return err
		}
	}
	log := new(triedLog)
	done := l.cli.progress(p)
	h, err := host.New(l.cli.ctx, host.Config{Policy: p, Capabilities: known, Audit: log, Logger: hclog.NewNullLogger()})
	done()
	if err != nil {
		return err
	}
	result, _, err := l.cli.execute(h, l.program, "", nil)
	if err = errors.Join(err, h.Close()); err != nil {
		return err
	}
	l.result = result
	for _, w := range result.Withheld {
		l.withheld(w)
	}
	for i := range log.decisions {
		l.note(&log.decisions[i])
	}
	return nil
}

// withheld notes what the guest says it withheld. It is the guest's word: only what exists is taken over.
func (l *learner) withheld(w host.Withheld) {
	switch {
	case w.Kind == "import" && l.base.module(w.Name) != "":
		l.base.used[l.base.module(w.Name)] = true
	case w.Kind == "import" && slices.Contains(l.vocab.Modules, w.Name):
		if !slices.Contains(l.imports, w.Name) {
			l.imports = append(l.imports, w.Name)
		}
	case w.Kind == "import" && slices.Contains(standIns, w.Name):
		l.wanted[w.Name] = true
	case !slices.Contains(l.missing, w.Kind+" "+w.Name):
		l.missing = append(l.missing, w.Kind+" "+w.Name)
	}
}

func (l *learner) note(r *audit.Record) {
	family, function, _ := strings.Cut(r.Capability, ".")
	if r.Rule == "limits.host_calls" {
		return
	}
	switch {
	case r.Tool != "":
		l.base.note(r.Tool, family, function)
	case l.functions[family] == nil:
		l.functions[family] = map[string]int{function: 1}
	default:
		l.functions[family][function]++
	}
	if r.Effects == capabilities.Pure.String() || r.Tool == "" && l.base.tool(family) != nil {
		return // a tool has the effects of what it calls itself
	}
	allowed := r.Allow != nil && *r.Allow
	l.effects = l.effects || allowed
	written, err := policies.ParseWritten(r.Arguments)
	if err != nil {
		return // too large to be kept
	}
	call := triedCall{r.Tool, family, function, written}
	if !allowed {
		l.denied = &call
	}
	if len(l.calls) < maxTriedCalls && !slices.ContainsFunc(l.calls, func(other triedCall) bool { return other.String() == call.String() }) {
		l.calls = append(l.calls, call)
	}
}

// triedLog keeps the decisions of a run in memory.
type triedLog struct {
	mu        sync.Mutex
	decisions []audit.Record
}

// Append implements [audit.Log].
func (t *triedLog) Append(r *audit.Record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.Kind == audit.Decision {
		t.decisions = append(t.decisions, *r)
	}
	return nil
}

// Close implements [audit.Log].
func (t *triedLog) Close() error { return nil }

// summary says on stderr what was tried, and what to do to learn more.
func (l *learner) summary() {
	functions := 0
	for _, called := range l.functions {
		functions += len(called)
	}
	out := l.cli.stderr
	if err := writeUntrusted(out, l.result.Stdout+l.result.Stderr); err != nil {
		return
	}
	fmt.Fprintf(out, "postern: ran %s %s; it needs %s and %s\n", visibleName(l.program.name), times(l.runs), plural(int64(len(l.imports)), "module", "modules"), plural(int64(functions), "function", "functions"))
	for _, what := range l.missing {
		fmt.Fprintf(out, "postern: it wanted what there is not: %s\n", visibleName(what))
	}
	e := l.result.Error
	switch {
	case e == nil:
	case l.denied != nil && (e.Denied || l.denied.tool != ""):
		fmt.Fprintf(out, "postern: it ended at the denial of %s, so what comes after is not learned\n", visibleName(l.denied.String()))
		l.cli.hintf("to go on, really grant it: %s", l.allowHint())
	default:
		where := ""
		if e.Line != nil {
			where = fmt.Sprintf(" at line %d", *e.Line)
		}
		fmt.Fprintf(out, "postern: it ended%s with %s, so what comes after is not learned\n", where, visibleName(e.Error()))
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// allowHint is the --allow that grants the denied call, to be pasted into a shell.
func (l *learner) allowHint() string {
	name := l.denied.family + "." + l.denied.function
	if l.denied.tool != "" {
		return "--allow " + shellQuote(l.denied.tool+".*")
	}
	scope, _ := l.scope(l.denied.family, []triedCall{*l.denied})
	if scope == "" {
		return "--allow " + shellQuote(name)
	}
	var flags []string
	for line := range strings.Lines(scope) {
		flags = append(flags, "--allow "+shellQuote(name+": "+strings.TrimSpace(line)))
	}
	return strings.Join(flags, " ")
}

// shellQuote makes one word for a shell of what a program can have chosen.
func shellQuote(text string) string {
	return "'" + strings.ReplaceAll(visibleName(text), "'", `'\''`) + "'"
}

// policyName is what a policy is called that was learned from a program.
func (p program) policyName() string {
	name := strings.TrimSpace(visibleName(strings.TrimSuffix(filepath.Base(p.name), filepath.Ext(p.name))))
	if strings.HasPrefix(p.name, "<") || name == "" || utf8.RuneCountInString(name) > 64 {
		return "learned"
	}
	return name
}
