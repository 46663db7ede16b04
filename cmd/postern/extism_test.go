package main

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"

	extism "github.com/extism/go-sdk"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/tetratelabs/wazero"
)

// extismCall is `extism call MODULE FUNCTION [--input TEXT] [--link NAME=MODULE …] [--wasi]`: what Extism's command of that name does with these
// flags, which is little more than the manifest for its Go SDK. The modules to link come first, the plugin last, and has no name.
func extismCall(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 3 || args[0] != "call" {
		ts.Fatalf("usage: extism call MODULE FUNCTION [FLAGS]")
	}
	flags := flag.NewFlagSet("extism", flag.ContinueOnError)
	input := flags.String("input", "", "")
	wasi := flags.Bool("wasi", false, "")
	var links list
	flags.Var(&links, "link", "")
	ts.Check(flags.Parse(args[3:]))
	var manifest extism.Manifest
	for _, link := range links {
		name, path, _ := strings.Cut(link, "=")
		manifest.Wasm = append(manifest.Wasm, extism.WasmFile{Path: ts.MkAbs(path), Name: name})
	}
	manifest.Wasm = append(manifest.Wasm, extism.WasmFile{Path: ts.MkAbs(args[1])})
	output, err := callPlugin(manifest, *wasi, args[2], *input, ts.Getenv("XDG_CACHE_HOME"))
	fmt.Fprintln(ts.Stdout(), string(output))
	switch {
	case err != nil && !neg:
		ts.Fatalf("%v", err)
	case err != nil:
		fmt.Fprintln(ts.Stderr(), err)
	case neg:
		ts.Fatalf("it did not fail")
	}
}

func callPlugin(manifest extism.Manifest, wasi bool, function, input, cache string) ([]byte, error) {
	ctx := context.Background()
	compiled, err := wazero.NewCompilationCacheWithDir(filepath.Join(cache, "postern-tests"))
	if err != nil {
		return nil, err
	}
	defer compiled.Close(ctx)
	config := extism.PluginConfig{EnableWasi: wasi, RuntimeConfig: wazero.NewRuntimeConfig().WithCompilationCache(compiled), ModuleConfig: wazero.NewModuleConfig().WithSysWalltime()}
	plugin, err := extism.NewPlugin(ctx, manifest, config, nil)
	if err != nil {
		return nil, err
	}
	defer plugin.Close(ctx)
	_, output, err := plugin.CallWithContext(ctx, function, []byte(input))
	return output, err
}
