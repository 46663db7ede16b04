package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/postern-sandbox/postern/plugins"
	"github.com/postern-sandbox/postern/policies"
)

func (c *cli) pluginBuild(args []string) int {
	f := c.newFlags("plugin build [-o OUT] [--json] [DIR]", `Builds the plugin in DIR (this folder, if there is none): a module in Go (go.mod), C (*.c) or Rust (Cargo.toml), with the
language's own tools, puts schema.yaml into it as its description, checks it, and prints its table for a policy. A plugin in Python (*.py) is checked,
and is its own module. The same sources and tools give the same bytes. Exits 1 when the build fails, 2 when no policy could use what came of it.`)
	out := f.String("o", "", "the `OUT`.wasm to write; without it, DIR/NAME.wasm, after the folder's name")
	asJSON := f.Bool("json", false, "print a JSON object")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	dir := "."
	switch {
	case len(rest) > 1:
		return c.fail(usageError("usage: postern "+f.Name(), "more than one folder: %s", strings.Join(rest, " ")))
	case len(rest) == 1:
		dir = rest[0]
	}
	built, err := c.build(dir, *out)
	if wrong := (*schemaError)(nil); errors.As(err, &wrong) && *asJSON {
		built, err = wrong.report()
	}
	if err != nil {
		return c.fail(err)
	}
	if *asJSON {
		err = writeJSON(c.stdout, built)
	} else {
		err = c.printBuilt(built)
	}
	switch {
	case err != nil:
		return c.fail(err)
	case !built.OK:
		return exitUsage
	}
	return exitOK
}

// builtPlugin is the JSON of `postern plugin build --json`. Where nothing was built since the description has mistakes, it has these, and no file.
type builtPlugin struct {
	Name     string `json:"name"` // in policies
	Language string `json:"language"`
	*pluginReport
	Policy string `json:"policy"` // its table for a policy; the path is relative to the current folder
}

// A schemaError says why there is no description for a plugin that could be built.
type schemaError struct {
	source source
	path   string // of the description
	err    error
}

func (e *schemaError) Error() string { return e.err.Error() }
func (e *schemaError) Unwrap() error { return e.err }

// report is the JSON of a plugin that was not built for its description.
func (e *schemaError) report() (*builtPlugin, error) {
	mistakes, err := mistakesOf(e.path, e.err)
	if err != nil {
		return nil, err
	}
	r := newPluginReport("", nil)
	r.SHA256, r.Mistakes = "", mistakes
	if wrong := (policies.Errors)(nil); errors.As(e.err, &wrong) {
		r.Description = e.path
	}
	return &builtPlugin{Name: e.source.name, Language: e.source.language, pluginReport: r}, nil
}

// build builds the plugin in a folder.
func (c *cli) build(dir, out string) (*builtPlugin, error) {
	source, err := findSource(dir)
	if err != nil {
		return nil, err
	}
	if source.language == "python" {
		if out != "" {
			return nil, usageError("", "a plugin in Python is its own module: there is nothing to write to %s", out)
		}
		report, err := c.inspect(source.file, "")
		if err != nil {
			return nil, err
		}
		return named(report, source, source.file), nil
	}
	schemaPath, text, err := readSchema(dir)
	if err != nil {
		return nil, &schemaError{source, schemaPath, err}
	}
	if out == "" {
		out = filepath.Join(dir, source.name+".wasm")
	}
	work, err := os.MkdirTemp("", "postern-build-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	path, err := c.compile(source, work)
	if err != nil {
		return nil, err
	}
	module, err := readFile(path, moduleLimit)
	if err != nil {
		return nil, err
	}
	if module, err = plugins.Embed(module, text); err != nil {
		return nil, &schemaError{source, schemaPath, usageError("", "%s: %w", schemaPath, err)}
	}
	if err := os.WriteFile(out, module, 0o644); err != nil {
		return nil, usageError("", "%w", err)
	}
	report, err := inspectModule(out, module, "", nil)
	if err != nil {
		return nil, err
	}
	return named(report, source, out), nil
}

// named gives a report the name that its table in a policy has.
func named(report *pluginReport, s source, path string) *builtPlugin {
	return &builtPlugin{s.name, s.language, report, report.policyTable(s.name, filepath.ToSlash(path))}
}

// readSchema reads the description beside the sources. It is read before anything is built: to be told of a mistake nobody should have to wait.
func readSchema(dir string) (path string, text []byte, err error) {
	for _, name := range []string{"schema.yaml", "schema.yml", "schema.json"} {
		path = filepath.Join(dir, name)
		if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if text, err = readFile(path, schemaLimit); err != nil {
			return path, nil, err
		}
		_, err = plugins.Parse(path, text)
		return path, text, err
	}
	return filepath.Join(dir, "schema.yaml"), nil, usageError("it says what Python sees of the plugin; `postern plugin new` writes one, and `postern plugin check` begins one for a module that is built", "%s has no schema.yaml", dir)
}

func (c *cli) printBuilt(b *builtPlugin) error {
	names := make([]string, len(b.Functions))
	for i, f := range b.Functions {
		names[i] = f.Name
	}
	text := fmt.Sprintf("%s: %s, %s\n", b.File, byteSize(b.Bytes), strings.Join(names, ", "))
	if b.OK {
		text += "\n" + b.Policy
	}
	if err := writeUntrusted(c.stdout, text); err != nil {
		return err
	}
	c.mistakes(b.mistakes)
	for _, problem := range b.Problems {
		c.errorf("%s: %s", b.File, problem)
	}
	if len(b.Undescribed) > 0 {
		fmt.Fprintln(c.stderr, visible(fmt.Sprintf("note: it also exports %s, which schema.yaml does not describe", strings.Join(b.Undescribed, ", "))))
	}
	return nil
}
