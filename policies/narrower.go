package policies

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A Difference is one thing that one policy permits and another does not.
type Difference struct {
	// Subject is what it is about: "limits.fuel", "http.get", "grant.http.urls".
	Subject string `json:"subject"`

	// Text says in words what the one permits.
	Text string `json:"text"`

	// Hint says what would be narrow enough; it may be empty.
	Hint string `json:"hint,omitempty"`

	// Witness is the first value that the one permits and the other does not, as it could
	// be written in code; empty where the subject says it all.
	Witness string `json:"witness,omitempty"`

	// Undecided says that the one may permit more, and that it cannot be
	// decided whether it does.
	Undecided bool `json:"undecided,omitempty"`

	// Position is where the one permits it. Line is 0 where a default does.
	Position Position `json:"-"`
}

// String returns "SUBJECT: TEXT".
func (d Difference) String() string { return d.Subject + ": " + d.Text }

// Narrower decides whether a policy permits nothing that another does not
// permit. It returns nil if so, and otherwise the first thing that it does
// permit. A question that cannot be decided, such as that between two conditions, counts
// against the policy, with Undecided set.
//
// What a policy calls itself, its modules and its notes, where its log is and the seed of hashes are no permissions; that
// there is a log, and that it holds arguments, is compared.
func Narrower(child, parent *Policy) *Difference {
	if all := exceeds(child, parent); len(all) > 0 {
		return &all[0]
	}
	return nil
}

// Diff compares two policies. Gained is what the new one permits and the old one does
// not, lost what the old one did. A change that is neither is in neither.
func Diff(old, new *Policy) (gained, lost []Difference) {
	return exceeds(new, old), exceeds(old, new)
}

// exceeds returns everything that a permits and b does not.
func exceeds(a, b *Policy) []Difference {
	e := &excess{a: a, b: b, budget: maxInclusion}
	for _, l := range limits {
		e.more("limits."+l.name, *l.field(&a.Limits), *l.field(&b.Limits), l.quantity)
	}
	e.python()
	e.audit()
	e.grants("", a.Grants, b.Grants)
	e.tools()
	e.servers()
	return e.found
}

// An excess collects what a permits and b does not.
type excess struct {
	a, b   *Policy
	found  []Difference
	budget int // for comparing patterns
}

func (e *excess) add(d Difference) {
	// What a policy does not say, the table says that should.
	for path := d.Subject; d.Position.File == "" && path != ""; {
		d.Position, _ = e.a.Where(path)
		path = path[:max(strings.LastIndexByte(path, '.'), 0)]
	}
	if d.Position.File == "" {
		d.Position = Position{File: e.a.File}
	}
	e.found = append(e.found, d)
}

// more compares what a greater number permits more of.
func (e *excess) more(subject string, a, b int64, q quantity) {
	if a > b {
		e.add(Difference{
			Subject: subject, Text: fmt.Sprintf("%s instead of %s", q.print(a), q.print(b)),
			Hint: "at most " + q.print(b), Witness: q.print(a),
		})
	}
}

func (e *excess) imports(subject string, a, b []string) {
	for _, module := range a {
		if !importable(module, b) {
			e.add(Difference{Subject: subject, Text: quote(module) + " may be imported", Witness: "import " + module})
		}
	}
}

func (e *excess) python() {
	e.imports("python.imports", e.a.Python.Imports, e.b.Python.Imports)
	for _, pack := range e.a.Python.Packages {
		same := slices.ContainsFunc(e.b.Python.Packages, func(other Package) bool {
			return other.Name == pack.Name && other.Version == pack.Version
		})
		if !same {
			e.add(Difference{Subject: "python.packages", Text: "package " + pack.String() + " may be imported", Witness: pack.String(), Position: pack.Position})
		}
	}
}

// importable reports whether a module or one that it is a part of is in a list.
func importable(module string, list []string) bool {
	for {
		if slices.Contains(list, module) {
			return true
		}
		i := strings.LastIndexByte(module, '.')
		if i < 0 {
			return false
		}
		module = module[:i]
	}
}

func (e *excess) audit() {
	if e.a.Audit.Log == LogNone && e.b.Audit.Log != LogNone {
		e.add(Difference{Subject: "audit.log", Text: "calls leave no record", Hint: "name a folder, or leave it out"})
	}
	if e.a.Audit.Arguments == ArgumentsDigest && e.b.Audit.Arguments != ArgumentsDigest {
		e.add(Difference{Subject: "audit.arguments", Text: "records hold the digests of arguments alone", Hint: `write "full", or leave it out`})
	}
	if durable(e.a.Audit.Durability) < durable(e.b.Audit.Durability) {
		e.add(Difference{Subject: "audit.durability", Text: "a power failure can take more records", Hint: fmt.Sprintf("write %q, or leave it out", e.b.Audit.Durability)})
	}
}

// durable orders the values of durability.
func durable(durability string) int {
	return slices.Index([]string{DurabilityBatch, DurabilityEffects, DurabilityAlways}, cmp.Or(durability, DurabilityEffects))
}

// grants compares the grants of a policy, or of a tool: then prefix is "tool.NAME.".
func (e *excess) grants(prefix string, a, b []Grant) {
	for i := range a {
		ours := &a[i]
		at := slices.IndexFunc(b, func(g Grant) bool { return g.Family == ours.Family })
		var theirs *Grant
		if at >= 0 {
			theirs = &b[at]
		}
		common := 0
		for j, function := range ours.Functions {
			if theirs != nil && slices.Contains(theirs.Functions, function) {
				common++
				continue
			}
			d := Difference{Subject: prefix + ours.Family + "." + function, Text: "may be called" + ours.within(), Position: ours.Position}
			if j < len(ours.Positions) {
				d.Position = ours.Positions[j]
			}
			e.add(d)
		}
		if common > 0 {
			rule := prefix + "grant." + ours.Family
			e.terms(rule, &ours.Terms, &theirs.Terms)
			e.scope(rule, ours, theirs)
			e.conditions(rule, ours.Position, ours.Conditions, theirs.Conditions)
		}
	}
}

// within says under which scope a function may be called, for one that is new.
func (g *Grant) within() string {
	var parts []string
	for _, name := range g.Scope.keys() {
		v := g.Scope.values[name]
		if v.Position.Line > 0 {
			parts = append(parts, name+" = "+v.String())
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, ", ") + ")"
}

// terms compares what grants and tools have in common. Zero is no limit.
func (e *excess) terms(rule string, a, b *Terms) {
	less := func(key string, none, exceeds bool, text, hint string) {
		if none || exceeds {
			e.add(Difference{Subject: rule + "." + key, Text: text, Hint: hint})
		}
	}
	if b.Calls > 0 {
		text := plural(a.Calls, "call") + " in a session instead of " + printCount(b.Calls)
		if a.Calls == 0 {
			text = "any number of calls in a session instead of " + printCount(b.Calls)
		}
		less("calls", a.Calls == 0, a.Calls > b.Calls, text, "at most "+printCount(b.Calls))
	}
	if b.Rate.Calls > 0 {
		text := a.Rate.String() + " instead of " + b.Rate.String()
		if a.Rate.Calls == 0 {
			text = "any rate instead of " + b.Rate.String()
		}
		less("rate", a.Rate.Calls == 0, !a.Rate.within(b.Rate), text, "at most "+b.Rate.String())
	}
	if b.Timeout > 0 {
		text := a.Timeout.String() + " for a call instead of " + b.Timeout.String()
		if a.Timeout == 0 {
			text = "any time for a call instead of " + b.Timeout.String()
		}
		less("timeout", a.Timeout == 0, a.Timeout > b.Timeout, text, "at most "+printDuration(int64(b.Timeout)))
	}
	if order := []string{ApproveAlways, ApproveOnce, ApproveNever}; approveRank(order, a) > approveRank(order, b) {
		less("approve", true, false, fmt.Sprintf("%q instead of %q", order[approveRank(order, a)], b.Approve), fmt.Sprintf("write %q", b.Approve))
	}
	if !b.Expires.IsZero() {
		text := "holds until " + a.Expires.Format(time.RFC3339) + " instead of " + b.Expires.Format(time.RFC3339)
		if a.Expires.IsZero() {
			text = "never expires, instead of on " + b.Expires.Format(time.RFC3339)
		}
		less("expires", a.Expires.IsZero(), a.Expires.After(b.Expires), text, "at the latest "+b.Expires.Format(time.RFC3339))
	}
}

func approveRank(order []string, t *Terms) int {
	if t.Approve == "" {
		return len(order) - 1
	}
	return slices.Index(order, t.Approve)
}

// within reports whether calls at a rate are never more than another rate permits.
func (r Rate) within(other Rate) bool {
	// In one stretch of the other's length lie at most so many of this one's.
	stretches := int64((other.Per + r.Per - 1) / max(r.Per, 1))
	return r.Calls*stretches <= other.Calls
}

func (e *excess) conditions(rule string, at Position, a, b []*Condition) {
	for _, theirs := range b {
		text := strings.TrimSpace(theirs.Text)
		same := slices.ContainsFunc(a, func(ours *Condition) bool { return strings.TrimSpace(ours.Text) == text })
		if same && strings.Contains(text, "policy") && e.a.Name != e.b.Name {
			e.add(Difference{
				Subject: rule + ".when", Undecided: true, Position: a[0].Position,
				Text: "the condition depends on the policy's name, which is another: it cannot be decided whether more is permitted",
			})
			continue
		}
		if same {
			continue
		}
		d := Difference{Subject: rule + ".when", Hint: "write the same condition, or one policy that extends the other: then both must hold"}
		if len(a) == 0 {
			d.Text = "calls for which this does not hold: " + conditionText(text)
			d.Position = at
		} else {
			d.Undecided = true
			d.Text = "it cannot be decided whether this condition permits more than the other: " + conditionText(text)
			d.Position = a[0].Position
		}
		e.add(d)
	}
}

func (e *excess) tools() {
	for i := range e.a.Tools {
		ours := &e.a.Tools[i]
		at := slices.IndexFunc(e.b.Tools, func(t Tool) bool { return t.Name == ours.Name })
		rule := "tool." + ours.Name
		if at < 0 {
			e.add(Difference{Subject: rule, Text: "may be called", Position: ours.Position})
			continue
		}
		theirs := &e.b.Tools[at]
		if ours.SHA256 != theirs.SHA256 {
			e.add(Difference{Subject: rule + ".sha256", Text: "another plugin", Undecided: true})
		}
		if relativePath(e.a, ours.Schema) != relativePath(e.b, theirs.Schema) {
			e.add(Difference{Subject: rule + ".schema", Text: "another description of the plugin", Undecided: true})
		}
		switch {
		case theirs.SchemaSHA256 == "" || ours.SchemaSHA256 == theirs.SchemaSHA256:
		case ours.SchemaSHA256 == "":
			e.add(Difference{Subject: rule + ".schema_sha256", Text: "any description in the file of schema instead of that of a digest", Hint: "write the same digest"})
		default:
			e.add(Difference{Subject: rule + ".schema_sha256", Text: "another description of the plugin", Undecided: true})
		}
		if ours.Stateful && !theirs.Stateful {
			e.add(Difference{Subject: rule + ".stateful", Text: "the plugin may remember from call to call"})
		}
		e.toolFunctions(rule, ours, theirs)
		e.imports(rule+".python.imports", ours.Python.Imports, theirs.Python.Imports)
		for _, l := range toolLimits {
			e.more(rule+".limits."+l.name, *l.field(&ours.Limits), *l.field(&theirs.Limits), l.quantity)
		}
		e.terms(rule, &ours.Terms, &theirs.Terms)
		e.grants(rule+".", ours.Grants, theirs.Grants)
	}
}

func (e *excess) toolFunctions(rule string, a, b *Tool) {
	switch {
	case len(b.Functions) == 0:
	case len(a.Functions) == 0:
		e.add(Difference{Subject: rule, Text: "all functions of the plugin instead of " + strings.Join(b.Functions, ", "), Position: a.Position})
	default:
		for i, name := range a.Functions {
			if !slices.Contains(b.Functions, name) {
				e.add(Difference{Subject: rule + ".functions", Text: quote(name) + " may be called", Witness: a.Name + "." + name, Position: a.Positions[i]})
			}
		}
	}
}

func (e *excess) servers() {
	for i := range e.a.Servers {
		ours := &e.a.Servers[i]
		at := slices.IndexFunc(e.b.Servers, func(s Server) bool { return s.Name == ours.Name })
		rule := "mcp." + ours.Name
		if at < 0 {
			e.add(Difference{Subject: rule, Text: "tools of the MCP server may be called: " + some(ours.Functions), Position: ours.Position})
			continue
		}
		theirs := &e.b.Servers[at]
		e.connection(rule, ours, theirs)
		e.serverFunctions(rule, ours, theirs)
		switch {
		case theirs.ToolsSHA256 == "" || ours.ToolsSHA256 == theirs.ToolsSHA256:
		case ours.ToolsSHA256 == "":
			e.add(Difference{Subject: rule + ".tools_sha256", Text: "any tools of the server instead of those of a digest", Hint: "write the same digest"})
		default:
			e.add(Difference{Subject: rule + ".tools_sha256", Text: "other tools of the server", Undecided: true})
		}
		e.more(rule+".max_response", ours.MaxResponse, theirs.MaxResponse, sizes)
		e.terms(rule, &ours.Terms, &theirs.Terms)
		e.conditions(rule, ours.Position, ours.Conditions, theirs.Conditions)
	}
}

// connection compares what is connected to. The same command in another folder can be another program.
func (e *excess) connection(rule string, a, b *Server) {
	switch {
	case !slices.Equal(a.Command, b.Command):
		e.add(Difference{Subject: rule + ".command", Text: "another server", Undecided: true})
	case a.URL != b.URL:
		e.add(Difference{Subject: rule + ".url", Text: "another server", Undecided: true})
	case a.Command != nil && a.Folder != b.Folder:
		e.add(Difference{Subject: rule + ".command", Text: "the server is started in another folder", Undecided: true})
	}
	if !maps.Equal(a.Env, b.Env) {
		e.add(Difference{Subject: rule + ".env", Text: "another environment of the server", Undecided: true})
	}
	for _, name := range a.EnvFrom {
		if !slices.Contains(b.EnvFrom, name) {
			e.add(Difference{Subject: rule + ".env_from", Text: quote(name) + " is handed on to the server", Witness: quote(name)})
		}
	}
	for _, name := range sortedKeys(a.HeadersFrom) {
		if a.HeadersFrom[name] != b.HeadersFrom[name] {
			e.add(Difference{Subject: rule + ".headers_from." + pathKey(name), Text: quote(a.HeadersFrom[name]) + " is sent to the server", Witness: quote(name)})
		}
	}
}

func (e *excess) serverFunctions(rule string, a, b *Server) {
	var patterns []Pattern
	for _, name := range b.Functions {
		patterns = append(patterns, namePattern(name))
	}
	for i, name := range a.Functions {
		witness, found, decided := beyond(namePattern(name), patterns, &e.budget)
		d := Difference{Subject: rule + ".functions", Position: a.Positions[i]}
		switch {
		case !decided:
			d.Text, d.Undecided = fmt.Sprintf("it cannot be decided whether %s permits more than the other patterns do", quote(name)), true
		case !found:
			continue
		case witness == name || !functionName.matches(witness):
			d.Text, d.Witness = quote(name)+" may be called", a.Name+"."+name
		default:
			d.Text, d.Witness = fmt.Sprintf("%s permits %s", quote(name), quote(witness)), a.Name+"."+witness
		}
		e.add(d)
	}
}

// relativePath is a path that a policy names, seen from where its program runs.
func relativePath(p *Policy, path string) string {
	if filepath.IsAbs(path) || path == "" {
		return path
	}
	return filepath.Join(filepath.Dir(p.File), path)
}

// scope compares the family's own keys.
func (e *excess) scope(rule string, a, b *Grant) {
	for _, name := range a.Scope.keys() {
		ours := a.Scope.values[name]
		theirs, ok := b.Scope.Value(name)
		if !ok || ours.Key == nil || theirs.Key == nil || ours.Key.Type != theirs.Key.Type {
			e.add(Difference{Subject: rule + "." + name, Undecided: true, Text: "the other policy does not know this key"})
			continue
		}
		e.scopeKey(rule+"."+name, ours, theirs)
	}
	for _, name := range b.Scope.keys() {
		if _, ok := a.Scope.Value(name); !ok {
			e.add(Difference{Subject: rule + "." + name, Undecided: true, Text: "this policy does not know the key"})
		}
	}
}

func (e *excess) scopeKey(subject string, a, b ScopeValue) {
	k := a.Key
	instead := Difference{
		Subject: subject, Position: a.Position,
		Text: a.String() + " instead of " + b.String(), Witness: a.String(),
	}
	if k.Fixed || k.Type == ScopeString {
		if a.Text != b.Text || a.Number != b.Number || a.Bool != b.Bool || !slices.Equal(a.List, b.List) || !maps.Equal(a.Map, b.Map) {
			instead.Undecided = k.Type == ScopeString && !k.Fixed
			e.add(instead)
		}
		return
	}
	if k.Type.isList() {
		e.list(subject, a, b)
		return
	}
	wider := false
	switch k.Type {
	case ScopeSize, ScopeDuration, ScopeInt:
		wider = a.Number > b.Number && !k.Higher || a.Number < b.Number && k.Higher
	case ScopeBool:
		wider = a.Bool && !b.Bool
	case ScopeEnum:
		wider = slices.Index(k.Choices, a.Text) > slices.Index(k.Choices, b.Text)
	case ScopeMap:
		for _, name := range sortedKeys(a.Map) {
			if other, ok := b.Map[name]; !ok || other != a.Map[name] {
				e.add(Difference{Subject: subject + "." + pathKey(name), Text: quote(a.Map[name]) + " is permitted", Witness: quote(name), Position: a.Position})
			}
		}
	}
	if wider {
		e.add(instead)
	}
}

func (e *excess) list(subject string, a, b ScopeValue) {
	at := func(i int) Position {
		if i < len(a.Positions) {
			return a.Positions[i]
		}
		return a.Position
	}
	if a.Key.Type == ScopeStrings {
		for i, text := range a.List {
			if !slices.Contains(b.List, text) {
				e.add(Difference{Subject: subject, Text: quote(text) + " is permitted", Witness: quote(text), Position: at(i)})
			}
		}
		return
	}
	for i, p := range a.Patterns {
		witness, found, decided := beyond(p, b.Patterns, &e.budget)
		switch {
		case !decided:
			e.add(Difference{
				Subject: subject, Undecided: true, Position: at(i),
				Text: fmt.Sprintf("it cannot be decided whether %s permits more than the other patterns do", quote(p.text)),
			})
		case found:
			e.add(Difference{Subject: subject, Text: fmt.Sprintf("%s permits %s", quote(p.text), quote(witness)), Witness: quote(witness), Position: at(i)})
		}
	}
}
