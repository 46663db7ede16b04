package schema

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A mismatch says how a value differs from its schema, for a caller in Python and for a tool's author.
type mismatch struct {
	class string // the exception
	parts []any  // the way from the argument, or the answer, to it: names and indices, the last first
	text  string // "must be str, not int"

	// The same of an answer: "a number", "a string"; or what is wrong in other words.
	got, want string
	other     string

	// say sets what is said above, but the class, once somebody wants to read it; it may be nil. Of the many alternatives of a hostile schema each can fail, and to
	// put that into words takes longer than to find it out.
	say func(m *mismatch)
}

// said is the mismatch in words.
func (m *mismatch) said() *mismatch {
	if say := m.say; say != nil {
		m.say = nil
		say(m)
	}
	return m
}

// in adds the step to a member, by its name, or to an item of a list, by its index, to the front of the way. Of a long one it has the end.
func (m *mismatch) in(step any) *mismatch {
	const most = 200
	if len(m.parts) < most {
		m.parts = append(m.parts, step)
	}
	return m
}

// path is the way in words: "['rows'][3]".
func (m *mismatch) path() string {
	const most = 500
	path := ""
	for _, part := range m.parts {
		if len(path) >= most {
			break
		}
		path = "[" + show(part) + "]" + path
	}
	return path
}

// answer is the mismatch of a tool's answer in words.
func (m *mismatch) answer() string {
	text := m.said().other
	if text == "" {
		text = "answered " + m.got
	}
	if path := m.path(); path != "" {
		text += " at " + path
	}
	if m.want != "" {
		text += " where its schema says " + m.want
	}
	return text
}

// jsonWords names what a schema permits as JSON has it.
func (s *shape) jsonWords() string {
	s, nullable := s.only()
	if s.union != nil {
		return "something else"
	}
	var parts []string
	for _, k := range []struct {
		kinds kinds
		name  string
	}{{kString, "a string"}, {kFloat, "a number"}, {kInt, "an integer"}, {kBool, "a boolean"}, {kList, "an array"}, {kObject, "an object"}, {kNull, "null"}} {
		if s.kinds&k.kinds == 0 && (k.kinds != kNull || !nullable) || k.kinds == kInt && s.kinds&kFloat != 0 {
			continue
		}
		parts = append(parts, k.name)
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, " or ")
}

// attempts are the mismatches of a value with the alternatives of a union.
type attempts struct {
	last  *mismatch // with one that is more than null
	count int       // of such
	types bool      // all were of the wrong type
}

func (a *attempts) add(u *shape, m *mismatch) {
	if to, _ := u.resolved(); to.union == nil && to.kinds == kNull {
		return
	}
	a.types = (a.count == 0 || a.types) && m.class == "TypeError" && len(m.parts) == 0
	a.last = m
	a.count++
}

// only gives what is wrong when there was but one alternative to null.
func (a *attempts) only() *mismatch {
	if a.count == 1 {
		return a.last
	}
	return nil
}

// checkEnum compares a value with the enum.
func (s *shape) checkEnum(v any) *mismatch {
	if s.enum == nil || s.among[enumKey(v)] {
		return nil
	}
	return &mismatch{class: "ValueError", say: func(m *mismatch) {
		const most = 12
		var names []string
		for i, e := range s.enum {
			if i == most {
				names = append(names, "…")
				break
			}
			names = append(names, show(e))
		}
		one := strings.Join(names, ", ")
		if len(s.enum) > 1 {
			one = "one of " + one
		}
		m.text, m.got, m.want = "must be "+one+", not "+show(v), show(v), one
	}}
}

// A numberKey is a number as the key of a set.
type numberKey string

// enumKey is what equal values have in common. They are equal as in JSON: 1 is 1.0, and true is not 1.
func enumKey(v any) any {
	switch v := v.(type) {
	case nil, bool, string:
		return v
	}
	switch v := v.(type) {
	case int64:
		return numberKey(strconv.FormatInt(v, 10))
	case float64:
		if isSmall(v) {
			return numberKey(strconv.FormatInt(int64(v), 10))
		}
	case *big.Int:
		if v.BitLen() > maxBits {
			return numberKey("") // it is in no schema, and to write it down takes long
		}
	}
	if r, ok := ratOf(v); ok {
		return numberKey(r.RatString())
	}
	return numberKey("") // no number of JSON
}

// isSmall reports whether a float is an int of 64 bits exactly.
func isSmall(v float64) bool { return v == math.Trunc(v) && math.Abs(v) < 1<<53 }

func ratOf(v any) (*big.Rat, bool) {
	switch v := v.(type) {
	case int64:
		return new(big.Rat).SetInt64(v), true
	case *big.Int:
		return new(big.Rat).SetInt(v), true
	case float64:
		if r := new(big.Rat).SetFloat64(v); r != nil {
			return r, true
		}
	}
	return nil, false
}

// checkNumber compares a number with the bounds.
func (s *shape) checkNumber(v any) *mismatch {
	for i, b := range []*bound{s.least, s.most} {
		if b == nil {
			continue
		}
		order, ok := b.compare(v)
		if i == 0 {
			order = -order
		}
		if !ok || order > 0 || order == 0 && b.past {
			return &mismatch{class: "ValueError", say: func(m *mismatch) {
				words := [][2]string{{"at least", "more than"}, {"at most", "less than"}}[i]
				limit := b.words(words[0], words[1])
				m.text, m.got, m.want = "must be "+limit+", not "+show(v), show(v), limit
			}}
		}
	}
	return nil
}

// compare gives the order of v and the bound; false for what is no finite number.
func (b *bound) compare(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		if b.fits {
			switch {
			case v < b.small:
				return -1, true
			case v > b.small:
				return 1, true
			}
			return 0, true
		}
	case float64:
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			return 0, false
		case v == b.float:
			return b.order, true
		case v < b.float: // no other is as near to the bound, so what is less than the one is less than the other
			return -1, true
		}
		return 1, true
	}
	r, ok := ratOf(v)
	if !ok {
		return 0, false
	}
	return r.Cmp(b.value), true
}

// checkLength compares a length with the bounds; noun is what is counted.
func (s *shape) checkLength(n int, noun string) *mismatch {
	limit := ""
	switch {
	case s.minLength >= 0 && n < s.minLength:
		limit = "at least " + strconv.Itoa(s.minLength) + " " + noun
	case s.maxLength >= 0 && n > s.maxLength:
		limit = "at most " + strconv.Itoa(s.maxLength) + " " + noun
	default:
		return nil
	}
	return &mismatch{class: "ValueError", text: "must have " + limit + ", not " + strconv.Itoa(n), got: strconv.Itoa(n) + " " + noun, want: limit}
}

func (s *shape) checkString(v string) *mismatch {
	if m := s.checkEnum(v); m != nil {
		return m
	}
	if s.minLength < 0 && s.maxLength < 0 {
		return nil
	}
	return s.checkLength(utf8.RuneCountInString(v), "characters")
}

// member gives the shape of an object's member, nil for anything; known is false where there is no such member.
func (s *shape) member(name string) (of *shape, known bool) {
	if i, ok := s.index[name]; ok {
		return s.properties[i].shape, true
	}
	return s.additional, !s.closed
}

// unknownMember is the mismatch of a member that a schema does not have.
func (s *shape) unknownMember(name string) *mismatch {
	return &mismatch{class: "ValueError", say: func(m *mismatch) {
		const most = 12
		var names []string
		for i, p := range s.properties {
			if i == most {
				names = append(names, "…")
				break
			}
			names = append(names, show(p.name))
		}
		has := "nothing"
		if names != nil {
			has = strings.Join(names, ", ")
		}
		m.text, m.other = "must not have "+show(name)+"; it has "+has, "answered an unknown member "+show(name)
	}}
}

// lacking gives the first required member that is not there.
func (s *shape) lacking(has func(name string) bool) *mismatch {
	for _, name := range s.required {
		if !has(name) {
			return &mismatch{class: "ValueError", say: func(m *mismatch) {
				m.text, m.other = "must have "+show(name), "answered without "+show(name)+", which its schema requires"
			}}
		}
	}
	return nil
}
