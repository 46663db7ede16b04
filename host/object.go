package host

import (
	"encoding/json"
	"fmt"
)

// readObject reads a JSON object that has exactly the given members, each once. Package json alone takes other
// spellings, repeated and missing members, which would be as many ways to say two things at once.
//
// It finds where each member's value ends and leaves the value to package json, which checks it: what is cut out wrongly is no
// valid value.
func readObject(data []byte, members map[string]any) error {
	s := scanner{data: data}
	if !s.take('{') {
		return fmt.Errorf("%w: not an object", errMalformed)
	}
	seen := make(map[string]bool, len(members))
	for first := true; !s.take('}'); first = false {
		if !first && !s.take(',') {
			return fmt.Errorf("%w: no comma at byte %d", errMalformed, s.at)
		}
		name, ok := s.name()
		target, known := members[name]
		if !ok || !known || seen[name] {
			return fmt.Errorf("%w: unknown or repeated member %.50q", errMalformed, name)
		}
		seen[name] = true
		value := s.value()
		if err := json.Unmarshal(value, target); err != nil {
			return fmt.Errorf("%w: member %q: %w", errMalformed, name, err)
		}
	}
	if s.space(); s.at < len(data) {
		return fmt.Errorf("%w: more after its end", errMalformed)
	}
	if len(seen) != len(members) {
		return fmt.Errorf("%w: a member is missing", errMalformed)
	}
	return nil
}

// A scanner finds the parts of a JSON object. It never reads beyond the data, whatever that is.
type scanner struct {
	data []byte
	at   int
}

func (s *scanner) space() {
	for s.at < len(s.data) && (s.data[s.at] == ' ' || s.data[s.at] == '\n' || s.data[s.at] == '\t' || s.data[s.at] == '\r') {
		s.at++
	}
}

func (s *scanner) take(c byte) bool {
	if s.space(); s.at == len(s.data) || s.data[s.at] != c {
		return false
	}
	s.at++
	return true
}

// name reads the name of a member and the colon. The names that are asked for have no escapes, so one with escapes is none of them.
func (s *scanner) name() (string, bool) {
	s.space()
	from := s.at
	s.text()
	if s.at-from < 2 {
		return "", false
	}
	name := string(s.data[from+1 : s.at-1])
	return name, s.take(':')
}

// text moves behind a string, if there is one.
func (s *scanner) text() {
	if s.at == len(s.data) || s.data[s.at] != '"' {
		return
	}
	for s.at++; s.at < len(s.data); s.at++ {
		switch s.data[s.at] {
		case '\\':
			s.at++
		case '"':
			s.at++
			return
		}
	}
	s.at = len(s.data)
}

// value is the bytes up to the comma or bracket behind the value.
func (s *scanner) value() []byte {
	s.space()
	from, depth := s.at, 0
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case '"':
			s.text()
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return s.data[from:s.at]
			}
		case ',':
			if depth == 0 {
				return s.data[from:s.at]
			}
		}
		s.at++
	}
	return s.data[from:]
}
