package main

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/mcpclient"
	"github.com/postern-sandbox/postern/policies"
)

// A learnBase is the policy whose tools and MCP servers a program may use while it is learned from. What they are (plugins, commands, digests, terms, the
// tools' own grants) is not to be learned: only what is used of them.
type learnBase struct {
	policy  *policies.Policy
	tools   *seenTools
	allowed []string // patterns of their functions that are really granted

	used      map[string]bool                      // tools and servers that the program imports
	connected *mcpclient.Servers                   // the servers among them
	families  []capabilities.Family                // of the servers
	calls     map[string]map[string]map[string]int // of a tool's own grants, by tool, family and function
}

// newLearnBase reads the policy.
func (c *cli) newLearnBase(file string, known *capabilities.Registry) (*learnBase, error) {
	policy, err := lookPolicy(file, known)
	if err != nil {
		return nil, err
	}
	look := &toolLook{cli: c}
	tools, err := look.tools(policy, known)
	if err = errors.Join(err, look.close()); err != nil {
		return nil, err
	}
	return &learnBase{policy: policy, tools: tools, used: make(map[string]bool), calls: make(map[string]map[string]map[string]int)}, nil
}

func (b *learnBase) close() error {
	if b == nil || b.connected == nil {
		return nil
	}
	return b.connected.Close()
}

// tool and server are the table of a name; nil if there is none. A nil base has none.
func (b *learnBase) tool(name string) *policies.Tool {
	if b == nil {
		return nil
	}
	return b.policy.Tool(name)
}

func (b *learnBase) server(name string) *policies.Server {
	if b == nil {
		return nil
	}
	return b.policy.Server(name)
}

// module is the tool or server that a module of Python is; empty if none is.
func (b *learnBase) module(name string) string {
	if b != nil {
		for _, g := range b.policy.OpenGrants() {
			if g.PythonName() == name {
				return g.Family
			}
		}
	}
	return ""
}

// allow takes a pattern of functions of tools or servers. Which functions a server has is known later.
func (b *learnBase) allow(pattern string) bool {
	if b == nil {
		return false
	}
	for _, g := range b.policy.OpenGrants() {
		functions := slices.Concat(b.tools.functions()[g.Family], g.Functions)
		if slices.ContainsFunc(functions, func(name string) bool { return b.matches(pattern, g.Family+"."+name) }) || b.policy.Server(g.Family) != nil && strings.HasPrefix(pattern, g.Family+".") {
			b.allowed = append(b.allowed, pattern)
			return true
		}
	}
	return false
}

func (b *learnBase) matches(pattern, name string) bool {
	match, err := path.Match(pattern, name)
	return err == nil && match
}

// really reports whether a function is really granted.
func (b *learnBase) really(name string) bool {
	return slices.ContainsFunc(b.allowed, func(pattern string) bool { return b.matches(pattern, name) })
}

// connect connects the servers that the program imports, anew if there are more than before.
func (b *learnBase) connect(c *cli) error {
	wanted := *b.policy
	wanted.Servers = slices.DeleteFunc(slices.Clone(b.policy.Servers), func(s policies.Server) bool { return !b.used[s.Name] })
	if len(wanted.Servers) == len(b.families) {
		return nil
	}
	if err := b.close(); err != nil {
		return err
	}
	known, err := registry()
	if err != nil {
		return err
	}
	if _, b.connected, err = c.connect(c.ctx, &wanted, known, hclog.NewNullLogger()); err != nil {
		return err
	}
	b.families = b.connected.Families()
	return nil
}

// trial writes the tables of the tools and servers that the program imports: all their functions can be called, and what has effects and is not allowed is denied. A
// tool's functions have those of what it calls itself.
func (b *learnBase) trial(l *learner) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(b.used)) {
		if t := b.tool(name); t != nil {
			text.WriteString(b.toolTable(l, t, t.Functions, policies.Terms{As: t.As}, ""))
			really := slices.ContainsFunc(b.tools.functions()[name], func(f string) bool { return b.really(name + "." + f) })
			for i := range t.Grants {
				g := &t.Grants[i]
				may := g.Functions
				if !really {
					may = slices.DeleteFunc(slices.Clone(g.Functions), func(f string) bool { return l.hasEffects(g.Family, f) })
				}
				text.WriteString(b.grantTable(l, t, g, g.Functions, policies.Terms{As: g.As}, may))
			}
			continue
		}
		s := b.server(name)
		may := []string{}
		for _, family := range b.families {
			for _, c := range family.Capabilities {
				if f := c.Spec().Function; family.Name == name && s.Names(f) && b.really(name+"."+f) {
					may = append(may, f)
				}
			}
		}
		text.WriteString(b.serverTable(s, s.Functions, s.ToolsSHA256, policies.Terms{As: s.As}, fmt.Sprintf("call.function in [%s]", quoted(may))))
	}
	return text.String()
}

// hasEffects reports whether a capability can reach anything.
func (l *learner) hasEffects(family, function string) bool {
	for _, f := range l.vocab.Families[family].Functions {
		if f.Name == function {
			return f.Reads || f.Writes
		}
	}
	return true
}

// note notes a call that a tool made.
func (b *learnBase) note(tool, family, function string) {
	if b.calls[tool] == nil {
		b.calls[tool] = make(map[string]map[string]int)
	}
	if b.calls[tool][family] == nil {
		b.calls[tool][family] = make(map[string]int)
	}
	b.calls[tool][family][function]++
}

// learned writes the table of a tool or a server with the functions that were called, after what the program tried.
func (b *learnBase) learned(l *learner, name string) (string, error) {
	var text strings.Builder
	functions := slices.Sorted(maps.Keys(l.functions[name]))
	if len(functions) == 0 {
		functions = b.first(name)
		fmt.Fprintf(&text, "# The program imports %s and calls no function of it. Its table must name one.\n", name)
	}
	tried := func(tool, family string) string {
		return listTried(slices.DeleteFunc(slices.Clone(l.calls), func(t triedCall) bool { return t.tool != tool || t.family != family }))
	}
	if t := b.tool(name); t != nil {
		text.WriteString(b.toolTable(l, t, functions, t.Terms, ""))
		for i := range t.Grants {
			g := &t.Grants[i]
			text.WriteString("\n" + tried(name, g.Family) + b.grantTable(l, t, g, b.needed(l, t, g), g.Terms, nil))
		}
		return text.String(), nil
	}
	text.WriteString(tried("", name))
	s := b.server(name)
	narrowed, pin, err := b.narrow(l.cli, s, functions)
	if err != nil {
		return "", err
	}
	if narrowed == nil {
		text.WriteString("# The condition is about parameters that none of the called functions has, so all functions are here: narrow both by hand.\n")
		narrowed, pin = s.Functions, s.ToolsSHA256
	}
	if s.Command != nil && absolute(s.Folder) != absolute(l.folder) {
		fmt.Fprintf(&text, "# The command is started in the folder of this policy; under %s it was started in that one's.\n", visibleName(b.policy.File))
	}
	text.WriteString(b.serverTable(s, narrowed, pin, s.Terms, ""))
	calls := 0
	for _, n := range l.functions[name] {
		calls += n
	}
	if s.Calls == 0 && calls > 0 {
		fmt.Fprintf(&text, "calls = %d # as many as it made; more?\n", calls)
	}
	if _, said := b.policy.Where("mcp." + name + ".approve"); !said {
		text.WriteString("approve = \"once\" # it may change things: may it without a human?\n")
	}
	return text.String(), nil
}

// first is a function of a tool or server that none was called of.
func (b *learnBase) first(name string) []string {
	g := b.policy.Grant(name)
	for _, family := range append(b.families, b.tools.families...) {
		for _, c := range family.Capabilities {
			if family.Name == name && g.Names(c.Spec().Function) {
				return []string{c.Spec().Function}
			}
		}
	}
	return g.Functions
}

// needed are the functions of a tool's own grant that it called, if it starts with no others: a module imports what it may never call.
func (b *learnBase) needed(l *learner, t *policies.Tool, g *policies.Grant) []string {
	called := slices.Sorted(maps.Keys(b.calls[t.Name][g.Family]))
	if len(called) == 0 {
		called = g.Functions[:1]
	}
	if len(called) == len(g.Functions) {
		return g.Functions
	}
	text := "policy = 1\nname = \"learning\"\naudit.log = \"none\"\n" + b.toolTable(l, t, nil, policies.Terms{}, "")
	for i := range t.Grants {
		functions := t.Grants[i].Functions
		if t.Grants[i].Family == g.Family {
			functions = called
		}
		text += b.grantTable(l, t, &t.Grants[i], functions, policies.Terms{}, nil)
	}
	p, err := policies.Parse(filepath.Join(l.folder, "(learning)"), []byte(text), l.vocab)
	if err != nil {
		return g.Functions
	}
	h, err := host.New(l.cli.ctx, host.Config{Policy: p, Capabilities: l.registry, Audit: audit.Discard, Logger: hclog.NewNullLogger()})
	if err != nil {
		return g.Functions
	}
	if h.Close() != nil {
		return g.Functions
	}
	return called
}

// narrow asks the server whether its table makes sense with these functions alone, and for their digest if the table has one. It gives no functions if the table does not.
func (b *learnBase) narrow(c *cli, s *policies.Server, functions []string) (narrowed []string, pin string, err error) {
	alone, some := *b.policy, *s
	some.Functions, some.ToolsSHA256, some.Positions = functions, "", make([]policies.Position, len(functions))
	alone.Servers = []policies.Server{some}
	config := mcpclient.Config{Version: posternVersion()}
	servers, err := mcpclient.Connect(c.ctx, &alone, config)
	var mistakes policies.Errors
	switch {
	case errors.As(err, &mistakes):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	if err := servers.Close(); err != nil || s.ToolsSHA256 == "" {
		return functions, "", err
	}
	offer, err := mcpclient.Look(c.ctx, &some, config)
	if err != nil {
		return nil, "", err
	}
	return functions, offer.SHA256(), nil
}

// toolTable writes [tool.NAME] without its grants.
func (b *learnBase) toolTable(l *learner, t *policies.Tool, functions []string, terms policies.Terms, more string) string {
	var text strings.Builder
	rule := "tool." + t.Name
	fmt.Fprintf(&text, "[%s]\nplugin = %s\nsha256 = %q\n", rule, strconv.Quote(b.beside(l, t.Plugin)), t.SHA256)
	if t.Schema != "" {
		fmt.Fprintf(&text, "schema = %s\n", strconv.Quote(b.beside(l, t.Schema)))
	}
	if t.SchemaSHA256 != "" {
		fmt.Fprintf(&text, "schema_sha256 = %q\n", t.SchemaSHA256)
	}
	if len(functions) > 0 {
		fmt.Fprintf(&text, "functions = [%s]\n", quoted(functions))
	}
	if t.Stateful {
		text.WriteString("stateful = true\n")
	}
	text.WriteString(b.terms(rule, terms) + more)
	said := func(key string) bool { _, ok := b.policy.Where(rule + "." + key); return ok }
	if said("python.imports") {
		fmt.Fprintf(&text, "\n[%s.python]\nimports = [%s]\n", rule, quoted(t.Python.Imports))
	}
	limits := ""
	for _, limit := range []struct{ key, value string }{
		{"wall_time", durationValue(t.Limits.WallTime)}, {"fuel", countValue(t.Limits.Fuel)}, {"memory", sizeValue(t.Limits.Memory)}, {"host_calls", countValue(t.Limits.HostCalls)},
	} {
		if said("limits." + limit.key) {
			limits += fmt.Sprintf("%s = %s\n", limit.key, limit.value)
		}
	}
	if limits != "" {
		fmt.Fprintf(&text, "\n[%s.limits]\n%s", rule, limits)
	}
	return text.String()
}

// grantTable writes a grant of a tool's. Functions that are not in may are denied; a nil may is all.
func (b *learnBase) grantTable(l *learner, t *policies.Tool, g *policies.Grant, functions []string, terms policies.Terms, may []string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "[tool.%s.grant.%s]\nfunctions = [%s]\n", t.Name, g.Family, quoted(functions))
	for _, k := range b.policy.Vocabulary().Families[g.Family].Scopes {
		if v, ok := g.Scope.Value(k.Name); ok && v.Position.Line > 0 {
			fmt.Fprintf(&text, "%s = %s\n", k.Name, b.scopeValue(l, v))
		}
	}
	condition := ""
	if may != nil && len(may) < len(functions) {
		condition = fmt.Sprintf("call.function in [%s]", quoted(may))
	}
	text.WriteString(conditions(g.Conditions, condition))
	text.WriteString(b.terms(g.Rule(), terms))
	return text.String()
}

// serverTable writes [mcp.NAME].
func (b *learnBase) serverTable(s *policies.Server, functions []string, pin string, terms policies.Terms, condition string) string {
	var text strings.Builder
	rule := "mcp." + s.Name
	fmt.Fprintf(&text, "[%s]\n", rule)
	if s.Command != nil {
		fmt.Fprintf(&text, "command = [%s]\n", quoted(s.Command))
	} else {
		fmt.Fprintf(&text, "url = %s\n", strconv.Quote(s.URL))
	}
	if len(s.Env) > 0 {
		fmt.Fprintf(&text, "env = %s\n", inlineTable(s.Env))
	}
	if len(s.EnvFrom) > 0 {
		fmt.Fprintf(&text, "env_from = [%s]\n", quoted(s.EnvFrom))
	}
	if len(s.HeadersFrom) > 0 {
		fmt.Fprintf(&text, "headers_from = %s\n", inlineTable(s.HeadersFrom))
	}
	fmt.Fprintf(&text, "functions = [%s]\n", quoted(functions))
	if pin != "" {
		fmt.Fprintf(&text, "tools_sha256 = %q\n", pin)
	}
	if _, said := b.policy.Where(rule + ".max_response"); said {
		fmt.Fprintf(&text, "max_response = %s\n", sizeValue(s.MaxResponse))
	}
	if _, said := b.policy.Where(rule + ".start_timeout"); said {
		fmt.Fprintf(&text, "start_timeout = %s\n", durationValue(s.StartTimeout))
	}
	text.WriteString(conditions(s.Conditions, condition))
	text.WriteString(b.terms(rule, terms))
	return text.String()
}

// terms writes the terms of a rule.
func (b *learnBase) terms(rule string, t policies.Terms) string {
	var text strings.Builder
	add := func(key, value string) { fmt.Fprintf(&text, "%s = %s\n", key, value) }
	if !t.Expires.IsZero() {
		add("expires", t.Expires.Format(time.RFC3339))
	}
	if t.Calls > 0 {
		add("calls", countValue(t.Calls))
	}
	if t.Rate.Calls > 0 {
		add("rate", strconv.Quote(t.Rate.String()))
	}
	if _, said := b.policy.Where(rule + ".approve"); said && t.Approve != "" {
		add("approve", strconv.Quote(t.Approve))
	}
	if t.Timeout > 0 {
		add("timeout", durationValue(t.Timeout))
	}
	if t.As != "" {
		add("as", strconv.Quote(t.As))
	}
	if t.Note != "" {
		add("note", strconv.Quote(t.Note))
	}
	return text.String()
}

// conditions writes when of conditions that must all hold; one more can be empty.
func conditions(all []*policies.Condition, more string) string {
	var texts []string
	for _, c := range all {
		texts = append(texts, c.Text)
	}
	if more != "" {
		texts = append(texts, more)
	}
	switch len(texts) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("when = %s\n", strconv.Quote(texts[0]))
	}
	// A condition can end in a comment.
	return fmt.Sprintf("when = %s\n", strconv.Quote("("+strings.Join(texts, "\n) && (")+"\n)"))
}

// durationValue, sizeValue and countValue write values as people do: "1m30s", "16MiB", 50_000_000.
func durationValue(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return strconv.Quote(text)
}

func sizeValue(n int64) string {
	for _, unit := range []struct {
		name  string
		bytes int64
	}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if n > 0 && n%unit.bytes == 0 {
			return strconv.Quote(strconv.FormatInt(n/unit.bytes, 10) + unit.name)
		}
	}
	return strconv.FormatInt(n, 10)
}

func countValue(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0 && n > 0; i -= 3 {
		text = text[:i] + "_" + text[i:]
	}
	return text
}

// hostPaths makes paths of the host, which are found from the base's folder, those of the learned policy.
func (b *learnBase) hostPaths(l *learner, v policies.ScopeValue) policies.ScopeValue {
	v.Text = l.fromFolder(v.Text)
	v.List, v.Map = slices.Clone(v.List), maps.Clone(v.Map)
	for i := range v.List {
		v.List[i] = l.fromFolder(v.List[i])
	}
	for name := range v.Map {
		v.Map[name] = l.fromFolder(v.Map[name])
	}
	return v
}

// scopeValue writes the value of a family's own key.
func (b *learnBase) scopeValue(l *learner, v policies.ScopeValue) string {
	if v.Key.HostPath {
		v = b.hostPaths(l, v)
	}
	switch v.Key.Type {
	case policies.ScopeString, policies.ScopeEnum:
		return strconv.Quote(v.Text)
	case policies.ScopeDuration:
		return durationValue(time.Duration(v.Number))
	case policies.ScopeSize:
		return sizeValue(v.Number)
	case policies.ScopeInt:
		return countValue(v.Number)
	case policies.ScopeBool:
		return fmt.Sprint(v.Bool)
	case policies.ScopeMap:
		return inlineTable(v.Map)
	}
	return "[" + quoted(v.List) + "]"
}

func inlineTable(m map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, strconv.Quote(name)+" = "+strconv.Quote(m[name]))
	}
	return "{ " + strings.Join(parts, ", ") + " }"
}

// beside is a path of the base as the learned policy has it.
func (b *learnBase) beside(l *learner, file string) string {
	if filepath.IsAbs(file) {
		return file
	}
	return l.fromFolder(filepath.Join(filepath.Dir(b.policy.File), file))
}

// fromFolder is a path as the learned policy has it. Those from the root stay so.
func (l *learner) fromFolder(file string) string {
	if file == "" || filepath.IsAbs(file) {
		return file
	}
	if relative, err := filepath.Rel(absolute(l.folder), absolute(file)); err == nil {
		file = relative
	}
	return filepath.ToSlash(file)
}

// absolute is a path from the root, to be compared with others.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
