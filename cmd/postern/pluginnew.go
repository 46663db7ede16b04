package main

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/postern-sandbox/postern/capabilities"
	"github.com/postern-sandbox/postern/policies"
)

// scaffolds has a folder a language. Its files end in .in, so that no tool takes them for what they are to become, and @NAME@ is the plugin's name.
//
//go:embed scaffolds
var scaffolds embed.FS

var languages = []string{"go", "c", "rust", "python"}

func (c *cli) pluginNew(args []string) int {
	f := c.newFlags("plugin new NAME --language LANGUAGE [--dir DIR] [--json]", `Begins a plugin: writes a folder with code that builds, schema.yaml, which describes it, a test, a policy to try it with, and a
README. NAME is the name of the module in Python. Nothing that is there is overwritten.`)
	language := f.String("language", "", "`LANGUAGE` is "+strings.Join(languages, ", "))
	dir := f.String("dir", "", "the `DIR` to make; without it, NAME")
	asJSON := f.Bool("json", false, "print a JSON object")
	rest, exit, ok := f.parse(args)
	if !ok {
		return exit
	}
	usage := "usage: postern " + f.Name()
	switch {
	case len(rest) != 1:
		return c.fail(usageError(usage, "one name must be given"))
	case *language == "":
		return c.fail(usageError("there are "+strings.Join(languages, ", "), "--language is not given"))
	}
	name := rest[0]
	if err := checkPluginName(name); err != nil {
		return c.fail(err)
	}
	if _, err := fs.Stat(scaffolds, "scaffolds/"+*language); err != nil || strings.ContainsAny(*language, "./\\") {
		return c.fail(usageError("there are "+strings.Join(languages, ", "), "there is no scaffold in %q", *language))
	}
	if *dir == "" {
		*dir = name
	}
	files, err := writeScaffold(*language, name, *dir)
	if err != nil {
		return c.fail(err)
	}
	if *asJSON {
		if err := writeJSON(c.stdout, newPlugin{name, *language, *dir, files}); err != nil {
			return c.fail(err)
		}
		return exitOK
	}
	fmt.Fprintln(c.stdout, visible(fmt.Sprintf("%s: %s", *dir, strings.Join(files, " "))))
	fmt.Fprintln(c.stdout, visible("next: postern plugin build "+*dir))
	return exitOK
}

// checkPluginName checks that a policy can have a tool of that name.
func checkPluginName(name string) error {
	if !pluginName.MatchString(name) || len(name) > 64 {
		return usageError("a name is written in lower-case letters, digits and '_', a letter first", "%q cannot be the name of a plugin", name)
	}
	if capabilities.IsKeyword(name) {
		return usageError("choose another name", "%q cannot be the name of a plugin: it is a word of Python's", name)
	}
	known, err := registry()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("policy = 1\nname = \"plugin\"\n[tool.%s]\nplugin = \"plugin.wasm\"\nsha256 = \"%064d\"\n", name, 0)
	var mistakes policies.Errors
	if _, err = parsePolicy("(plugin)", []byte(text), known); errors.As(err, &mistakes) {
		return usageError(mistakes[0].Hint, "%q cannot be the name of a plugin: %s", name, strings.TrimPrefix(mistakes[0].Message, "tool."+name+": "))
	}
	return err
}

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)

// newPlugin is the JSON of `postern plugin new --json`.
type newPlugin struct {
	Name     string   `json:"name"`
	Language string   `json:"language"`
	Dir      string   `json:"dir"`
	Files    []string `json:"files"`
}

// writeScaffold writes a language's files into a folder, which is made, and is empty if it was there.
func writeScaffold(language, name, dir string) (written []string, err error) {
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		return nil, usageError("name another with --dir", "%s is not empty", dir)
	}
	from := "scaffolds/" + language
	err = fs.WalkDir(scaffolds, from, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := scaffolds.ReadFile(file)
		if err != nil {
			return err
		}
		to := scaffoldName(strings.TrimPrefix(file, from+"/"), name)
		target := filepath.Join(dir, filepath.FromSlash(to))
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			return usageError("", "%w", err)
		}
		if err := writeNew(target, []byte(strings.ReplaceAll(string(text), "@NAME@", name))); err != nil {
			return usageError("", "%w", err)
		}
		written = append(written, to)
		return nil
	})
	return written, err
}

// scaffoldName is what a file of a scaffold is called in the plugin's folder.
func scaffoldName(file, name string) string {
	folder, base := path.Split(strings.TrimSuffix(file, ".in"))
	if rest, ok := strings.CutPrefix(base, "plugin."); ok {
		base = name + "." + rest
	}
	if base == "gitignore" {
		base = ".gitignore"
	}
	return folder + base
}

// writeNew writes a file that is not there yet.
func writeNew(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Close())
}
