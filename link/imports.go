package link

import (
	"fmt"

	"github.com/postern-sandbox/postern/link/internal/wasm"
)

// Import is one import of a module.
type Import struct {
	Module string // "extism:host/user"
	Name   string // "math_sqrt"
	Kind   string // "function", "table", "memory" or "global"
	Type   string // "(i64) -> i64"; "funcref 1..2" (elements); "1..2" (pages of 64 KiB); "mutable i32"
}

// String gives the import on one line, as "extism:host/user::math_sqrt (i64) -> i64".
func (i Import) String() string {
	kind := ""
	if i.Kind != "function" {
		kind = i.Kind + " "
	}
	return fmt.Sprintf("%s::%s %s%s", i.Module, i.Name, kind, i.Type)
}

// Imports lists a module's imports in the order of its import section. It fails when the module is malformed.
func Imports(module []byte) ([]Import, error) {
	m, err := decode(module)
	if err != nil {
		return nil, err
	}
	list := make([]Import, len(m.Imports))
	for n, i := range m.Imports {
		list[n] = describe(m, i)
	}
	return list, nil
}

func describe(m *wasm.Module, i wasm.Import) Import {
	d := Import{Module: i.Module, Name: i.Name}
	switch i.Kind {
	case wasm.KindFunction:
		d.Kind, d.Type = "function", m.Types[i.Type].String()
	case wasm.KindTable:
		d.Kind, d.Type = "table", wasm.TypeName(i.Value)+" "+i.Limits.String()
	case wasm.KindMemory:
		d.Kind, d.Type = "memory", i.Limits.String()
	case wasm.KindGlobal:
		d.Kind, d.Type = "global", wasm.TypeName(i.Value)
		if i.Mutable {
			d.Type = "mutable " + d.Type
		}
	}
	return d
}
