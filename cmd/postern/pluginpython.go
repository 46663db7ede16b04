package main

import (
	_ "embed"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// describePython reads a file of Python without running it.
//
//go:embed describe_plugin.py
var describePython string

// readingPolicy is what a file is read under: it is parsed in the guest, and what the parser could be made to do ends there.
const readingPolicy = `policy = 1
name = "plugin check"
[python]
imports = ["ast"]
[audit]
log = "none"
`

// inspectPython says what functions a file of Python has. It is parsed, in the sandbox, and not run.
func (c *cli) inspectPython(file string, source []byte) (*pluginReport, error) {
	if !utf8.Valid(source) {
		return nil, usageError("save it as UTF-8", "%s is not UTF-8", file)
	}
	known, err := registry()
	if err != nil {
		return nil, err
	}
	policy, err := parsePolicy("(plugin check)", []byte(readingPolicy), known)
	if err != nil {
		return nil, err
	}
	h, err := c.hostFor(policy, known, "", nil, hclog.NewNullLogger())
	if err != nil {
		return nil, err
	}
	defer h.Close()
	session, err := h.NewSession(c.ctx)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	result, err := session.Set(c.ctx, map[string]any{"source": string(source)})
	if err != nil {
		return nil, err
	}
	if result.Error == nil {
		result, err = session.Exec(c.ctx, describePython, host.ExecOptions{Filename: "<check>"})
		if err != nil {
			return nil, err
		}
	}
	r := newPluginReport(file, source)
	if result.Error != nil {
		r.Problems = append(r.Problems, "it cannot be read: "+result.Error.Message)
		return r, nil
	}
	answer, err := result.Decode()
	if err != nil {
		return nil, err
	}
	if err := r.readPython(answer); err != nil {
		return nil, err
	}
	r.OK = len(r.Functions) > 0 && len(r.Mistakes) == 0
	if len(r.Functions) == 0 && len(r.Mistakes) == 0 {
		r.Problems = append(r.Problems, "it has no public function")
	}
	return r, nil
}

// readPython reads what describePython gives: the line and text of a mistake, or the module's doc and (name, signature, doc) of each function.
func (r *pluginReport) readPython(answer any) error {
	list, _ := answer.([]any)
	for _, entry := range list {
		parts, _ := entry.([]any)
		switch kind, _ := at(parts, 0).(string); kind {
		case "mistake":
			line, _ := at(parts, 1).(int64)
			column, _ := at(parts, 2).(int64)
			message, _ := at(parts, 3).(string)
			r.mistakes = append(r.mistakes, &policies.Error{Position: policies.Position{File: r.File, Line: int(line), Column: int(column)}, Message: message})
			r.Mistakes = findings(r.mistakes)
		case "doc":
			text, _ := at(parts, 1).(string)
			r.Doc = strings.Join(strings.Fields(text), " ")
		case "function":
			name, _ := at(parts, 1).(string)
			signature, _ := at(parts, 2).(string)
			doc, _ := at(parts, 3).(string)
			r.Functions = append(r.Functions, pluginFunction{Name: name, Signature: signature, Doc: doc})
		default:
			return fmt.Errorf("%s cannot be described", r.File)
		}
	}
	return nil
}

// at gives an element of a list, or nil.
func at(list []any, i int) any {
	if i >= len(list) {
		return nil
	}
	return list[i]
}
