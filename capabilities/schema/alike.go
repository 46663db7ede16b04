package schema

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/internal/fold"
	"github.com/postern-sandbox/postern/values"
)

// What decides about a call looks at a member by its name. If the tool takes another name for the same one, as servers do that read JSON without regard to case, what it does is decided by what nobody
// has looked at. A name that is alike one which the schema has is therefore no name of something else, and two that are alike are not two.

// fold notes what the properties are alike.
func (s *shape) fold() {
	s.folded = make(map[string]string, len(s.properties))
	for _, p := range s.properties {
		s.folded[fold.Key(p.name)] = p.name
	}
}

// alike are names that were met, by their keys of package fold.
type alike map[string]string

// add notes a name with its key, and gives another that is alike it.
func (a *alike) add(name, key string) (other string, twice bool) {
	if *a == nil {
		*a = make(alike)
	}
	if other, twice = (*a)[key]; !twice {
		(*a)[key] = name
	}
	return other, twice
}

// field refuses an argument in **others that is, or could be taken for, a parameter or another argument.
func (a *alike) field(name string, f *Function) *mismatch {
	if len(f.folded) == 0 {
		return nil
	}
	key := fold.Key(name)
	if _, is := f.folded[key]; is {
		return &mismatch{class: "TypeError", text: "is given by another name"}
	}
	if other, twice := a.add(name, key); twice {
		return &mismatch{class: "TypeError", text: "could be taken for " + show(other)}
	}
	return nil
}

// distinct refuses members of an object that could be taken for others, by what any alternative of its schema has. It is asked before alternatives are tried: of two that fit, the tool may take either.
func (e *encoder) distinct(d *values.Dict, s *shape) *mismatch {
	if d.Len() == 0 {
		return nil
	}
	objects := e.objects(s, nil, nil)
	if objects == nil || !e.spend(0) {
		return nil // the next look sees whether there are steps left
	}
	var seen alike
	for k := range d.All() {
		name, _ := k.(string) // others are refused in any case
		if e.steps += len(objects); slices.ContainsFunc(objects, func(o *shape) bool { _, has := o.index[name]; return has }) {
			continue
		}
		if !e.spend(foldSteps(name)) {
			return tooMuch()
		}
		key := fold.Key(name)
		other, twice := seen.add(name, key)
		for _, o := range objects {
			if has, is := o.folded[key]; is && !twice {
				other, twice = has, true
			}
		}
		if twice {
			return &mismatch{class: "ValueError", say: func(m *mismatch) {
				m.text = "must not have " + show(name) + ", which could be taken for " + show(other)
			}}
		}
	}
	return nil
}

// foldSteps is what it counts for to fold a name: a byte of what is not ASCII takes as long as a look at a value.
func foldSteps(name string) int {
	const bytesPerStep = 64
	if strings.ContainsFunc(name, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return len(name)
	}
	return len(name) / bytesPerStep
}

// objects adds the objects with properties that a schema permits, in any alternative. seen are the unions that were looked at, nil for none.
func (e *encoder) objects(s *shape, list []*shape, seen map[*shape]bool) []*shape {
	e.steps++
	s, _ = s.resolved()
	if s.union == nil {
		if len(s.folded) > 0 {
			list = append(list, s)
		}
		return list
	}
	if seen == nil {
		seen = make(map[*shape]bool)
	}
	if seen[s] {
		return list
	}
	seen[s] = true
	for _, u := range s.union {
		list = e.objects(u, list, seen)
	}
	return list
}
