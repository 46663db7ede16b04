package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/audit"
	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/link"
	"github.com/postern-sandbox/postern/policies"
)

const importsUsage = "imports [--policy F [--tool NAME]] [--json] MODULE.wasm"

func (c *cli) imports(args []string) int {
	f := c.newFlags(importsUsage, `Explains what a WebAssembly module imports: all that it can reach. Each import is shown under the power that it is, with what Postern's host
does about it: "given" as it is, "replaced" by a function inside the module that reaches nothing, or "REFUSED". Functions under
`+link.UserModule+` are what a policy decides about.

With --policy, these are compared with what the policy grants; with --tool, with what it grants to the plugin of [tool.NAME]. It
exits with 3 when the module wants more, or something that no policy grants.`)
	policyPath := f.String("policy", "", "the policy `FILE` to compare with")
	tool := f.String("tool", "", "compare with the grants of the plugin of [tool.`NAME`] in the policy")
	asJSON := f.Bool("json", false, "print a JSON object")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	switch {
	case len(rest) != 1:
		return c.fail(usageError("usage: postern "+importsUsage, "one module must be named"))
	case *tool != "" && *policyPath == "":
		return c.fail(usageError("usage: postern "+importsUsage, "--tool without the --policy that has it"))
	}
	module, err := readFile(rest[0], moduleLimit)
	if err != nil {
		return c.fail(err)
	}
	report, err := readImports(module, rest[0], *policyPath != "" && *tool == "")
	if err != nil {
		return c.fail(err)
	}
	if *policyPath != "" {
		if err := report.compare(module, *policyPath, *tool); err != nil {
			return c.fail(err)
		}
	}
	if *asJSON {
		err = writeJSON(c.stdout, report)
	} else {
		err = c.printImports(report, rest[0])
	}
	if err != nil {
		return c.fail(err)
	}
	if len(report.NotGranted) > 0 {
		return exitDenied
	}
	return exitOK
}

// importReport is the JSON of `postern imports --json`.
type importReport struct {
	Form       string       `json:"form"` // "plugin", "base guest", "linked guest" or "self-contained guest"
	Imports    []importLine `json:"imports"`
	Policy     string       `json:"policy,omitempty"`      // name of the policy compared with
	Tool       string       `json:"tool,omitempty"`        // the tool of the policy whose grants were compared with
	NotGranted []string     `json:"not_granted,omitempty"` // imported, and not granted
	NotUsed    []string     `json:"not_used,omitempty"`    // granted, and not imported

	OtherModule bool `json:"other_module,omitempty"` // the tool names another module, by its digest
}

type importLine struct {
	Module  string `json:"module"`
	Name    string `json:"name"`
	Kind    string `json:"kind"`
	Type    string `json:"type"`
	Granted *bool  `json:"granted,omitempty"` // by the policy compared with; of functions that a policy can grant

	Power string `json:"power"` // "granted", "unknown", "network", "files", "clock", "entropy", "process", "config", "vars", "logs" or "exchange"
	Words string `json:"words"` // what it lets the module do
	Host  string `json:"host"`  // what Postern's host does: "policy" (it decides), "given", "replaced" or "refused"

	Capability string `json:"capability,omitempty"` // "math.sqrt", if this program has such a function
	Effects    string `json:"effects,omitempty"`    // of it: "pure", "reads", "writes", "reads and writes"
	Hint       string `json:"hint,omitempty"`       // what would grant it
}

// What importLine.Host can be.
const (
	hostPolicy   = "policy"
	hostGiven    = "given"
	hostReplaced = "replaced"
	hostRefused  = "refused"
)

// readImports explains a module's imports: as those of a guest if it is one or must be, else as those of a plugin.
func readImports(module []byte, name string, guest bool) (*importReport, error) {
	imports, err := link.Imports(module)
	if err != nil {
		return nil, usageError("", "%s: %w", name, err)
	}
	form, err := link.FormOf(module)
	if err != nil {
		return nil, usageError("", "%s: %w", name, err)
	}
	known, err := registry()
	if err != nil {
		return nil, err
	}
	report := &importReport{Form: form.String(), Imports: []importLine{}}
	for _, i := range imports {
		report.Imports = append(report.Imports, explainImport(i, guest || form != link.FormPlugin, known))
	}
	return report, nil
}

func explainImport(i link.Import, guest bool, known *capabilities.Registry) importLine {
	power, words := i.Explain()
	line := importLine{Module: i.Module, Name: i.Name, Kind: i.Kind, Type: i.Type, Power: string(power), Words: words, Host: hostRefused}
	stays, replaced := link.PluginImport(i)
	if guest {
		stays, replaced = link.GuestImport(i)
	}
	switch {
	case i.Module == link.UserModule && i.Kind == "function":
		line.Host = hostPolicy
		line.Words = "a function of the host's that this program does not have"
		if capability, ok := known.Lookup(capabilityName(i.Name)); ok {
			spec := capability.Spec()
			line.Capability, line.Effects, line.Words = spec.Name(), spec.Effects.String(), spec.Doc
		}
	case stays:
		line.Host = hostGiven
	case replaced:
		line.Host = hostReplaced
	}
	if want := i.Wants(); want != "" && i.Kind == "function" && i.Type != want {
		line.Host = hostRefused
		line.Words += fmt.Sprintf("; its type is %s and must be %s", i.Type, want)
	}
	return line
}

// capabilityName is the name in policies of an import that no tool is known to be: the names of this program's families have no underscore.
func capabilityName(symbol string) string { return strings.Replace(symbol, "_", ".", 1) }

// compare compares the imports with what a policy grants: to the agent, or, if a tool is named, to its plugin.
func (r *importReport) compare(module []byte, policyPath, tool string) error {
	known, err := registry()
	if err != nil {
		return err
	}
	policy, err := loadPolicy(policyPath, known)
	if err != nil {
		return err
	}
	r.Policy, r.Tool = policy.Name, tool
	granted, grants, place := map[string]string{}, policy.Grants, ""
	if tool != "" {
		t, err := toolOf(policy, tool)
		if err != nil {
			return err
		}
		grants, place = t.Grants, "tool."+tool+"."
		r.OtherModule = audit.Digest(module) != "sha256:"+t.SHA256
	} else {
		tools, err := grantedTools(policy, known)
		if err != nil {
			return err
		}
		for symbol, function := range tools {
			granted[symbol] = function.Name()
			r.explainTool(symbol, function)
		}
	}
	for _, grant := range grants {
		for _, function := range grant.Functions {
			granted[grant.Family+"_"+function] = grant.Family + "." + function
		}
	}
	used := make(map[string]bool)
	for n := range r.Imports {
		line := &r.Imports[n]
		if line.Host != hostPolicy {
			continue
		}
		_, ok := granted[line.Name]
		line.Granted = &ok
		used[line.Name] = true
		if !ok {
			line.Hint = hintToGrant(grants, line, place, policy.File)
			r.NotGranted = append(r.NotGranted, capabilityName(line.Name))
		}
	}
	symbols := slices.Sorted(maps.Keys(granted))
	for _, symbol := range symbols {
		if !used[symbol] {
			r.NotUsed = append(r.NotUsed, granted[symbol])
		}
	}
	r.tooMuch(module, symbols, tool != "")
	return nil
}

// tooMuch adds what is not a granted function and is too much all the same: network, real files, types that are wrong. A guest that a policy is
// compared with must be linked: what linking would replace, the host refuses.
func (r *importReport) tooMuch(module []byte, symbols []string, plugin bool) {
	var differences *link.ImportError
	if !plugin && errors.As(link.Check(module, symbols), &differences) {
		for n := range r.Imports {
			line := &r.Imports[n]
			if line.Module != link.UserModule && slices.ContainsFunc(differences.Extra, func(e link.ExtraImport) bool { return e.Module == line.Module && e.Name == line.Name }) {
				line.Host = hostRefused
			}
		}
	}
	for _, line := range r.Imports {
		if line.Host == hostRefused {
			r.NotGranted = append(r.NotGranted, line.Module+"::"+line.Name)
		}
	}
}

// toolOf is the tool of that name.
func toolOf(policy *policies.Policy, name string) (*policies.Tool, error) {
	var names []string
	for i := range policy.Tools {
		if policy.Tools[i].Name == name {
			return &policy.Tools[i], nil
		}
		names = append(names, policy.Tools[i].Name)
	}
	hint := "the policy has no tools"
	if near, ok := nearest(name, names); ok {
		hint = fmt.Sprintf("did you mean %s?", near)
	} else if len(names) > 0 {
		hint = "its tools are " + strings.Join(names, ", ")
	}
	return nil, usageError(hint, "policy %q has no [tool.%s]", policy.Name, name)
}

// grantedTools are the functions of a policy's tools, by their symbols.
func grantedTools(policy *policies.Policy, known *capabilities.Registry) (map[string]capabilities.Spec, error) {
	tools, err := describedTools(policy, known)
	if err != nil {
		return nil, err
	}
	granted := make(map[string]capabilities.Spec)
	for _, family := range tools {
		for _, capability := range family.Capabilities {
			if spec := capability.Spec(); policy.Grant(family.Name).Names(spec.Function) {
				granted[family.Name+"_"+spec.Function] = spec
			}
		}
	}
	return granted, nil
}

// explainTool explains an import that is a function of the policy's tool.
func (r *importReport) explainTool(symbol string, function capabilities.Spec) {
	for n := range r.Imports {
		if line := &r.Imports[n]; line.Host == hostPolicy && line.Name == symbol {
			line.Capability, line.Effects = function.Name(), function.Effects.String()
			line.Words = cmp.Or(function.Doc, "a function of the tool "+function.Family)
		}
	}
}

// hintToGrant says what would grant an import that is not granted.
func hintToGrant(grants []policies.Grant, line *importLine, place, file string) string {
	if line.Capability == "" {
		return ""
	}
	family, function, _ := strings.Cut(line.Capability, ".")
	for _, grant := range grants {
		if grant.Family == family {
			return fmt.Sprintf("add %q to functions of [%sgrant.%s] at %v", function, place, family, grant.Position)
		}
	}
	return fmt.Sprintf("add [%sgrant.%s] with functions = [%q] to %s", place, family, function, file)
}
