package http

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// A secret is one entry of the key secrets: a header that the host adds to the requests for some URLs.
type secret struct {
	header   string
	scheme   string // "Bearer": what stands before the value, may be empty
	variable string // of the host's environment
	urls     []policies.Pattern
}

var secretGrammar = regexp.MustCompile(`^(?:([A-Za-z][A-Za-z0-9-]{0,30}) )?env:([A-Za-z_][A-Za-z0-9_]{0,200})(?: for (\S+))?$`)

const secretForm = `write "env:NAME", "Bearer env:NAME", or "env:NAME for https://api.example.com/**"; several with ", " between`

// parseSecrets reads the value of an entry. A secret that does not say for which URLs has nil for them.
func parseSecrets(header, text string) ([]secret, error) {
	var list []secret
	for part := range strings.SplitSeq(text, ", ") {
		m := secretGrammar.FindStringSubmatch(part)
		if m == nil {
			return nil, errors.New("is not a secret")
		}
		s := secret{header: header, scheme: m[1], variable: m[2]}
		if m[3] != "" {
			p, err := policies.ParseURL(m[3])
			if err != nil {
				return nil, err
			}
			s.urls = []policies.Pattern{p}
		}
		list = append(list, s)
	}
	return list, nil
}

func checkSecret(text string) (offset int, message, hint string) {
	if _, err := parseSecrets("", text); err != nil {
		return 0, strings.TrimPrefix(err.Error(), "policies: "), secretForm
	}
	return 0, "", ""
}

// secretsOf gives the secrets of a grant. A secret that does not say for which URLs is for all that the grant permits, if they are
// all of one host: a token must not go to whatever host a wildcard matches.
func secretsOf(scope policies.Scope) ([]secret, error) {
	var all []secret
	entries := scope.Map("secrets")
	for _, header := range slices.Sorted(maps.Keys(entries)) {
		list, err := parseSecrets(header, entries[header])
		if err != nil {
			return nil, fmt.Errorf("secrets.%s %w", header, err)
		}
		for _, s := range list {
			if s.urls == nil {
				if !oneOrigin(scope.Patterns("urls")) {
					return nil, fmt.Errorf("secrets.%s must say for which URLs it is, since urls permits several hosts", header)
				}
				s.urls = scope.Patterns("urls")
			}
			all = append(all, s)
		}
	}
	return all, nil
}

func oneOrigin(patterns []policies.Pattern) bool {
	first := ""
	for i, p := range patterns {
		scheme, rest, _ := strings.Cut(p.String(), "://")
		authority, _, _ := strings.Cut(rest, "/")
		if origin := scheme + "://" + authority; strings.Contains(origin, "*") || i > 0 && origin != first {
			return false
		} else {
			first = origin
		}
	}
	return len(patterns) > 0
}

// leastSecret is how long a secret must be: a shorter one cannot be told from other text, and so not be scrubbed.
const leastSecret = 8

// value gives what is sent, and the part of it that is secret.
func (s *secret) value(environment func(string) (string, bool)) (sent, bare string, err error) {
	bare, ok := environment(s.variable)
	bare = strings.TrimSpace(bare)
	switch {
	case !ok || bare == "":
		return "", "", capabilities.Raise("RuntimeError", "the secret for the header %s is not set in the host's environment (%s)", s.header, s.variable)
	case len(bare) < leastSecret:
		return "", "", capabilities.Raise("RuntimeError", "the secret for the header %s (%s) is shorter than %d characters", s.header, s.variable, leastSecret)
	case strings.ContainsFunc(bare, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", "", capabilities.Raise("RuntimeError", "the secret for the header %s (%s) has a character that no header can have", s.header, s.variable)
	}
	if s.scheme != "" {
		return s.scheme + " " + bare, bare, nil
	}
	return bare, bare, nil
}

// scrubbed stands where a secret was. It is not longer than any secret.
const scrubbed = "[secret]"

// A scrubber takes secrets out of what goes to the guest: as they are, and in the encodings in which servers show a request's
// headers. A server that is given a secret can write it in ways that nobody foresees.
type scrubber struct {
	needles []string
	replace *strings.Replacer
}

// newScrubber makes a scrubber for the secrets of a grant that are set, whichever of them are sent.
func newScrubber(secrets []secret, environment func(string) (string, bool)) *scrubber {
	s := new(scrubber)
	for i := range secrets {
		_, bare, err := secrets[i].value(environment)
		if err != nil {
			continue // it is never sent
		}
		s.add(bare)
		// "Basic dXNlcjpwYXNz", "Bearer abc" in the variable itself: the second word is the secret.
		if _, word, ok := strings.Cut(bare, " "); ok {
			s.add(word)
		}
	}
	// The longest first, of those that begin at the same place.
	slices.SortStableFunc(s.needles, func(a, b string) int { return len(b) - len(a) })
	var pairs []string
	for _, needle := range s.needles {
		pairs = append(pairs, needle, scrubbed)
	}
	s.replace = strings.NewReplacer(pairs...)
	return s
}

func (s *scrubber) add(text string) {
	if len(text) < leastSecret {
		return
	}
	marshalled, _ := json.Marshal(text)
	wide := make([]byte, 0, 2*len(text))
	for i := range len(text) {
		wide = append(wide, text[i], 0)
	}
	forms := []string{
		text, strings.ToLower(text), strings.ToUpper(text),
		url.QueryEscape(text), url.PathEscape(text), lowerHex(url.QueryEscape(text)), lowerHex(url.PathEscape(text)),
		html.EscapeString(text), strings.ReplaceAll(html.EscapeString(text), "&#34;", "&quot;"),
		hex.EncodeToString([]byte(text)), strings.ToUpper(hex.EncodeToString([]byte(text))),
		string(wide), "\x00" + string(wide[:len(wide)-1]),
	}
	for _, quoted := range []string{string(marshalled[1 : len(marshalled)-1]), strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text)} {
		forms = append(forms, quoted, strings.ReplaceAll(quoted, "/", `\/`))
	}
	// In base64 a text has three forms, by how many bytes stand before it. The characters at the ends, which hold bits of what is
	// around it, are left out.
	for before := range 3 {
		padded := append(make([]byte, before), text...)
		for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			whole := encoding.EncodeToString(padded)
			begin, end := (before*8+5)/6, len(padded)*8/6
			forms = append(forms, whole[begin:end])
		}
	}
	for _, form := range forms {
		if len(form) >= leastSecret && !slices.Contains(s.needles, form) {
			s.needles = append(s.needles, form)
		}
	}
}

// lowerHex gives percent-encoded text with lower-case digits.
func lowerHex(text string) string {
	return percent.ReplaceAllStringFunc(text, strings.ToLower)
}

var percent = regexp.MustCompile(`%[0-9A-F]{2}`)

// text takes the secrets out of a text.
func (s *scrubber) text(text string) string {
	if len(s.needles) == 0 {
		return text
	}
	return s.replace.Replace(text)
}
