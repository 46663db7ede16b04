package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/postern-sandbox/postern/plugins"
	"github.com/postern-sandbox/postern/policies"
)

const schemaLimit = 1 << 20

func (c *cli) pluginCheck(args []string) int {
	f := c.newFlags("plugin check [--schema F] [--json] FILE.wasm | FILE.py", `Says what a plugin has and wants: its functions as Python sees them, its imports in words, and what its description says that it does not
keep. Exits 2 when no policy can use it. Nothing of the plugin runs. A module that does not describe itself has the beginning of a schema.yaml
printed for it.`)
	schemaPath := f.String("schema", "", "the description, in place of the one in the module: an XTP document in `FILE`")
	asJSON := f.Bool("json", false, "print a JSON object")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	if len(rest) != 1 {
		return c.fail(usageError("usage: postern "+f.Name(), "one plugin must be named"))
	}
	report, err := c.inspect(rest[0], *schemaPath)
	if err != nil {
		return c.fail(err)
	}
	if *asJSON {
		err = writeJSON(c.stdout, report)
	} else {
		err = c.printPlugin(report)
	}
	switch {
	case err != nil:
		return c.fail(err)
	case !report.OK:
		return exitUsage
	}
	return exitOK
}

// pluginReport is the JSON of `postern plugin check --json`.
type pluginReport struct {
	File        string           `json:"file"`
	OK          bool             `json:"ok"` // whether a policy can use it
	Bytes       int              `json:"bytes"`
	SHA256      string           `json:"sha256"`
	Description string           `json:"description,omitempty"`   // where it is: "module", or the file; empty when there is none
	SchemaSHA   string           `json:"schema_sha256,omitempty"` // of the description, if it is a file
	Doc         string           `json:"doc,omitempty"`
	Functions   []pluginFunction `json:"functions"`
	Imports     []pluginImport   `json:"imports"`
	Undescribed []string         `json:"undescribed"` // exports that could be functions
	Problems    []string         `json:"problems"`
	Mistakes    []finding        `json:"mistakes"` // of the description
	Skeleton    string           `json:"skeleton,omitempty"`

	mistakes policies.Errors
}

type pluginFunction struct {
	Name      string `json:"name"`
	Export    string `json:"export,omitempty"`
	Signature string `json:"signature"`
	Doc       string `json:"doc"`
}

type pluginImport struct {
	Module  string `json:"module"`
	Name    string `json:"name"`
	Type    string `json:"type"`
	Use     string `json:"use,omitempty"`
	Grant   string `json:"grant,omitempty"`
	Refused string `json:"refused,omitempty"`
}

// inspect reads a plugin and its description.
func (c *cli) inspect(file, schemaPath string) (*pluginReport, error) {
	data, err := readFile(file, moduleLimit)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(file, ".py") {
		if schemaPath != "" {
			return nil, usageError("its functions describe themselves", "a plugin in Python has no schema")
		}
		return c.inspectPython(file, data)
	}
	var sidecar []byte
	if schemaPath != "" {
		if sidecar, err = readFile(schemaPath, schemaLimit); err != nil {
			return nil, err
		}
	}
	return inspectModule(file, data, schemaPath, sidecar)
}

func newPluginReport(file string, data []byte) *pluginReport {
	return &pluginReport{
		File: file, Bytes: len(data), SHA256: digestOf(data),
		Functions: []pluginFunction{}, Imports: []pluginImport{}, Undescribed: []string{}, Problems: []string{}, Mistakes: []finding{},
	}
}

// digestOf is a digest as policies have it.
func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func inspectModule(file string, module []byte, schemaPath string, sidecar []byte) (*pluginReport, error) {
	checked, err := plugins.Check(module, schemaPath, sidecar)
	if err != nil {
		return nil, usageError("", "%s: %w", file, err)
	}
	r := newPluginReport(file, module)
	r.OK = checked.Usable()
	r.Undescribed = append(r.Undescribed, checked.Undescribed...)
	r.Problems = append(r.Problems, checked.Problems...)
	r.mistakes, r.Mistakes = checked.Mistakes, findings(checked.Mistakes)
	for _, i := range checked.Imports {
		r.Imports = append(r.Imports, pluginImport(i))
	}
	switch {
	case checked.Description == nil && len(checked.Mistakes) == 0:
		if len(checked.Callable) > 0 {
			r.Skeleton = plugins.Skeleton(checked.Callable)
		}
	case checked.Embedded:
		r.Description = "module"
	default:
		r.Description = schemaPath
		if sidecar != nil {
			r.SchemaSHA = digestOf(sidecar)
		}
	}
	if d := checked.Description; d != nil {
		r.Doc = d.Doc
		for _, f := range d.Functions {
			r.Functions = append(r.Functions, pluginFunction{f.Name, f.Original, f.Signature, f.Doc})
		}
	}
	return r, nil
}

// printPlugin prints a report. Names and texts in it are the plugin's.
func (c *cli) printPlugin(r *pluginReport) error {
	if r.Skeleton != "" {
		return c.printSkeleton(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s, sha256:%s\n", r.File, byteSize(r.Bytes), r.SHA256)
	if r.SchemaSHA != "" {
		fmt.Fprintf(&b, "%s: sha256:%s\n", r.Description, r.SchemaSHA)
	}
	if r.Doc != "" {
		fmt.Fprintf(&b, "%s\n", r.Doc)
	}
	if len(r.Functions) > 0 {
		b.WriteString("\nfunctions\n")
		for _, f := range r.Functions {
			fmt.Fprintf(&b, "  %s%s\n", f.Name, f.Signature)
			if f.Doc != "" {
				fmt.Fprintf(&b, "      %s\n", f.Doc)
			}
		}
	}
	r.printImports(&b)
	if len(r.Undescribed) > 0 {
		fmt.Fprintf(&b, "\nexports that are not described, and so cannot be called: %s\n", visibleName(strings.Join(r.Undescribed, ", ")))
	}
	if err := writeUntrusted(c.stdout, b.String()); err != nil {
		return err
	}
	c.mistakes(r.mistakes)
	for _, problem := range r.Problems {
		c.errorf("%s: %s", r.File, problem)
	}
	return nil
}

// printSkeleton is what is said of a module without a description: on stdout the beginning of one, all else on stderr.
func (c *cli) printSkeleton(r *pluginReport) error {
	if _, err := io.WriteString(c.stdout, r.Skeleton); err != nil {
		return err
	}
	c.errorf("%s: it does not describe itself", r.File)
	for _, problem := range r.Problems {
		c.errorf("%s: %s", r.File, problem)
	}
	c.hintf("stdout has the beginning of a schema.yaml: complete it, and check again with --schema schema.yaml")
	return nil
}

// printImports prints what the imports are for, those for one thing on one line.
func (r *pluginReport) printImports(b *strings.Builder) {
	var order []string
	names := make(map[string][]string)
	for _, i := range r.Imports {
		use := i.Use
		if i.Refused != "" {
			use = "NOT FOR PLUGINS: " + i.Refused
		}
		if names[use] == nil {
			order = append(order, use)
		}
		if !slices.Contains(names[use], visibleName(i.Name)) {
			names[use] = append(names[use], visibleName(i.Name))
		}
	}
	if order != nil {
		b.WriteString("\nimports\n")
	}
	for _, use := range order {
		fmt.Fprintf(b, "  %s\n      %s\n", use, strings.Join(names[use], " "))
	}
}

// policyTable is the part of a policy that names the plugin, whose path is relative to the policy's folder.
func (r *pluginReport) policyTable(name, path string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[tool.%s]\nplugin = %q\nsha256 = %q\n", name, path, r.SHA256)
	var families []string
	functions := make(map[string][]string)
	for _, i := range r.Imports {
		family, function, ok := strings.Cut(i.Grant, ".")
		if !ok {
			continue
		}
		if functions[family] == nil {
			families = append(families, family)
		}
		functions[family] = append(functions[family], fmt.Sprintf("%q", function))
	}
	for _, family := range families {
		fmt.Fprintf(&b, "\n[tool.%s.grant.%s]\nfunctions = [%s]\n", name, family, strings.Join(functions[family], ", "))
	}
	return b.String()
}
