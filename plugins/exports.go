package plugins

import (
	"errors"
	"fmt"
	"strings"
)

// The ids of sections, and of kinds of imports and exports.
const (
	typeSection     = 1
	importSection   = 2
	functionSection = 3
	exportSection   = 7

	kindFunction = 0
	kindTable    = 1
	kindMemory   = 2
	kindGlobal   = 3
)

// exportedFunctions gives the functions that a module exports, and their types as "() -> i32". Of the module only the sections
// that say so are read.
func exportedFunctions(module []byte) (map[string]string, error) {
	var m exporting
	err := sections(module, func(s section) error {
		r := &cursor{rest: s.contents}
		switch s.id {
		case typeSection:
			r.vector(func() { m.types = append(m.types, r.functionType()) })
		case importSection:
			r.vector(func() { m.readImport(r) })
		case functionSection:
			r.vector(func() { m.functions = append(m.functions, r.u32()) })
		case exportSection:
			r.vector(func() { m.readExport(r) })
		}
		if r.failed {
			return errors.New("plugins: the module is malformed")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	named := make(map[string]string)
	for name, function := range m.exports {
		if uint64(function) >= uint64(len(m.functions)) || uint64(m.functions[function]) >= uint64(len(m.types)) {
			return nil, fmt.Errorf("plugins: the module's export %q is no function of it", name)
		}
		named[name] = m.types[m.functions[function]]
	}
	return named, nil
}

type exporting struct {
	types     []string
	functions []uint32 // the type of each, imported ones first
	exports   map[string]uint32
}

func (m *exporting) readImport(r *cursor) {
	r.name()
	r.name()
	switch r.byte() {
	case kindFunction:
		m.functions = append(m.functions, r.u32())
	case kindTable:
		r.byte()
		r.limits()
	case kindMemory:
		r.limits()
	case kindGlobal:
		r.byte()
		r.byte()
	default:
		r.failed = true
	}
}

func (m *exporting) readExport(r *cursor) {
	name, kind, index := r.name(), r.byte(), r.u32()
	if kind == kindFunction {
		if m.exports == nil {
			m.exports = make(map[string]uint32)
		}
		m.exports[name] = index
	}
}

// A cursor reads a section. Once it has failed it gives zeros.
type cursor struct {
	rest   []byte
	failed bool
}

func (r *cursor) byte() byte {
	if r.failed || len(r.rest) == 0 {
		r.failed = true
		return 0
	}
	b := r.rest[0]
	r.rest = r.rest[1:]
	return b
}

func (r *cursor) u32() uint32 {
	v, n := u32(r.rest)
	if r.failed || n == 0 {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *cursor) name() string {
	n := r.u32()
	if r.failed || uint64(n) > uint64(len(r.rest)) {
		r.failed = true
		return ""
	}
	name := string(r.rest[:n])
	r.rest = r.rest[n:]
	return name
}

func (r *cursor) limits() {
	flags := r.byte()
	r.u32()
	if flags&1 != 0 {
		r.u32()
	}
}

// vector reads as many items as it says there are. Each has a byte at least, so that their number is bounded by the section's length.
func (r *cursor) vector(item func()) {
	for n := r.u32(); n > 0 && !r.failed; n-- {
		item()
	}
}

var valueTypes = map[byte]string{0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128", 0x70: "funcref", 0x6F: "externref"}

func (r *cursor) functionType() string {
	if r.byte() != 0x60 {
		r.failed = true
	}
	list := func() string {
		var types []string
		r.vector(func() {
			t, ok := valueTypes[r.byte()]
			r.failed = r.failed || !ok
			types = append(types, t)
		})
		return strings.Join(types, " ")
	}
	params, results := list(), list()
	if len(results) > 0 && !strings.Contains(results, " ") {
		return "(" + params + ") -> " + results
	}
	return "(" + params + ") -> (" + results + ")"
}
