package link

import (
	"fmt"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// Check compares a linked module's imports with the granted functions. They must be equal: each function (as a symbol, in
// any order) is imported from UserModule once with the type (i64) -> i64, and nothing else is. Beside these a
// module may import what docs/abi.md lists of Extism's kernel, the default WASI functions of docs/linking.md, and those of
// keepWASI.
//
// A difference is an *ImportError that lists all that is extra and all that is missing. A module that is malformed, a
// function that is no symbol or there twice, and an unknown name in keepWASI are other errors.
func Check(module []byte, functions []string, keepWASI ...string) error {
	ordered, err := Order(functions)
	if err != nil {
		return err
	}
	kept, err := keepList(keepWASI)
	if err != nil {
		return err
	}
	m, err := decode(module)
	if err != nil {
		return err
	}
	return compare(m, ordered, kept)
}

// CheckImports is Check for a module whose code is known to be good, such as one that was linked before and kept: it reads the
// imports alone.
func CheckImports(module []byte, functions []string) error {
	ordered, err := Order(functions)
	if err != nil {
		return err
	}
	kept, err := keepList(nil)
	if err != nil {
		return err
	}
	m, err := wasm.DecodeImports(module)
	if err != nil {
		return fmt.Errorf("link: %w", err)
	}
	return compare(m, ordered, kept)
}

func compare(m *wasm.Module, ordered []string, kept map[string]bool) error {
	var problems ImportError
	imported := make([]bool, len(ordered))
	for _, i := range m.Imports {
		problems.add(m, i, difference(m, i, ordered, imported, kept))
	}
	for n, f := range ordered {
		if !imported[n] {
			problems.Missing = append(problems.Missing, f)
		}
	}
	if len(problems.Extra)+len(problems.Missing) > 0 {
		return &problems
	}
	return nil
}

// difference says why a linked module may not have an import, and marks in imported which grants have been seen.
func difference(m *wasm.Module, i wasm.Import, ordered []string, imported []bool, kept map[string]bool) string {
	if i.Module == UserModule {
		n, granted := Index(ordered, i.Name)
		switch {
		case !granted:
			return "not granted"
		case signature(m, i) != grantType:
			return "want " + grantType
		case imported[n]:
			return "imported twice"
		}
		imported[n] = true
		return ""
	}
	if reason := refusal(m, i); reason != "" {
		return reason
	}
	switch {
	case i.Module == placeholderModule:
		return "the module is not linked"
	case i.Module == wasiModule && !kept[i.Name]:
		return "the policy does not need this"
	}
	return ""
}
