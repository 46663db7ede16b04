package mcpclient

import (
	"bytes"
	"encoding/json"
)

// maxSkipped is how many bytes of one message are passed over that is larger than it may be. A server that sends more is not heard any more.
const maxSkipped = 64 << 20

// A skipper finds out to which request a message is the answer that is too large to be kept: it looks at the message as it passes, for a member "id" of the object that it is, and keeps nothing else.
// It need not be right about what is no JSON: then the message is nobody's answer, or that of a request which the server can answer anyway.
type skipper struct {
	depth   int
	text    bool // inside a string
	escaped bool // after a backslash in it
	name    bool // what is read now is a member's name of the message itself
	ours    bool // the value of "id" is read now
	kept    []byte
	id      []byte // nil until it is there; as it is written
}

// pass looks at the next bytes.
func (s *skipper) pass(part []byte) {
	for _, c := range part {
		switch {
		case s.text:
			s.keep(c)
			switch {
			case s.escaped:
				s.escaped = false
			case c == '\\':
				s.escaped = true
			case c == '"':
				s.text = false
			}
		case c == '"':
			s.text = true
			s.keep(c)
		case c == '{' || c == '[':
			s.depth++
			s.kept, s.name = s.kept[:0], s.depth == 1
		case c == ':' && s.depth == 1:
			s.ours = s.id == nil && string(s.kept) == `"id"`
			s.kept, s.name = s.kept[:0], false
		case c == ',' || c == '}' || c == ']':
			if s.depth == 1 && s.ours {
				s.id = bytes.Clone(s.kept)
			}
			if s.depth == 1 {
				s.kept, s.name, s.ours = s.kept[:0], true, false
			}
			if c != ',' {
				s.depth--
			}
		case c != ' ' && c != '\t' && c != '\r' && c != '\n':
			s.keep(c)
		}
	}
}

// keep keeps what a name or an ID can have.
func (s *skipper) keep(c byte) {
	const most = 100
	if s.depth == 1 && (s.name || s.ours) && len(s.kept) < most {
		s.kept = append(s.kept, c)
	}
}

// answer is a response to the request in place of the message, nil if it is not known to which.
func (s *skipper) answer() []byte {
	if s.id == nil || !json.Valid(s.id) {
		return nil
	}
	return []byte(`{"jsonrpc":"2.0","id":` + string(s.id) + `,"error":{"code":0,"message":"the answer was too large"}}`)
}
