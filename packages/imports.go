package packages

import (
	"strings"
)

// scanImports calls found for each module that a Python source names in an import statement, wherever the statement is, and for
// each member that is taken from one: "from os import path" gives "os" and "os.path". Relative imports are passed over. It
// works on tokens and not on a syntax tree: what it finds decides what is in the guest's file system, and a name too many
// there does no harm.
func scanImports(source []byte, found func(name string)) {
	s := pythonScanner{text: string(source)}
	begin := true // of a statement
	for s.next() {
		switch {
		case begin && s.token == "import":
			for {
				name := s.dotted()
				if name == "" {
					break
				}
				found(name)
				if s.token == "as" {
					s.next()
					s.next()
				}
				if s.token != "," {
					break
				}
			}
		case begin && s.token == "from":
			if origin := s.dotted(); origin != "" && s.token == "import" {
				found(origin)
				s.members(origin, found)
			}
		case s.token == "import_module" || s.token == "__import__":
			if s.next() && s.token == "(" {
				s.next()
				if name := s.literal(); name != "" {
					found(name)
				}
			}
		}
		begin = s.token == "\n" || s.token == ";" || s.token == ":"
	}
}

// pythonScanner splits a Python source into tokens: names and numbers, strings, single other characters, and "\n" for the
// end of a logical line.
type pythonScanner struct {
	text     string
	token    string
	brackets int
}

func (s *pythonScanner) next() bool {
	for s.text != "" {
		switch c := s.text[0]; {
		case c == '\n' && s.brackets <= 0:
			s.take(1)
			return true
		case c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\n':
			s.text = s.text[1:]
		case c == '\\':
			s.text = strings.TrimPrefix(strings.TrimPrefix(s.text[1:], "\r"), "\n")
		case c == '#':
			end := strings.IndexByte(s.text, '\n')
			if end < 0 {
				end = len(s.text)
			}
			s.text = s.text[end:]
		case c == '"' || c == '\'':
			s.take(stringSize(s.text))
			return true
		case nameByte(c):
			size := 1
			for size < len(s.text) && nameByte(s.text[size]) {
				size++
			}
			if size <= 2 && size < len(s.text) && (s.text[size] == '"' || s.text[size] == '\'') && isPrefix(s.text[:size]) {
				s.text = s.text[size:] // f"", rb""
				continue
			}
			s.take(size)
			return true
		default:
			if c == '(' || c == '[' || c == '{' {
				s.brackets++
			} else if c == ')' || c == ']' || c == '}' {
				s.brackets--
			}
			s.take(1)
			return true
		}
	}
	s.token = ""
	return false
}

func (s *pythonScanner) take(size int) { s.token, s.text = s.text[:size], s.text[size:] }

func nameByte(c byte) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c >= 0x80
}

func isPrefix(s string) bool { return strings.Trim(strings.ToLower(s), "rbfut") == "" }

// stringSize is the length of the string literal that text begins with.
func stringSize(text string) int {
	quote := text[:1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(text, triple) {
		quote = triple
	}
	for i := len(quote); i < len(text); i++ {
		switch {
		case text[i] == '\\':
			i++
		case strings.HasPrefix(text[i:], quote):
			return i + len(quote)
		case text[i] == '\n' && len(quote) == 1:
			return i // it has no end: an error in Python
		}
	}
	return len(text)
}

// dotted reads a.b.c and leaves the token after it. It is empty for a relative name.
func (s *pythonScanner) dotted() string {
	var name strings.Builder
	for s.next() && s.token != "" && nameByte(s.token[0]) {
		if name.Len() > nameLimit {
			return ""
		}
		name.WriteString(s.token)
		if !s.next() || s.token != "." {
			break
		}
		name.WriteByte('.')
	}
	return strings.TrimSuffix(name.String(), ".")
}

// members reads what an import statement takes from a module.
func (s *pythonScanner) members(origin string, found func(string)) {
	s.next()
	if s.token == "(" {
		s.next()
	}
	for s.token != "" && nameByte(s.token[0]) {
		if len(s.token) <= nameLimit {
			found(origin + "." + s.token)
		}
		s.next()
		if s.token == "as" {
			s.next()
			s.next()
		}
		if s.token != "," {
			return
		}
		s.next()
	}
}

// literal is the text of the string that the token is, without escapes.
func (s *pythonScanner) literal() string {
	text := strings.Trim(s.token, `"'`)
	if len(s.token) < 2 || text == s.token || len(text) > nameLimit || strings.ContainsAny(text, "\\ ") || strings.HasPrefix(text, ".") {
		return ""
	}
	return text
}
