package policies

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// An Explanation says in words what a policy permits. Its texts can be shown as they are.
type Explanation struct {
	Name   string `json:"name"`
	File   string `json:"file"`
	Digest string `json:"digest"`

	// Summary says what the agent may do, a sentence each.
	Summary []string `json:"summary"`

	Grants  []ExplainedGrant `json:"grants"`
	Tools   []ExplainedGrant `json:"tools"`   // Family is the tool's name, and Functions is empty
	Servers []ExplainedGrant `json:"servers"` // Family is the MCP server's name, and Functions has what the policy names: names and patterns

	// Limits are all limits, those that the policy does not set too.
	Limits []ExplainedLimit `json:"limits"`

	// Imports are the modules of the standard library that may be imported.
	Imports []string `json:"imports"`
}

// An ExplainedGrant is one grant in words.
type ExplainedGrant struct {
	Rule      string              `json:"rule"` // "grant.http"
	Family    string              `json:"family"`
	Doc       string              `json:"doc,omitempty"`
	Position  string              `json:"position"`
	Functions []ExplainedFunction `json:"functions"`

	// Terms say under which terms, in the order in which they are decided; those of the family's own keys
	// that the policy does not set are there with their defaults.
	Terms []ExplainedTerm `json:"terms"`

	// Grants are what a tool may call itself.
	Grants []ExplainedGrant `json:"grants,omitempty"`
}

// An ExplainedFunction is one granted function.
type ExplainedFunction struct {
	Name      string `json:"name"`
	Signature string `json:"signature,omitempty"`
	Effects   string `json:"effects"` // "pure", "reads", "writes", "reads and writes", "unknown"
	Doc       string `json:"doc,omitempty"`
	Position  string `json:"position"`
}

// An ExplainedTerm is one key of a grant and what it means.
type ExplainedTerm struct {
	Key      string `json:"key"`
	Text     string `json:"text"`               // "at most 20 calls in a session"
	Value    string `json:"value"`              // as a policy would have it
	Position string `json:"position,omitempty"` // empty where it is the default
}

// An ExplainedLimit is one key of [limits].
type ExplainedLimit struct {
	Key      string `json:"key"`
	Value    string `json:"value"`
	Default  string `json:"default"`
	Doc      string `json:"doc"`
	Position string `json:"position,omitempty"` // empty where it is the default
}

// Explain says in words what the policy permits at a time, which it needs to know what has expired.
func (p *Policy) Explain(now time.Time) *Explanation {
	e := &Explanation{
		Name: p.Name, File: printable(p.File), Digest: p.Digest,
		Summary: []string{}, Grants: []ExplainedGrant{}, Tools: []ExplainedGrant{}, Servers: []ExplainedGrant{}, Imports: slices.Clone(p.Python.Imports),
	}
	for i := range p.Grants {
		e.Grants = append(e.Grants, p.explainGrant(&p.Grants[i], now))
	}
	for i := range p.Tools {
		t := &p.Tools[i]
		tool := ExplainedGrant{Rule: "tool." + t.Name, Family: t.Name, Position: t.Position.String(), Functions: []ExplainedFunction{}, Terms: p.explainTerms("tool."+t.Name, &t.Terms, now)}
		tool.Terms = append(p.explainPlugin(t), tool.Terms...)
		for j := range t.Grants {
			tool.Grants = append(tool.Grants, p.explainGrant(&t.Grants[j], now))
		}
		e.Tools = append(e.Tools, tool)
	}
	for i := range p.Servers {
		e.Servers = append(e.Servers, p.explainServer(&p.Servers[i], now))
	}
	for _, l := range limits {
		e.Limits = append(e.Limits, ExplainedLimit{
			Key: l.name, Value: l.quantity.print(*l.field(&p.Limits)), Default: l.quantity.print(l.byDefault), Doc: l.doc, Position: p.where("limits." + l.name),
		})
	}
	e.Summary = p.summary(now)
	return e
}

// explainPlugin says what runs when a tool is called, and what it may do itself.
func (p *Policy) explainPlugin(t *Tool) []ExplainedTerm {
	at := t.Position.String()
	terms := []ExplainedTerm{{Key: "plugin", Text: "the plugin " + quote(t.Plugin), Value: quote(t.Plugin), Position: at}}
	if t.Schema != "" {
		text := "its functions are described by " + quote(t.Schema)
		if t.SchemaSHA256 != "" {
			text += ", as long as that has the digest " + t.SchemaSHA256[:8] + "…"
		}
		terms = append(terms, ExplainedTerm{Key: "schema", Text: text, Value: quote(t.Schema), Position: p.where("tool." + t.Name + ".schema")})
	}
	if len(t.Functions) > 0 {
		names := strings.Join(t.Functions, ", ")
		terms = append(terms, ExplainedTerm{Key: "functions", Text: "only its functions " + names, Value: names, Position: t.Positions[0].String()})
	}
	if t.Stateful {
		terms = append(terms, ExplainedTerm{Key: "stateful", Text: "it remembers from call to call within a session", Value: "true", Position: p.where("tool." + t.Name + ".stateful")})
	}
	if len(t.Grants) == 0 {
		return append(terms, ExplainedTerm{Key: "grant", Text: "it can reach nothing itself", Position: at})
	}
	for i := range t.Grants {
		g := &t.Grants[i]
		names := g.Family + "." + strings.Join(g.Functions, ", "+g.Family+".")
		terms = append(terms, ExplainedTerm{Key: "grant." + g.Family, Text: "it may itself call " + names, Value: names, Position: g.Position.String()})
	}
	return terms
}

// explainServer says what is connected to, and what of it may be called.
func (p *Policy) explainServer(s *Server, now time.Time) ExplainedGrant {
	rule := "mcp." + s.Name
	e := ExplainedGrant{Rule: rule, Family: s.Name, Position: s.Position.String(), Functions: []ExplainedFunction{}}
	for i, name := range s.Functions {
		e.Functions = append(e.Functions, ExplainedFunction{Name: name, Effects: unknownEffects, Position: s.Positions[i].String()})
	}
	add := func(key, text, value string) {
		e.Terms = append(e.Terms, ExplainedTerm{Key: key, Text: text, Value: value, Position: p.where(rule + "." + key)})
	}
	if s.Command != nil {
		add("command", "the server is started by "+commandText(s.Command)+", outside of the sandbox", stringsText(s.Command))
	} else {
		add("url", "the server is at "+s.URL, quote(s.URL))
	}
	for _, name := range sortedKeys(s.Env) {
		add("env."+pathKey(name), "it has the variable "+name, quote(s.Env[name]))
	}
	if len(s.EnvFrom) > 0 {
		add("env_from", "it has from the host's environment "+strings.Join(s.EnvFrom, ", "), stringsText(s.EnvFrom))
	}
	for _, name := range sortedKeys(s.HeadersFrom) {
		source, _ := ParseHeaderSource(s.HeadersFrom[name])
		add("headers_from."+pathKey(name), "it gets the header "+name+" from the variable "+source.Variable, quote(s.HeadersFrom[name]))
	}
	if s.ToolsSHA256 != "" {
		add("tools_sha256", "only as long as its tools are those of the digest "+s.ToolsSHA256[:8]+"…", quote(s.ToolsSHA256))
	}
	add("max_response", "an answer may have "+printSize(s.MaxResponse), quote(printSize(s.MaxResponse)))
	add("start_timeout", "it may take "+printDuration(int64(s.StartTimeout))+" to start", quote(printDuration(int64(s.StartTimeout))))
	for _, c := range s.Conditions {
		e.Terms = append(e.Terms, explainCondition(c))
	}
	e.Terms = append(e.Terms, p.explainTerms(rule, &s.Terms, now)...)
	return e
}

// unknownEffects is what a function can do that the policy does not know.
const unknownEffects = "unknown"

// commandText shows a command on one line.
func commandText(argv []string) string {
	parts := make([]string, len(argv))
	for i, arg := range argv {
		if parts[i] = printable(arg); arg == "" || strings.ContainsAny(arg, ` "'\`) {
			parts[i] = quote(arg)
		}
	}
	return bounded(strings.Join(parts, " "))
}

// stringsText prints a list of strings as a policy would have it.
func stringsText(list []string) string {
	return ScopeValue{Key: &ScopeKey{Type: ScopeStrings}, List: list}.String()
}

func explainCondition(c *Condition) ExplainedTerm {
	return ExplainedTerm{Key: "when", Text: "only when " + conditionText(c.Text), Value: quote(c.Text), Position: c.Position.String()}
}

// where is Where as a text, empty if the policy does not say the key.
func (p *Policy) where(path string) string {
	if at, ok := p.Where(path); ok {
		return at.String()
	}
	return ""
}

func (p *Policy) explainGrant(g *Grant, now time.Time) ExplainedGrant {
	family := p.vocab.Families[g.Family]
	e := ExplainedGrant{Rule: g.Rule(), Family: g.Family, Doc: family.Doc, Position: g.Position.String()}
	for i, name := range g.Functions {
		f := ExplainedFunction{Name: name, Effects: Function{}.effects(), Position: g.Position.String()}
		if g.open {
			f.Effects = unknownEffects
		}
		if i < len(g.Positions) {
			f.Position = g.Positions[i].String()
		}
		if function, ok := family.function(name); ok {
			f.Signature, f.Effects, f.Doc = function.Signature, function.effects(), function.Doc
		}
		e.Functions = append(e.Functions, f)
	}
	terms := p.explainTerms(g.Rule(), &g.Terms, now)
	var before []ExplainedTerm
	if len(terms) > 0 && terms[0].Key == "expires" {
		before, terms = terms[:1], terms[1:]
	}
	for i := range family.Scopes {
		if v, ok := g.Scope.Value(family.Scopes[i].Name); ok {
			before = append(before, explainScope(v))
		}
	}
	for _, c := range g.Conditions {
		before = append(before, explainCondition(c))
	}
	e.Terms = append(before, terms...)
	if e.Terms == nil {
		e.Terms = []ExplainedTerm{}
	}
	return e
}

func explainScope(v ScopeValue) ExplainedTerm {
	t := ExplainedTerm{Key: v.Key.Name, Text: v.Key.Name + " = " + v.String(), Value: v.String()}
	if v.Position.Line > 0 {
		t.Position = v.Position.String()
	}
	if (v.Key.Type.isList() || v.Key.Type == ScopeMap) && len(v.List)+len(v.Map) == 0 {
		t.Text = v.Key.Name + " permits none"
	}
	return t
}

// explainTerms puts the terms that are set into words.
func (p *Policy) explainTerms(rule string, t *Terms, now time.Time) []ExplainedTerm {
	list := []ExplainedTerm{}
	add := func(key, value, text string) {
		list = append(list, ExplainedTerm{Key: key, Text: text, Value: value, Position: p.where(rule + "." + key)})
	}
	if !t.Expires.IsZero() {
		date := t.Expires.Format(time.RFC3339)
		text := "until " + date
		if !now.IsZero() && !now.Before(t.Expires) {
			text = "expired on " + date + ": every call is denied"
		}
		add("expires", date, text)
	}
	if t.Calls > 0 {
		add("calls", printCount(t.Calls), "at most "+plural(t.Calls, "call")+" in a session")
	}
	if t.Rate.Calls > 0 {
		add("rate", quote(t.Rate.String()), fmt.Sprintf("at most %s in any %s, all sessions together", plural(t.Rate.Calls, "call"), printDuration(int64(t.Rate.Per))))
	}
	switch t.Approve {
	case ApproveOnce:
		add("approve", quote(t.Approve), "a human is asked at the first call of each function in a session")
	case ApproveAlways:
		add("approve", quote(t.Approve), "a human is asked at each call")
	}
	if t.Timeout > 0 {
		add("timeout", quote(printDuration(int64(t.Timeout))), "one call may take "+printDuration(int64(t.Timeout)))
	}
	if t.As != "" {
		add("as", quote(t.As), "in Python it is called "+t.As)
	}
	if t.Note != "" {
		add("note", quote(t.Note), "granted because: "+t.Note)
	}
	return list
}

// summary says in a few sentences what the agent may do.
func (p *Policy) summary(now time.Time) []string {
	var s []string
	switch n := len(p.Python.Imports); {
	case n == 0:
		s = append(s, "It may run Python, and import no module of the standard library.")
	default:
		text := "It may run Python, and import " + plural(int64(n), "module") + " of the standard library"
		if _, said := p.Where("python.imports"); !said {
			text += " (the base list)"
		}
		s = append(s, text+".")
	}
	for _, pack := range p.Python.Packages {
		s = append(s, "It may import the package "+pack.String()+".")
	}
	var pure, reading, writing, unknown []string
	for i := range p.Grants {
		g := &p.Grants[i]
		if !g.Expires.IsZero() && !now.IsZero() && !now.Before(g.Expires) {
			s = append(s, fmt.Sprintf("[%s] has expired on %s.", g.Rule(), g.Expires.Format(time.RFC3339)))
			continue
		}
		for _, name := range g.Functions {
			f, ok := p.vocab.function(g.Family, name)
			full := g.Family + "." + name
			switch {
			case g.open:
				unknown = append(unknown, full)
			case ok && f.Writes:
				writing = append(writing, full)
			case ok && f.Reads:
				reading = append(reading, full)
			default:
				pure = append(pure, full)
			}
		}
	}
	tell := func(names []string, what string) {
		if len(names) > 0 {
			s = append(s, fmt.Sprintf("It may call %s: %s.", what, some(names)))
		}
	}
	tell(pure, plural(int64(len(pure)), "function")+" without effects")
	tell(reading, plural(int64(len(reading)), "function")+" that can read from outside")
	tell(writing, plural(int64(len(writing)), "function")+" that can change things outside")
	tell(unknown, plural(int64(len(unknown)), "function")+" of which only who provides them knows what they do")
	if len(p.Tools) > 0 {
		names := make([]string, len(p.Tools))
		for i := range p.Tools {
			names[i] = p.Tools[i].Name
		}
		tell(names, plural(int64(len(names)), "tool")+" of plugins")
	}
	for i := range p.Servers {
		server := &p.Servers[i]
		s = append(s, fmt.Sprintf("It may call tools of the MCP server %s: %s.", server.Name, some(server.Functions)))
	}
	switch {
	case len(reading)+len(writing)+len(unknown)+len(p.Tools)+len(p.Servers) == 0:
		s = append(s, "It can reach nothing outside: no file, no network, no process.")
	default:
		s = append(s, "Nothing else outside can be reached.")
	}
	switch {
	case p.Audit.Log == LogNone:
		s = append(s, "Calls leave no record.")
	case p.Audit.Arguments == ArgumentsDigest:
		s = append(s, "Every call is recorded, with digests of its arguments.")
	case len(p.Audit.Redact) > 0:
		s = append(s, "Every call is recorded, with its arguments except "+some(p.Audit.Redact)+".")
	default:
		s = append(s, "Every call is recorded, with its arguments.")
	}
	if p.Base != nil {
		s = append(s, "The policy narrows "+printable(p.Base.File)+".")
	}
	return s
}

// some lists names, and says how many there are beyond those that somebody reads.
func some(names []string) string {
	const most = 8
	if len(names) <= most+1 {
		return strings.Join(names, ", ")
	}
	return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
}
