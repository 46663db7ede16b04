package main

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// policy writes the smallest policy that permits what was tried. Whatever the program chose is quoted or made visible.
func (l *learner) policy() ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Learned from %s: the smallest policy that permits what it tried.\n", visibleName(l.program.name))
	b.WriteString("# Read it before you use it. The program chose what it tried, and what it did not come to is not here.\n\n")
	fmt.Fprintf(&b, "policy = 1\nname = %s\n\n", strconv.Quote(l.program.policyName()))
	fmt.Fprintf(&b, "[limits]\nhost_calls = %d # as many as it made; more?\n\n", max(l.result.Usage.HostCalls, 1))
	fmt.Fprintf(&b, "[python]\nimports = [%s]\n", quoted(l.imports))
	for _, name := range slices.Sorted(maps.Keys(l.functions)) {
		if l.base.tool(name) == nil && l.base.server(name) == nil {
			b.WriteString("\n" + l.grant(name))
			continue
		}
		table, err := l.base.learned(l, name)
		if err != nil {
			return nil, err
		}
		b.WriteString("\n" + table)
	}
	return policies.Format(l.program.policyName()+".toml", []byte(b.String()), l.vocab)
}

// grant writes the grant of a family.
func (l *learner) grant(name string) string {
	called, family := l.functions[name], l.vocab.Families[name]
	functions := slices.Sorted(maps.Keys(called))
	var b strings.Builder
	if len(functions) == 0 {
		functions = []string{family.Functions[0].Name}
		fmt.Fprintf(&b, "# The program imports %s and calls no function of it. A grant must name one.\n", name)
	}
	reads, writes, calls := false, false, 0
	for _, f := range family.Functions {
		if called[f.Name] > 0 {
			reads, writes, calls = reads || f.Reads, writes || f.Writes, calls+called[f.Name]
		}
	}
	tried := slices.DeleteFunc(slices.Clone(l.calls), func(t triedCall) bool { return t.tool != "" || t.family != name })
	b.WriteString(listTried(tried))
	fmt.Fprintf(&b, "[grant.%s]\nfunctions = [%s]\n", name, quoted(functions))
	scope, questions := l.scope(name, tried)
	b.WriteString(scope)
	if reads || writes {
		fmt.Fprintf(&b, "calls = %d # as many as it made; more?\n", calls)
	}
	if writes {
		b.WriteString("approve = \"once\" # it can change things: may it without a human?\n")
	}
	b.WriteString(questions)
	return b.String()
}

// listTried lists calls in comments.
func listTried(tried []triedCall) string {
	var b strings.Builder
	for i, call := range tried {
		if i == 0 {
			b.WriteString("# It tried, or called:\n")
		}
		if i == 10 {
			fmt.Fprintf(&b, "#   and %d more\n", len(tried)-i)
			break
		}
		fmt.Fprintf(&b, "#   %s\n", visibleName(call.String()))
	}
	return b.String()
}

// scope finds values of a family's own keys that permit what was tried, and no more: it asks the family about lists
// of the very strings that the program gave. questions are comments with wider values, and what was not found.
func (l *learner) scope(name string, tried []triedCall) (toml, questions string) {
	family := l.vocab.Families[name]
	if family.Decide == nil || len(family.Scopes) == 0 {
		return "", ""
	}
	var calls []policies.ScopedCall
	var shown []string
	for _, t := range tried {
		if bound, ok := l.bind(&t); ok {
			calls = append(calls, policies.ScopedCall{Function: t.function, Arguments: bound})
			shown = append(shown, t.String())
		}
	}
	s := &scopeSearch{family: family, given: l.given(name), lists: map[string][]string{}}
	s.collect(tried)
	permitted := s.permitted(calls)
	s.shrink(calls, permitted)
	permitted = s.takeGiven(calls, permitted)
	toml = s.toml()
	var b strings.Builder
	for i, ok := range permitted {
		if !ok {
			fmt.Fprintf(&b, "# These keys do not permit it yet: %s\n", visibleName(shown[i]))
		}
	}
	for i := range family.Scopes {
		k := &family.Scopes[i]
		if s.lists[k.Name] == nil && !s.whole[k.Name] && k.Required != "" && (s.given[k.Name] == "" || isList(k.Type)) {
			fmt.Fprintf(&b, "# %s is an example. %s\n", k.Name, k.Doc)
		}
		if k.Type == policies.ScopeURLs {
			for _, wider := range widerURLs(s.lists[k.Name]) {
				fmt.Fprintf(&b, "# Wider? %s = [%s]\n", k.Name, strconv.Quote(wider))
			}
		}
	}
	return toml, b.String()
}

func (l *learner) bind(t *triedCall) (policies.Arguments, bool) {
	for _, f := range l.vocab.Families[t.family].Functions {
		if f.Name == t.function && f.Bind != nil {
			bound, err := f.Bind(t.written.Args, t.written.Kwargs)
			return bound, err == nil
		}
	}
	return nil, false
}

// A scopeSearch looks for the smallest lists of a family's keys.
type scopeSearch struct {
	family policies.Family
	given  map[string]string   // values of other keys, in TOML
	lists  map[string][]string // of the keys that are lists
	whole  map[string]bool     // lists that are what was given
}

// collect puts into each list the strings of all calls that it takes.
func (s *scopeSearch) collect(calls []triedCall) {
	var texts []string
	for _, t := range calls {
		for _, v := range t.written.Args {
			texts = appendTexts(texts, v)
		}
		for _, k := range t.written.Kwargs {
			texts = appendTexts(texts, k.Value)
		}
	}
	for i := range s.family.Scopes {
		k := &s.family.Scopes[i]
		if !isList(k.Type) {
			continue
		}
		for _, text := range texts {
			if k.Type != policies.ScopeStrings {
				text, _, _ = strings.Cut(text, "?")
				text, _, _ = strings.Cut(text, "#")
				if strings.ContainsAny(text, "*[]{}\\") {
					continue // it would be a pattern, and permit more than was tried
				}
			}
			one := &scopeSearch{family: s.family, given: s.given, lists: map[string][]string{k.Name: {text}}}
			if _, err := policies.ParseScope(s.family.Scopes, one.toml()); err == nil && !slices.Contains(s.lists[k.Name], text) {
				s.lists[k.Name] = append(s.lists[k.Name], text)
			}
		}
	}
}

func isList(t policies.ScopeType) bool {
	return t == policies.ScopeStrings || t == policies.ScopePaths || t == policies.ScopeURLs
}

// appendTexts adds a string, or those in a list or dict.
func appendTexts(texts []string, v any) []string {
	const most = 200
	switch v := v.(type) {
	case string:
		if len(texts) < most {
			texts = append(texts, v)
		}
	case values.List:
		for _, item := range v {
			texts = appendTexts(texts, item)
		}
	case *values.Dict:
		for key, item := range v.All() {
			texts = appendTexts(appendTexts(texts, key), item)
		}
	}
	return texts
}

// toml writes the keys. Those that are no lists have what was given or, if they are needed, the family's example.
func (s *scopeSearch) toml() string {
	var b strings.Builder
	for i := range s.family.Scopes {
		k := &s.family.Scopes[i]
		switch list := s.lists[k.Name]; {
		case s.whole[k.Name]:
			fmt.Fprintf(&b, "%s = %s\n", k.Name, s.given[k.Name])
		case len(list) > 0:
			fmt.Fprintf(&b, "%s = [%s]\n", k.Name, quoted(list))
		case s.given[k.Name] != "" && !isList(k.Type):
			fmt.Fprintf(&b, "%s = %s\n", k.Name, s.given[k.Name])
		case k.Required != "":
			fmt.Fprintf(&b, "%s = %s\n", k.Name, k.Example)
		}
	}
	return b.String()
}

// permitted asks the family about each call.
func (s *scopeSearch) permitted(calls []policies.ScopedCall) []bool {
	answers := make([]bool, len(calls))
	scope, err := policies.ParseScope(s.family.Scopes, s.toml())
	if err != nil {
		return answers
	}
	for i, call := range calls {
		call.Scope = scope
		answers[i] = s.ask(call)
	}
	return answers
}

func (s *scopeSearch) ask(call policies.ScopedCall) (allow bool) {
	defer func() {
		if recover() != nil {
			allow = false
		}
	}()
	return s.family.Decide(call).Allow
}

// shrink takes out of the lists what no call needs.
func (s *scopeSearch) shrink(calls []policies.ScopedCall, permitted []bool) {
	for _, name := range slices.Sorted(maps.Keys(s.lists)) {
		full := s.lists[name]
		delete(s.lists, name)
		if slices.Equal(s.permitted(calls), permitted) && !s.required(name) {
			continue
		}
		kept := slices.Clone(full)
		for _, text := range full {
			s.lists[name] = slices.DeleteFunc(slices.Clone(kept), func(other string) bool { return other == text })
			if len(s.lists[name]) > 0 && slices.Equal(s.permitted(calls), permitted) {
				kept = s.lists[name]
			}
		}
		s.lists[name] = kept
	}
}

// takeGiven takes over the lists that were given with --allow where what was found does not permit a call that they permit.
func (s *scopeSearch) takeGiven(calls []policies.ScopedCall, permitted []bool) []bool {
	s.whole = map[string]bool{}
	for i := range s.family.Scopes {
		k := &s.family.Scopes[i]
		if !slices.Contains(permitted, false) || s.given[k.Name] == "" || !isList(k.Type) {
			continue
		}
		s.whole[k.Name] = true
		if better := s.permitted(calls); count(better) > count(permitted) {
			permitted = better
		} else {
			delete(s.whole, k.Name)
		}
	}
	return permitted
}

func count(answers []bool) (n int) {
	for _, yes := range answers {
		if yes {
			n++
		}
	}
	return n
}

func (s *scopeSearch) required(name string) bool {
	return slices.ContainsFunc(s.family.Scopes, func(k policies.ScopeKey) bool { return k.Name == name && k.Required != "" })
}

// widerURLs are patterns around URLs, the widest first.
func widerURLs(exact []string) []string {
	var hosts, folders []string
	for _, text := range exact {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			continue
		}
		hosts = append(hosts, u.Scheme+"://"+u.Host+"/**")
		if i := strings.LastIndexByte(u.Path, '/'); i > 0 {
			folders = append(folders, u.Scheme+"://"+u.Host+u.Path[:i]+"/**")
		}
	}
	all := append(hosts, folders...)
	var once []string
	for _, pattern := range all {
		if !slices.Contains(once, pattern) {
			once = append(once, pattern)
		}
	}
	return once
}
