package capabilities

import (
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// Arguments are the arguments of a call, bound to the parameters of a signature.
type Arguments struct {
	signature *Signature
	values    []any  // one a parameter
	given     []bool // false where the default was taken
	call      *Call  // nil where there is none yet
}

// Scope gives the scope of the grant that the call was made under; see Call.
func (a Arguments) Scope() policies.Scope {
	if a.call == nil {
		return policies.Scope{}
	}
	return a.call.Scope
}

// Canonical gives what the family's Decide made of the arguments; see Call.
func (a Arguments) Canonical() any {
	if a.call == nil {
		return nil
	}
	return a.call.Canonical
}

// Session gives the session that makes the call; see Call.
func (a Arguments) Session() Session {
	if a.call == nil {
		return Session{}
	}
	return a.call.Session
}

// Lookup gives an argument, or its default, by the parameter's name: it implements policies.Arguments.
func (a Arguments) Lookup(name string) (any, bool) {
	i := a.signature.index(name)
	if i < 0 {
		return nil, false
	}
	p := &a.signature.parameters[i]
	return a.values[i], a.given[i] || p.HasDefault || p.Kind == Rest || p.Kind == RestKeywords
}

// HasParameter reports whether the function has a parameter of a name: see policies.Arguments.
func (a Arguments) HasParameter(name string) bool { return a.signature.index(name) >= 0 }

// At gives the argument of parameter i, its default when it was left out (nil when the default is "...").
// *args is a values.Tuple, **kwargs a *values.Dict.
func (a Arguments) At(i int) any { return a.values[i] }

// Given reports whether the caller gave the argument of parameter i.
func (a Arguments) Given(i int) bool { return a.given[i] }

// Get is At by the parameter's name. It panics when there is no such parameter, which is a mistake in the program.
func (a Arguments) Get(name string) any {
	i := a.signature.index(name)
	if i < 0 {
		panic(fmt.Sprintf("capabilities: no parameter %q in %s", name, a.signature))
	}
	return a.values[i]
}

// Rest gives the arguments of *args.
func (a Arguments) Rest() []any {
	if a.signature.rest < 0 {
		return nil
	}
	return a.values[a.signature.rest].(values.Tuple)
}

// Map gives the arguments by parameter name, defaults included; parameters left out whose default is "..." are not in it.
func (a Arguments) Map() map[string]any {
	m := make(map[string]any, len(a.values))
	for i, p := range a.signature.parameters {
		if a.given[i] || p.HasDefault || p.Kind == Rest || p.Kind == RestKeywords {
			m[p.Name] = a.values[i]
		}
	}
	return m
}

// Bind puts the arguments of a call to their parameters as Python does. A call that does not fit gives a *PythonError of
// type TypeError, in the words that CPython has for builtin functions if all parameters are positional-only, otherwise in
// those for functions written in Python.
func (s *Signature) Bind(family, function string, call *Call) (Arguments, error) {
	n := len(s.parameters)
	a := Arguments{signature: s, values: make([]any, n), given: make([]bool, n)}
	switch builtin := s.places > 0 && s.rest < 0 && s.parameters[s.places-1].Kind == PositionalOnly; {
	case s.keywords && builtin && s.required == s.places && len(call.Args) != s.places:
		return Arguments{}, Raise("TypeError", "%s() takes exactly %s (%d given)", function, count(s.places, "positional argument"), len(call.Args))
	case !s.keywords:
		if err := s.checkBuiltin(family, function, call); err != nil {
			return Arguments{}, err
		}
	}
	placed := min(len(call.Args), s.places)
	for i, v := range call.Args[:placed] {
		a.values[i], a.given[i] = v, true
	}
	if err := s.bindKeywords(a, function, call); err != nil {
		return Arguments{}, err
	}
	if s.rest >= 0 {
		a.values[s.rest] = values.Tuple(call.Args[placed:])
		a.given[s.rest] = len(call.Args) > placed
	} else if len(call.Args) > placed {
		return Arguments{}, s.tooMany(a, function, len(call.Args))
	}
	for i, p := range s.parameters {
		if !a.given[i] && p.HasDefault {
			a.values[i] = p.Default
		}
	}
	return a, s.checkMissing(a, function)
}

func (s *Signature) bindKeywords(a Arguments, function string, call *Call) error {
	var extra *values.Dict
	if s.restNames >= 0 {
		extra = new(values.Dict)
		a.values[s.restNames] = extra
		a.given[s.restNames] = true
	}
	var wrong []string
	for _, k := range call.Kwargs {
		i := s.index(k.Name)
		known := i >= 0 && (s.parameters[i].Kind == Positional || s.parameters[i].Kind == KeywordOnly)
		switch {
		case known && a.given[i]:
			return Raise("TypeError", "%s() got multiple values for argument '%s'", function, k.Name)
		case known:
			a.values[i], a.given[i] = k.Value, true
		case extra != nil:
			extra.SetString(k.Name, k.Value)
		case i >= 0 && s.parameters[i].Kind == PositionalOnly:
			wrong = append(wrong, k.Name)
		default:
			return Raise("TypeError", "%s() got an unexpected keyword argument '%s'", function, k.Name)
		}
	}
	if wrong != nil {
		return Raise("TypeError", "%s() got some positional-only arguments passed as keyword arguments: '%s'",
			function, strings.Join(wrong, ", "))
	}
	return nil
}

// checkBuiltin checks the number of arguments of a function without keywords.
func (s *Signature) checkBuiltin(family, function string, call *Call) error {
	got := len(call.Args)
	switch {
	case len(call.Kwargs) > 0:
		return Raise("TypeError", "%s.%s() takes no keyword arguments", family, function)
	case s.rest < 0 && s.places == 0 && got > 0:
		return Raise("TypeError", "%s.%s() takes no arguments (%d given)", family, function, got)
	case s.rest < 0 && s.places == 1 && s.required == 1 && got != 1:
		return Raise("TypeError", "%s.%s() takes exactly one argument (%d given)", family, function, got)
	case s.rest < 0 && s.required == s.places && got != s.places:
		return Raise("TypeError", "%s expected %s, got %d", function, count(s.places, "argument"), got)
	case got < s.required:
		return Raise("TypeError", "%s expected at least %s, got %d", function, count(s.required, "argument"), got)
	case s.rest < 0 && got > s.places:
		return Raise("TypeError", "%s expected at most %s, got %d", function, count(s.places, "argument"), got)
	}
	return nil
}

func (s *Signature) tooMany(a Arguments, function string, got int) error {
	takes := count(s.places, "positional argument")
	if s.required < s.places {
		takes = fmt.Sprintf("from %d to %s", s.required, count(s.places, "positional argument"))
	}
	was := "were"
	if got == 1 {
		was = "was"
	}
	names := 0
	for i, p := range s.parameters {
		if p.Kind == KeywordOnly && a.given[i] {
			names++
		}
	}
	if names > 0 {
		return Raise("TypeError", "%s() takes %s but %s (and %s) were given", function, takes,
			count(got, "positional argument"), count(names, "keyword-only argument"))
	}
	return Raise("TypeError", "%s() takes %s but %d %s given", function, takes, got, was)
}

func (s *Signature) checkMissing(a Arguments, function string) error {
	var places, names []string
	for i, p := range s.parameters {
		switch {
		case a.given[i] || p.Optional:
		case p.Kind == KeywordOnly:
			names = append(names, "'"+p.Name+"'")
		default:
			places = append(places, "'"+p.Name+"'")
		}
	}
	if places != nil {
		return Raise("TypeError", "%s() missing %s: %s", function, count(len(places), "required positional argument"), list(places))
	}
	if names != nil {
		return Raise("TypeError", "%s() missing %s: %s", function, count(len(names), "required keyword-only argument"), list(names))
	}
	return nil
}

func count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// list joins names as CPython does: 'a', 'b', and 'c'.
func list(names []string) string {
	switch n := len(names); n {
	case 1:
		return names[0]
	case 2:
		return names[0] + " and " + names[1]
	default:
		return strings.Join(names[:n-1], ", ") + ", and " + names[n-1]
	}
}
