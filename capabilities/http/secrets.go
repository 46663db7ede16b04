package http

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/internal/scrub"
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

// value gives what is sent, and the part of it that is secret.
func (s *secret) value(environment func(string) (string, bool)) (sent, bare string, err error) {
	bare, ok := environment(s.variable)
	bare = strings.TrimSpace(bare)
	switch {
	case !ok || bare == "":
		return "", "", capabilities.Raise("RuntimeError", "the secret for the header %s is not set in the host's environment (%s)", s.header, s.variable)
	case len(bare) < scrub.Least:
		return "", "", capabilities.Raise("RuntimeError", "the secret for the header %s (%s) is shorter than %d characters", s.header, s.variable, scrub.Least)
	case strings.ContainsFunc(bare, func(r rune) bool { return r < ' ' || r > '~' }):
		return "", "", capabilities.Raise("RuntimeError", "the secret for the header %s (%s) has a character that no header can have", s.header, s.variable)
	}
	if s.scheme != "" {
		return s.scheme + " " + bare, bare, nil
	}
	return bare, bare, nil
}

// newScrubber makes what takes secrets out of what goes to the guest: those of a grant that are set, whichever of them are sent.
func newScrubber(secrets []secret, environment func(string) (string, bool)) *scrub.Replacer {
	var pairs [][2]string
	add := func(text string) {
		for _, form := range scrub.Forms(text) {
			pairs = append(pairs, [2]string{form, ""})
		}
	}
	for i := range secrets {
		_, bare, err := secrets[i].value(environment)
		if err != nil {
			continue // it is never sent
		}
		add(bare)
		// "Basic dXNlcjpwYXNz", "Bearer abc" in the variable itself: the second word is the secret.
		if _, word, ok := strings.Cut(bare, " "); ok {
			add(word)
		}
	}
	return scrub.NewReplacer(pairs)
}
