package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A source is a plugin's folder, and what is in it.
type source struct {
	dir      string // absolute
	name     string // of the tool
	language string
	file     string   // of a plugin in Python
	files    []string // in C
}

// findSource looks for what a plugin is written in.
func findSource(dir string) (source, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return source{}, usageError("", "%w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return source{}, usageError("", "%w", err)
	}
	s := source{dir: absolute, name: nameOfFolder(filepath.Base(absolute))}
	var python []string
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case name == "go.mod":
			s.language = "go"
		case name == "Cargo.toml" && s.language == "":
			s.language = "rust"
		case strings.HasSuffix(name, ".c"):
			s.files = append(s.files, name)
		case strings.HasSuffix(name, ".py") && !strings.HasPrefix(name, "test") && !strings.HasSuffix(name, "_test.py"):
			python = append(python, name)
		}
	}
	switch {
	case s.language != "":
		return s, nil
	case len(s.files) > 0:
		s.language = "c"
		return s, nil
	case len(python) == 1:
		s.language, s.file, s.name = "python", filepath.Join(dir, python[0]), nameOfFolder(strings.TrimSuffix(python[0], ".py"))
		return s, nil
	case len(python) > 1:
		return source{}, usageError("a plugin in Python is one file", "%s has %s", dir, strings.Join(python, ", "))
	}
	return source{}, usageError("a plugin has go.mod, Cargo.toml, *.c or *.py; `postern plugin new` begins one", "%s has no plugin in it", dir)
}

// nameOfFolder makes a name for policies of a folder's.
func nameOfFolder(folder string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '_':
			return r
		case 'A' <= r && r <= 'Z':
			return r | 0x20
		case r == '-' || r == '.' || r == ' ':
			return '_'
		}
		return -1
	}, folder)
	return cmp.Or(strings.TrimLeft(name, "_0123456789"), "plugin")
}

// compile runs the language's tools and gives the path of the module that they made.
func (c *cli) compile(s source, work string) (string, error) {
	switch s.language {
	case "go":
		return c.compileGo(s, work)
	case "rust":
		return c.compileRust(s)
	}
	return c.compileC(s, work)
}

func (c *cli) compileGo(s source, work string) (string, error) {
	if _, err := exec.LookPath("go"); err != nil {
		return "", usageError("https://go.dev/dl has it; Debian's package is golang-go", "a plugin in Go needs go, of 1.24 or newer, and it is not on PATH")
	}
	out := filepath.Join(work, "plugin.wasm")
	// A library (c-shared) has exports to be called; a command has only a main. What would differ from folder to folder is left out.
	err := c.runTool(s.dir, []string{"GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOWORK=off"},
		"go", "build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, ".")
	return out, err
}

// clangs are the names under which clang may be.
func clangs() []string {
	names := []string{"clang"}
	if cc := os.Getenv("CC"); cc != "" {
		names = []string{cc, "clang"}
	}
	for version := 25; version >= 14; version-- {
		names = append(names, fmt.Sprintf("clang-%d", version))
	}
	return names
}

// findClang finds a clang that can make WebAssembly.
func (c *cli) findClang() (string, error) {
	for _, name := range clangs() {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if targets, err := exec.CommandContext(c.ctx, path, "-print-targets").Output(); err == nil && bytes.Contains(targets, []byte("wasm32")) {
			return name, nil
		}
	}
	return "", usageError("Debian's packages are clang-19 and lld-19; CC names another", "a plugin in C needs a clang with the target wasm32, and there is none on PATH")
}

func (c *cli) compileC(s source, work string) (string, error) {
	clang, err := c.findClang()
	if err != nil {
		return "", err
	}
	var objects []string
	for i, file := range s.files {
		object := filepath.Join(work, fmt.Sprintf("%d.o", i))
		objects = append(objects, object)
		if err := c.runTool(s.dir, nil, clang, "--target=wasm32", "-Os", "-std=c17", "-ffreestanding", "-fno-builtin", "-fvisibility=hidden", "-Wall", "-Wextra",
			"-ffile-prefix-map="+s.dir+"=.", "-c", "-o", object, file); err != nil {
			return "", err
		}
	}
	out := filepath.Join(work, "plugin.wasm")
	// Linked without -O: clang would run whatever wasm-opt there is. The stack comes first, so that it overflows into nothing.
	args := slices.Concat([]string{"--target=wasm32", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all", "-Wl,--stack-first", "-Wl,-z,stack-size=65536", "-o", out}, objects)
	return out, c.runTool(s.dir, nil, clang, args...)
}

const rustTarget = "wasm32-unknown-unknown"

func (c *cli) compileRust(s source) (string, error) {
	const hint = "rustup, of https://rustup.rs, or Debian's packages cargo and rustc"
	if _, err := exec.LookPath(cmp.Or(os.Getenv("CARGO"), "cargo")); err != nil {
		return "", usageError(hint, "a plugin in Rust needs cargo, and it is not on PATH")
	}
	cargo := cmp.Or(os.Getenv("CARGO"), "cargo")
	crate, err := c.readCrate(s, cargo)
	if err != nil {
		return "", err
	}
	args := []string{"build", "--release", "--lib", "--target", rustTarget}
	if _, err := os.Stat(filepath.Join(s.dir, "Cargo.lock")); err == nil {
		args = append(args, "--locked")
	}
	err = c.runTool(s.dir, []string{"RUSTFLAGS=" + crate.flags(s.dir)}, cargo, args...)
	return filepath.Join(crate.target, rustTarget, "release", crate.library+".wasm"), err
}

// A crate is what cargo knows of a plugin.
type crate struct {
	library string   // its name
	target  string   // the folder that cargo builds in
	sources []string // the folders that dependencies are in
}

// flags are those of the environment, and what keeps this machine's folders out of the module.
func (k *crate) flags(dir string) string {
	flags := append(strings.Fields(os.Getenv("RUSTFLAGS")), "--remap-path-prefix="+dir+"=.")
	for _, source := range k.sources {
		flags = append(flags, "--remap-path-prefix="+source+"=crates")
	}
	return strings.Join(flags, " ")
}

// readCrate asks cargo, which fetches the dependencies.
func (c *cli) readCrate(s source, cargo string) (*crate, error) {
	command := exec.CommandContext(c.ctx, cargo, "metadata", "--format-version", "1", "--filter-platform", rustTarget)
	command.Dir, command.Stderr = s.dir, c.stderr
	out, err := command.Output()
	if err != nil {
		return nil, &failure{err: fmt.Errorf("cargo metadata: %w", err), code: exitRaised}
	}
	var metadata struct {
		TargetDirectory string `json:"target_directory"`
		Packages        []struct {
			ManifestPath string `json:"manifest_path"`
			Targets      []struct {
				Name       string   `json:"name"`
				CrateTypes []string `json:"crate_types"`
			} `json:"targets"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(out, &metadata); err != nil {
		return nil, fmt.Errorf("the answer of cargo metadata: %w", err)
	}
	k := &crate{target: metadata.TargetDirectory}
	for _, p := range metadata.Packages {
		folder := filepath.Dir(p.ManifestPath)
		if folder != s.dir {
			if source := filepath.Dir(folder); !slices.Contains(k.sources, source) {
				k.sources = append(k.sources, source)
			}
			continue
		}
		for _, t := range p.Targets {
			if slices.Contains(t.CrateTypes, "cdylib") {
				k.library = strings.ReplaceAll(t.Name, "-", "_")
			}
		}
	}
	if k.library == "" {
		return nil, usageError("write in Cargo.toml: [lib] crate-type = [\"cdylib\"]", "Cargo.toml has no library that is a cdylib")
	}
	return k, nil
}

// runTool runs a compiler, and shows how.
func (c *cli) runTool(dir string, env []string, name string, args ...string) error {
	shown := slices.Concat(env, []string{name}, args)
	for i, word := range shown {
		if strings.ContainsAny(word, " '\"") {
			shown[i] = "'" + word + "'"
		}
	}
	fmt.Fprintln(c.stderr, visible("$ "+strings.Join(shown, " ")))
	command := exec.CommandContext(c.ctx, name, args...)
	command.Dir, command.Env = dir, append(os.Environ(), env...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = c.stderr, io.MultiWriter(c.stderr, &said)
	err := command.Run()
	var failed *exec.ExitError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &failed):
		return &failure{err: fmt.Errorf("%s: %w", name, err), code: exitRaised, hint: toolHint(name, said.String())}
	}
	return &failure{err: err, code: exitRaised}
}

// toolHint says what to do about failures that are not the code's.
func toolHint(name, said string) string {
	switch {
	case strings.Contains(said, "target may not be installed"):
		return "rustup target add " + rustTarget + ", or Debian's package libstd-rust-dev-wasm32"
	case strings.Contains(said, "wasm-ld") && (strings.Contains(said, "No such file") || strings.Contains(said, "unable to execute")):
		return "the linker wasm-ld is in Debian's package lld-" + strings.TrimPrefix(name, "clang-")
	case strings.Contains(said, "c-shared not supported") || strings.Contains(said, "wasmexport"):
		return "plugins in Go need go 1.24 or newer"
	}
	return ""
}
