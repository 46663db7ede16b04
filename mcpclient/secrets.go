package mcpclient

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"github.com/postern-sandbox/postern/internal/scrub"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

// What is looked for of a server's secrets, so that to look for it takes a bounded time and memory.
const (
	keptValues  = 3        // of one variable: a host can have another value for it each time that the server is started
	longestPart = 1 << 10  // bytes that are looked for as one; longer values are parts, one after the other
	leastLine   = 16       // bytes of a line of a value that is looked for alone
	encodedMost = 64 << 10 // bytes of all values that are looked for in other encodings too
)

// secrets are the values that a server is given by env_from and headers_from. What it says of them is told nobody: where one stands, the variable's name comes. A server that means to give a
// secret away can write it otherwise.
type secrets struct {
	names []string // of the variables

	mu      sync.Mutex
	handed  map[string][][]string // by variable, the parts of its last values
	replace *scrub.Replacer       // of handed, once it is needed; nil when there is nothing to take out
	stale   bool                  // handed has changed since
}

func newSecrets(server *policies.Server) *secrets {
	s := &secrets{names: slices.Clone(server.EnvFrom), handed: make(map[string][][]string)}
	for _, text := range server.HeadersFrom {
		if source, ok := policies.ParseHeaderSource(text); ok {
			s.names = append(s.names, source.Variable)
		}
	}
	return s
}

// watch gives a look-up of variables that notes what is handed on: nothing else is.
func (s *secrets) watch(lookup func(string) (string, bool)) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := lookup(name)
		if ok && slices.Contains(s.names, name) {
			s.add(name, strings.TrimSpace(value))
		}
		return value, ok
	}
}

// add notes a value. A short one is a word that is said anyway, and a path that is there is no secret: a server of files says little else.
func (s *secrets) add(name, value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(value) < scrub.Least || isPath(value) {
		return
	}
	list, made := s.handed[name], parts(value)
	if slices.ContainsFunc(list, func(kept []string) bool { return slices.Equal(kept, made) }) {
		return
	}
	list = append(list, made)
	s.handed[name], s.stale = list[max(len(list)-keptValues, 0):], true
}

// replacer gives what takes the secrets out.
func (s *secrets) replacer() *scrub.Replacer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stale {
		return s.replace
	}
	var pairs [][2]string
	left := encodedMost
	for _, name := range slices.Sorted(maps.Keys(s.handed)) {
		for _, part := range slices.Concat(s.handed[name]...) {
			forms := []string{part}
			if left -= len(part); left >= 0 {
				forms = scrub.Forms(part)
			}
			for _, form := range forms {
				pairs = append(pairs, [2]string{form, name})
			}
		}
	}
	s.replace, s.stale = scrub.NewReplacer(pairs), false
	return s.replace
}

// isPath reports whether a value is a path of this machine, or a list of such.
func isPath(value string) bool {
	return !slices.ContainsFunc(filepath.SplitList(value), func(path string) bool {
		_, err := os.Lstat(path)
		return err != nil || !filepath.IsAbs(path)
	})
}

// parts are the texts that would give a value away: itself, its lines, and the password in it, where it is a credential of HTTP ("Basic dXNlcjpwYXNz", "Bearer abc") or a URL.
func parts(value string) (list []string) {
	add := func(text string) {
		// Parts of about the same length: none is too short.
		for n := (len(text) + longestPart - 1) / longestPart; n > 0; n-- {
			part := text[:len(text)/n]
			list, text = append(list, part), text[len(part):]
		}
	}
	add(value)
	lines := strings.Split(value, "\n")
	if len(lines) > 1 {
		for _, line := range lines {
			if line = strings.TrimSpace(line); len(line) >= leastLine {
				add(line)
			}
		}
		return list
	}
	words := []string{value}
	if _, word, ok := strings.Cut(value, " "); ok {
		words = append(words, word)
		add(word)
	}
	for _, word := range words {
		plain, err := base64.StdEncoding.DecodeString(word)
		if user, password, ok := strings.Cut(string(plain), ":"); err == nil && ok && isPrint(user+password) {
			add(string(plain))
			add(password)
		}
	}
	if u, err := url.Parse(value); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			add(password)
		}
	}
	return list
}

func isPrint(text string) bool {
	return utf8.ValidString(text) && !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}

// text takes the secrets out of a text. It has to be whole: of one that was cut, a part of a secret stays.
func (s *secrets) text(text string) string { return s.replacer().Text(text) }

// A cleaned error says what another says, without secrets.
type cleaned struct {
	error
	text string
}

func (c *cleaned) Error() string { return c.text }
func (c *cleaned) Unwrap() error { return c.error }

// error takes the secrets out of what an error says.
func (s *secrets) error(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if clean := s.text(text); clean != text {
		return &cleaned{err, clean}
	}
	return err
}

var errOneName = errors.New("two members have one name, when the secrets are taken out of them")

// value takes the secrets out of a value that was read of JSON, by package values or by encoding/json, and that nobody else has: it may be changed. The error is for members that have one name then.
func (s *secrets) value(v any) (any, error) {
	if r := s.replacer(); r != nil {
		return clean(r, v)
	}
	return v, nil
}

func clean(r *scrub.Replacer, v any) (any, error) {
	switch v := v.(type) {
	case string:
		return r.Text(v), nil
	case values.Bytes:
		return values.Bytes(r.Text(string(v))), nil
	case values.List:
		return v, cleanItems(r, v)
	case *values.Dict:
		made := values.NewDict(v.Len())
		for k, item := range v.All() {
			key, err := clean(r, k)
			if err != nil {
				return nil, err
			}
			if _, twice := made.Get(key); twice {
				return nil, errOneName
			}
			if item, err = clean(r, item); err != nil {
				return nil, err
			}
			if err := made.Set(key, item); err != nil {
				return nil, err
			}
		}
		return made, nil
	case map[string]any:
		made := make(map[string]any, len(v))
		for key, item := range v {
			key = r.Text(key)
			if _, twice := made[key]; twice {
				return nil, errOneName
			}
			item, err := clean(r, item)
			if err != nil {
				return nil, err
			}
			made[key] = item
		}
		return made, nil
	}
	return v, nil
}

func cleanItems(r *scrub.Replacer, items []any) (err error) {
	for i, item := range items {
		if items[i], err = clean(r, item); err != nil {
			return err
		}
	}
	return nil
}

// tool takes the secrets out of what a tool says of itself. A schema that is too long, or no JSON, stays: such a tool cannot be used, and is told by its name alone.
func (s *secrets) tool(d described) (described, error) {
	if s.replacer() == nil {
		return d, nil
	}
	d.Name, d.Description = s.text(d.Name), s.text(d.Description)
	for _, text := range []*json.RawMessage{&d.InputSchema, &d.OutputSchema} {
		if *text == nil {
			continue
		}
		v, err := readSchema(*text)
		if err != nil {
			continue
		}
		if v, err = s.value(v); err != nil {
			return d, err
		}
		if *text, err = encode(v); err != nil {
			return d, err
		}
	}
	return d, nil
}
