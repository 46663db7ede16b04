package link

import (
	"errors"
	"fmt"
	"slices"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// StartFunction is what Plugin makes of a start function: an export, which the host calls first.
const StartFunction = reserved + "start"

// PluginWASI are the functions of wasi_snapshot_preview1 that a plugin keeps beside the default ones of docs/linking.md: it may exit, which
// ends its instance alone.
func PluginWASI() []string { return []string{"proc_exit"} }

// pluginFunctions are the functions of Extism's kernel that a plugin may import beside those of a guest. They reach nothing but the
// plugin's own blocks and variables, and the host's logger.
var pluginFunctions = map[string]string{
	"input_offset":  "() -> i64",
	"length_unsafe": "(i64) -> i64",
	"output_length": "() -> i64",
	"output_offset": "() -> i64",
	"error_get":     "() -> i64",
	"var_get":       "(i64) -> i64",
	"var_set":       "(i64 i64) -> ()",
	"log_trace":     "(i64) -> ()",
	"log_debug":     "(i64) -> ()",
	"log_info":      "(i64) -> ()",
	"log_warn":      "(i64) -> ()",
	"log_error":     "(i64) -> ()",
}

// A pluginStub is a function of Extism's kernel that a plugin may name and does not get: plugin development kits import them for every
// plugin.
type pluginStub struct {
	signature string
	body      function
}

var pluginStubs = map[string]pluginStub{
	"config_get":       {"(i64) -> i64", function{code: wasm.Code{}.I64(0)}}, // no such key
	"get_log_level":    {"() -> i32", function{code: wasm.Code{}.I32(0)}},    // all of them: the host chooses
	"http_headers":     {"() -> i64", function{code: wasm.Code{}.I64(0)}},
	"http_status_code": {"() -> i32", function{code: wasm.Code{}.I32(0)}},
	"http_request":     {"(i64 i64) -> i64", function{code: wasm.Code{}.Do(wasm.OpUnreachable)}},
}

// Plugin makes an Extism plugin fit to run as a tool: what remains of its imports is what a plugin may import (docs/plugins.md) and those of
// the granted functions, as symbols, that it asks for; it is metered, as by Meter; and its start function, which would run before
// anybody could limit it, has become the export StartFunction.
//
// Functions of Extism's kernel that are powers (HTTP, configuration) become functions inside the module that give nothing, and
// so do the functions of WASI that a guest does not keep, PluginWASI apart: the clock does not tell the time, entropy is the same each time.
//
// Every import that a plugin may not have is in an *ImportError. Other errors are for modules that are malformed, or linked already.
func Plugin(module []byte, granted []string) ([]byte, error) {
	functions, err := Order(granted)
	if err != nil {
		return nil, err
	}
	kept, err := keepList(PluginWASI())
	if err != nil {
		return nil, err
	}
	m, err := decode(module)
	if err != nil {
		return nil, err
	}
	if e, ok := reservedExport(m); ok {
		return nil, fmt.Errorf("link: the module is linked already: it exports %q", e)
	}
	var problems ImportError
	for _, i := range m.Imports {
		problems.add(m, i, pluginRefusal(m, i, functions))
	}
	if len(problems.Extra) > 0 {
		return nil, &problems
	}
	if err := pluginInitializer(m); err != nil {
		return nil, err
	}
	global := stubs{clock: addState(m, ClockGlobal, 0), entropy: addState(m, EntropyGlobal, 0)}
	replaceImports(m, nil, func(i wasm.Import) (function, bool) {
		if stub, ok := pluginStubs[i.Name]; ok && i.Module == kernelModule {
			return stub.body, true
		}
		if i.Module == wasiModule && !kept[i.Name] {
			return global.function(i.Name), true
		}
		return function{}, false
	})
	if m.Start != nil {
		m.Exports = append(m.Exports, wasm.Export{Name: StartFunction, Kind: wasm.KindFunction, Index: *m.Start})
		m.Start = nil
	}
	if err := m.ShareTables(); err != nil {
		return nil, fmt.Errorf("link: plugin: %w", err)
	}
	addFuel(m)
	return m.Encode(), nil
}

// initializers are the exports that Extism calls by itself before the first call, where they are there.
var initializers = []string{"_initialize", "__wasm_call_ctors"}

// pluginInitializer leaves one export that starts the plugin, under the name _initialize: what Extism calls by itself would run before anybody
// could limit it.
func pluginInitializer(m *wasm.Module) error {
	if m.Start != nil && m.Types[functionType(m, *m.Start)].String() != "() -> ()" {
		return errors.New("link: the plugin's start function is not () -> ()")
	}
	found := -1
	for n, e := range m.Exports {
		switch {
		case e.Kind != wasm.KindFunction:
		case e.Name == "hs_init":
			return errors.New("link: the plugin exports hs_init: plugins in Haskell are not supported")
		case !slices.Contains(initializers, e.Name):
		case m.Types[functionType(m, e.Index)].String() != "() -> ()":
			return fmt.Errorf("link: the plugin's export %s is not a function () -> ()", e.Name)
		case found < 0 || e.Name == initializers[0]:
			found = n
		}
	}
	if found >= 0 {
		initializer := m.Exports[found]
		initializer.Name = initializers[0]
		m.Exports = slices.DeleteFunc(m.Exports, func(e wasm.Export) bool { return slices.Contains(initializers, e.Name) })
		m.Exports = append(m.Exports, initializer)
	}
	return nil
}

// pluginRefusal says why a plugin may not have an import; "" when it may.
func pluginRefusal(m *wasm.Module, i wasm.Import, granted []string) string {
	described := describe(m, i)
	if _, ok := Index(granted, i.Name); !ok && i.Module == UserModule {
		return "not granted"
	}
	switch want := described.Wants(); {
	case !slices.Contains([]string{UserModule, kernelModule, wasiModule}, i.Module):
		return "plugins import nothing from this module"
	case want == "":
		return "plugins may not import this"
	case signature(m, i) != want:
		return "want " + want
	}
	return ""
}

// CheckPlugin checks that a module which Plugin has made, and which was kept, imports what a plugin may import and of the granted functions none but these. It
// reads the imports alone.
func CheckPlugin(module []byte, granted []string) error {
	functions, err := Order(granted)
	if err != nil {
		return err
	}
	m, err := wasm.DecodeImports(module)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	var problems ImportError
	for _, i := range m.Imports {
		reason := pluginRefusal(m, i, functions)
		if stays, _ := PluginImport(describe(m, i)); reason == "" && !stays {
			reason = "not replaced"
		}
		problems.add(m, i, reason)
	}
	if len(problems.Extra) > 0 {
		return &problems
	}
	return nil
}

// PluginImport says what becomes of an import of a plugin that Plugin takes: whether it stays an import, or is replaced by a function
// that gives nothing. For an import that Plugin refuses, both are false.
func PluginImport(i Import) (stays, replaced bool) {
	if i.Kind != "function" || i.Type != i.Wants() {
		return false, false
	}
	switch i.Module {
	case UserModule:
		return true, false
	case kernelModule:
		_, replaced = pluginStubs[i.Name]
		return kernelFunctions[i.Name]+pluginFunctions[i.Name] != "", replaced
	case wasiModule:
		f, known := wasiFunctions[i.Name]
		stays = known && (f.keep || slices.Contains(PluginWASI(), i.Name))
		return stays, known && !stays
	}
	return false, false
}

// Export is one export of a module.
type Export struct {
	Name string // "render"
	Kind string // "function", "table", "memory" or "global"
	Type string // of a function: "() -> i32"
}

// Exports lists a module's exports in the order of its export section. It reads no further: that there is no error does not say that the module's code is
// good.
func Exports(module []byte) ([]Export, error) {
	m, err := wasm.DecodeExports(module)
	if err != nil {
		return nil, fmt.Errorf("link: %w", err)
	}
	kinds := map[byte]string{wasm.KindFunction: "function", wasm.KindTable: "table", wasm.KindMemory: "memory", wasm.KindGlobal: "global"}
	list := make([]Export, len(m.Exports))
	for n, e := range m.Exports {
		list[n] = Export{Name: e.Name, Kind: kinds[e.Kind]}
		if e.Kind == wasm.KindFunction {
			list[n].Type = m.Types[functionType(m, e.Index)].String()
		}
	}
	return list, nil
}

// functionType is the index of the type of a function, imported or own.
func functionType(m *wasm.Module, function uint32) uint32 {
	for _, i := range m.Imports {
		if i.Kind != wasm.KindFunction {
			continue
		}
		if function == 0 {
			return i.Type
		}
		function--
	}
	return m.Functions[function].Type
}
