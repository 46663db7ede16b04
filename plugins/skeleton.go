package plugins

import (
	"regexp"
	"strings"
)

// Skeleton gives an XTP document for a module that has none, to be completed: each export that can be called, and that XTP can name, takes and
// gives text.
func Skeleton(callable []string) string {
	var b strings.Builder
	b.WriteString(`version: v1-draft
description: TODO, one line about the plugin
exports:
  # An input that is an object has its members as parameters in Python; its contentType is application/json.
`)
	for _, name := range callable {
		if !exportName.MatchString(name) {
			continue
		}
		b.WriteString("  " + yamlName(name) + `:
    description: TODO, one line about the function
    input: {type: string, contentType: text/plain; charset=utf-8}
    output: {type: string, contentType: text/plain; charset=utf-8}
`)
	}
	return b.String()
}

var exportName = regexp.MustCompile(`^[a-zA-Z_$][a-zA-Z0-9_$]{0,199}$`)

// yamlName quotes a name that YAML would take for something else.
func yamlName(name string) string {
	switch strings.ToLower(name) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return `"` + name + `"`
	}
	return name
}
