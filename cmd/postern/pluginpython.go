package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/hashicorp/go-hclog"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
)

// A toolLook looks at the tools of policies, and runs none. The interpreter that parses files of Python is there once one is to be parsed.
type toolLook struct {
	cli    *cli
	reader *host.PythonReader
}

func (l *toolLook) close() error {
	if l.reader == nil {
		return nil
	}
	return l.reader.Close()
}

// python reads a file of Python.
func (l *toolLook) python(path string, source []byte) (*host.PythonFile, error) {
	if l.reader == nil {
		done := l.cli.slow("preparing the guest to parse Python; the next time starts from the cache …", "ready")
		reader, err := host.NewPythonReader(l.cli.ctx, host.Config{Logger: hclog.NewNullLogger()})
		done()
		if err != nil {
			return nil, err
		}
		l.reader = reader
	}
	return l.reader.Read(l.cli.ctx, path, source)
}

// seenTools is what a policy's tools have.
type seenTools struct {
	families []capabilities.Family // of those that can be used
	files    map[string]*host.PythonFile
}

// tools looks at the tools of a policy. If some cannot be used, the error is of type [policies.Errors], and the others are there.
func (l *toolLook) tools(policy *policies.Policy, known *capabilities.Registry) (*seenTools, error) {
	seen := &seenTools{files: make(map[string]*host.PythonFile)}
	var err error
	seen.families, err = host.Tools(policy, known, nil, func(t *policies.Tool, path string, source []byte) (*host.PythonFile, error) {
		file, err := l.python(path, source)
		if err == nil {
			seen.files[t.Name] = file
		}
		return file, err
	})
	return seen, err
}

// family is that of a tool that can be used.
func (s *seenTools) family(name string) (capabilities.Family, bool) {
	for _, family := range s.families {
		if family.Name == name {
			return family, true
		}
	}
	return capabilities.Family{}, false
}

// functions are those of each tool.
func (s *seenTools) functions() map[string][]string {
	functions := make(map[string][]string)
	for _, family := range s.families {
		for _, c := range family.Capabilities {
			functions[family.Name] = append(functions[family.Name], c.Spec().Function)
		}
	}
	return functions
}

// missing says that a tool does not have the function which a call is of. Of a tool that cannot be used it says nothing.
func (s *seenTools) missing(policy *policies.Policy, capability string) (message, hint string) {
	name, function, _ := strings.Cut(capability, ".")
	family, ok := s.family(name)
	if policy.Tool(name) == nil || !ok {
		return "", ""
	}
	message = fmt.Sprintf("the plugin of [tool.%s] has no function %q", name, function)
	if file := s.files[name]; file != nil {
		lacks, why := file.Lacks(function)
		if !lacks {
			return "", ""
		}
		if why != "" {
			return message, why
		}
	}
	var names []string
	for _, c := range family.Capabilities {
		if names = append(names, c.Spec().Function); c.Spec().Function == function {
			return "", ""
		}
	}
	return message, "it has " + strings.Join(names, ", ")
}

// inspectPython says what functions a file of Python has. It is parsed, in the sandbox, and not run.
func (c *cli) inspectPython(path string, source []byte) (r *pluginReport, err error) {
	if !utf8.Valid(source) {
		return nil, usageError("save it as UTF-8", "%s is not UTF-8", path)
	}
	look := &toolLook{cli: c}
	defer func() { err = errors.Join(err, look.close()) }()
	file, err := look.python(path, source)
	if err != nil {
		return nil, err
	}
	r = newPluginReport(path, source)
	r.mistakes = file.Mistakes
	switch {
	case file.Unreadable != "":
		r.Problems = append(r.Problems, "it cannot be read: "+file.Unreadable)
	case file.ComputedAll != nil:
		r.mistakes = append(r.mistakes, &policies.Error{Position: *file.ComputedAll, Message: "__all__ must be a list of names, written once"})
	case len(file.Mistakes)+len(file.Functions) == 0:
		r.Problems = append(r.Problems, "it has no public function")
	default:
		r.Doc = file.Doc
		for _, f := range file.Functions {
			r.Functions = append(r.Functions, pluginFunction{Name: f.Name, Signature: f.Signature, Doc: f.Doc})
		}
	}
	r.Mistakes = findings(r.mistakes)
	r.OK = len(r.Functions) > 0
	return r, nil
}
