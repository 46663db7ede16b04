package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/guest"
	"github.com/postern-sandbox/postern/host"
	"github.com/postern-sandbox/postern/policies"
	"github.com/postern-sandbox/postern/values"
)

const pluginCallUsage = "plugin call [--policy F] [--schema F] [--json] PLUGIN FUNCTION [ARGUMENT...]"

func (c *cli) pluginCall(args []string) int {
	f := c.newFlags(pluginCallUsage, `Calls a function of a plugin as an agent's code would: through the same gate, in the same sandbox. Without --policy, PLUGIN is a file (a
WebAssembly module or a file of Python, which may import what it likes), called under the default limits, without grants and without a log; with it, PLUGIN is the NAME of a
[tool.NAME] of the policy, whose limits, grants and log hold. An ARGUMENT is JSON or, if it is none, a text; --args has all of them in JSON, an
array by place or an object by name. A text that comes back is printed as it is, any other value as JSON.`)
	policyPath := f.String("policy", "", "the policy `FILE` that has the tool")
	schema := f.String("schema", "", "the `FILE` that describes the plugin's functions, if the plugin does not describe itself")
	arguments := f.String("args", "", "the arguments in `JSON`")
	asJSON := f.Bool("json", false, "print the result as postern run --json does")
	logger := f.logLevel()
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	switch {
	case len(rest) < 2:
		return c.fail(usageError("usage: postern "+pluginCallUsage, "a plugin and a function must be named"))
	case *arguments != "" && len(rest) > 2:
		return c.fail(usageError("", "--args and arguments are both given"))
	case *policyPath != "" && *schema != "":
		return c.fail(usageError("the policy says where it is", "--policy and --schema are both given"))
	}
	written, err := writtenArguments(*arguments, rest[2:])
	if err != nil {
		return c.fail(err)
	}
	log, err := logger()
	if err != nil {
		return c.fail(usageError("", "%v", err))
	}
	var policy *policies.Policy
	var known *capabilities.Registry
	name := rest[0]
	if *policyPath != "" {
		policy, known, err = policyFor(*policyPath, log)
	} else {
		name, policy, known, err = policyForPlugin(rest[0], *schema)
	}
	if err != nil {
		return c.fail(err)
	}
	if policy.Tool(name) == nil {
		return c.fail(usageError(toolsHint(policy), "policy %q has no [tool.%s]", policy.Name, visibleName(name)))
	}
	h, err := c.hostFor(policy, known, "", c.approver(), log)
	var mistakes policies.Errors
	if *policyPath == "" && errors.As(err, &mistakes) && len(mistakes) == 1 { // of a policy that nobody wrote
		err = usageError("`postern plugin check` says what it has and wants; --policy names a policy that has it as a tool, with grants", "%s", mistakes[0].Message)
	}
	if err != nil {
		return c.fail(err)
	}
	result, err := c.callTool(h.Host, policy.Tool(name), rest[1], written)
	if err = errors.Join(err, h.Close()); err != nil {
		return c.fail(err)
	}
	if *asJSON {
		err = writeJSON(c.stdout, result)
	} else {
		err = c.printAnswer(result)
	}
	if err != nil {
		return c.fail(err)
	}
	return exitCode(result)
}

// writtenArguments reads the arguments of a call, given as one JSON value or one after the other.
func writtenArguments(together string, single []string) (policies.Written, error) {
	if together != "" {
		written, err := policies.ParseWritten([]byte(together))
		if err != nil {
			return written, usageError(`write for example --args '["text"]' or --args '{"text": "x"}'`, "--args: %w", err)
		}
		return written, nil
	}
	var written policies.Written
	for _, text := range single {
		value, err := values.DecodeJSON([]byte(text))
		if err != nil {
			value = text
		}
		written.Args = append(written.Args, value)
	}
	return written, nil
}

// policyForPlugin is a policy that has a plugin and nothing else.
func policyForPlugin(path, schema string) (name string, policy *policies.Policy, known *capabilities.Registry, err error) {
	plugin, err := readFile(path, moduleLimit)
	if err != nil {
		return "", nil, nil, err
	}
	if known, err = registry(); err != nil {
		return "", nil, nil, err
	}
	base := filepath.Base(path)
	name = nameOfFolder(strings.TrimSuffix(base, filepath.Ext(base)))
	if checkPluginName(name) != nil {
		name = "plugin"
	}
	text := fmt.Sprintf("policy = 1\nname = \"plugin call\"\naudit.log = \"none\"\n[tool.%s]\nplugin = %s\nsha256 = %q\n", name, quoted([]string{path}), audit.Digest(plugin))
	if strings.HasSuffix(path, ".py") {
		modules, err := guest.Modules()
		if err != nil {
			return "", nil, nil, err
		}
		// Whoever calls it by hand need not say what it imports. No module reaches anything outside.
		modules = slices.DeleteFunc(modules, func(module string) bool { return strings.ContainsAny(module, "._") })
		text += fmt.Sprintf("python.imports = [%s]\n", quoted(modules))
	}
	if schema != "" {
		text += "schema = " + quoted([]string{schema}) + "\n"
	}
	policy, err = parsePolicy("(plugin call)", []byte(text), known)
	return name, policy, known, err
}

func toolsHint(policy *policies.Policy) string {
	if len(policy.Tools) == 0 {
		return "it has no tools"
	}
	names := make([]string, len(policy.Tools))
	for i := range policy.Tools {
		names[i] = policy.Tools[i].Name
	}
	return "it has " + strings.Join(names, ", ")
}

// callTool calls a function of a tool in a session of its own.
func (c *cli) callTool(h *host.Host, tool *policies.Tool, function string, written policies.Written) (*host.Result, error) {
	if !functionName.MatchString(function) {
		return nil, usageError("", "%q is not the name of a function", visibleName(function))
	}
	session, err := h.NewSession(c.ctx)
	if err != nil {
		return nil, err
	}
	kwargs := values.NewDict(len(written.Kwargs))
	for _, k := range written.Kwargs {
		kwargs.SetString(k.Name, k.Value)
	}
	args := written.Args
	if args == nil {
		args = []any{}
	}
	module := tool.As
	if module == "" {
		module = tool.Name
	}
	_, err = session.Set(c.ctx, map[string]any{"args": args, "kwargs": kwargs})
	var result *host.Result
	if err == nil {
		result, err = session.Exec(c.ctx, fmt.Sprintf("import %s\n%s.%s(*args, **kwargs)", module, module, function), host.ExecOptions{Filename: "<call>"})
	}
	return result, errors.Join(err, session.Close())
}

var functionName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// printAnswer prints what came back.
func (c *cli) printAnswer(r *host.Result) error {
	if r.Error != nil {
		message := r.Error.Message
		if r.Error.Type != "Error" { // that of the tool, whose message says everything
			message = r.Error.Error()
		}
		c.errorf("%s", visible(message))
		return nil
	}
	value, err := r.Decode()
	if err != nil {
		return err
	}
	switch value := value.(type) {
	case nil:
		return nil
	case string:
		if !strings.HasSuffix(value, "\n") {
			value += "\n"
		}
		return writeUntrusted(c.stdout, value)
	}
	return writeUntrusted(c.stdout, string(r.Value)+"\n")
}
