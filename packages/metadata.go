package packages

import (
	"regexp"
	"strings"
	"sync"
)

// headers are the fields of a METADATA or WHEEL file by their names in lower case.
type headers map[string][]string

func (h headers) get(name string) string {
	if values := h[strings.ToLower(name)]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// parseHeaders reads "Name: value" lines up to the first empty one. A line that begins with a space goes on with the one before.
func parseHeaders(text []byte) headers {
	h := make(headers)
	last := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			if values := h[last]; len(values) > 0 {
				values[len(values)-1] += " " + strings.TrimSpace(line)
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			continue
		}
		last = strings.ToLower(strings.TrimSpace(name))
		h[last] = append(h[last], strings.TrimSpace(value))
	}
	return h
}

// The grammar of a package's name in Python's package index.
var packageName = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
})

var separators = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`[-_.]+`) })

// normal returns a name in the one spelling by which names are compared (PEP 503).
func normal(name string) string { return strings.ToLower(separators().ReplaceAllString(name, "-")) }
