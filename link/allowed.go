package link

import (
	"fmt"
	"strings"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// The types of the imports that are not listed by name.
const (
	placeholderType = "(i32 i64) -> i64"
	grantType       = "(i64) -> i64"
)

// kernelFunctions are the functions of Extism's kernel that a guest may import: those of docs/abi.md. The kernel has more
// (HTTP, variables, configuration, logs); those would be powers that no policy grants.
var kernelFunctions = map[string]string{
	"alloc":          "(i64) -> i64",
	"free":           "(i64) -> ()",
	"length":         "(i64) -> i64",
	"load_u8":        "(i64) -> i32",
	"load_u64":       "(i64) -> i64",
	"store_u8":       "(i64 i32) -> ()",
	"store_u64":      "(i64 i64) -> ()",
	"input_length":   "() -> i64",
	"input_load_u8":  "(i64) -> i32",
	"input_load_u64": "(i64) -> i64",
	"output_set":     "(i64 i64) -> ()",
	"error_set":      "(i64) -> ()",
}

// signature is an imported function's type, or "" for an import of another kind.
func signature(m *wasm.Module, i wasm.Import) string {
	if i.Kind != wasm.KindFunction {
		return ""
	}
	return m.Types[i.Type].String()
}

// refusal says why a guest may not have an import from the kernel or WASI, or from anywhere else; "" when it may.
func refusal(m *wasm.Module, i wasm.Import) string {
	var want string
	var known bool
	switch i.Module {
	case kernelModule:
		want, known = kernelFunctions[i.Name]
	case wasiModule:
		var f wasiFunction
		f, known = wasiFunctions[i.Name]
		want = f.signature
	case placeholderModule:
		want, known = placeholderType, i.Name == placeholderName
	default:
		return "guests import nothing from this module"
	}
	switch {
	case !known:
		return "guests may not import this"
	case signature(m, i) != want:
		return "want " + want
	}
	return ""
}

// ImportError says how a module's imports differ from what they must be. Extra and Missing keep the order of the module
// and of the symbols.
type ImportError struct {
	Extra   []ExtraImport // the module has them and must not
	Missing []string      // granted functions, as symbols, that the module does not import
}

// ExtraImport is an import that a module must not have.
type ExtraImport struct {
	Import
	Reason string // "not granted", "want (i64) -> i64"
}

func (e *ImportError) Error() string {
	var b strings.Builder
	b.WriteString("link: the module's imports are not those it must have")
	for _, x := range e.Extra {
		fmt.Fprintf(&b, "\n\textra: %v: %s", x.Import, x.Reason)
	}
	for _, f := range e.Missing {
		fmt.Fprintf(&b, "\n\tmissing: %s::%s", UserModule, f)
	}
	return b.String()
}

// add records an import as extra unless the reason is empty.
func (e *ImportError) add(m *wasm.Module, i wasm.Import, reason string) {
	if reason != "" {
		e.Extra = append(e.Extra, ExtraImport{describe(m, i), reason})
	}
}
