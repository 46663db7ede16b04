package wasm

// The ids of the sections.
const (
	sectionCustom byte = iota
	sectionType
	sectionImport
	sectionFunction
	sectionTable
	sectionMemory
	sectionGlobal
	sectionExport
	sectionStart
	sectionElement
	sectionCode
	sectionData
	sectionDataCount
)

// places gives each section id its place in a module: the data count comes before the code, which needs it.
var places = [...]int{sectionType: 1, sectionImport: 2, sectionFunction: 3, sectionTable: 4, sectionMemory: 5,
	sectionGlobal: 6, sectionExport: 7, sectionStart: 8, sectionElement: 9, sectionDataCount: 10, sectionCode: 11, sectionData: 12}

const header = "\x00asm\x01\x00\x00\x00"

type decoder struct {
	reader
	m      *Module
	have   sizes
	locals uint64 // of all functions so far
}

// DecodeImports reads a module up to its imports. What comes after them is not looked at, and is missing from the result.
func DecodeImports(data []byte) (*Module, error) {
	return decode(data, func(id byte) bool { return id != sectionCustom && id > sectionImport })
}

// DecodeExports reads a module up to its exports, as DecodeImports does up to its imports.
func DecodeExports(data []byte) (*Module, error) {
	return decode(data, func(id byte) bool { return id != sectionCustom && id > sectionExport })
}

// LongestBody returns how many bytes the longest body of a function has. It reads the bodies' lengths alone.
func LongestBody(data []byte) (int, error) {
	if len(data) < len(header) || string(data[:len(header)]) != header {
		return 0, &Error{0, "not a WebAssembly module of version 1"}
	}
	r := &reader{data: data, pos: len(header), end: len(data)}
	longest := uint32(0)
	for r.more() {
		id := r.byte()
		section := r.part(r.u32())
		if id != sectionCode {
			continue
		}
		for n := section.u32(); n > 0 && section.err == nil; n-- {
			size := section.u32()
			section.bytes(size)
			longest = max(longest, size)
		}
		r.finish(section, "section")
	}
	if r.err != nil {
		return 0, r.err
	}
	return int(longest), nil
}

// Decode reads a module. The error is an *Error. The module's byte slices are parts of data.
func Decode(data []byte) (*Module, error) {
	return decode(data, func(byte) bool { return false })
}

// decode reads a module up to the first section for which stop is true.
func decode(data []byte, stop func(id byte) bool) (*Module, error) {
	d := &decoder{reader: reader{data: data, end: len(data)}, m: new(Module)}
	if len(data) < len(header) || string(data[:len(header)]) != header {
		return nil, &Error{0, "not a WebAssembly module of version 1"}
	}
	d.pos = len(header)
	place := 0
	bodies := uint32(0)
	for d.more() {
		if stop(d.data[d.pos]) {
			return d.m, nil
		}
		id := d.sectionID(&place)
		s := &decoder{reader: *d.part(d.u32()), m: d.m, have: d.have}
		bodies += s.section(id)
		d.have = s.have
		d.finish(&s.reader, "section")
	}
	if d.err == nil && int(bodies) != len(d.m.Functions) {
		d.failAt(d.pos, "%d functions have %d bodies", len(d.m.Functions), bodies)
	}
	if n := d.m.DataCount; d.err == nil && n != nil && *n != d.m.Data.Count {
		d.failAt(d.pos, "%d data segments, %d announced", d.m.Data.Count, *n)
	}
	if d.err != nil {
		return nil, d.err
	}
	return d.m, nil
}

// sectionID reads a section's id; place is that of the last section that was not a custom one.
func (d *decoder) sectionID(place *int) byte {
	start := d.pos
	id := d.byte()
	switch {
	case id == sectionCustom:
	case int(id) >= len(places):
		d.failAt(start, "unknown section %d", id)
	case places[id] <= *place:
		d.failAt(start, "section %d is out of order or there twice", id)
	default:
		*place = places[id]
	}
	return id
}

// section reads one section and returns how many function bodies it had.
func (d *decoder) section(id byte) (bodies uint32) {
	switch id {
	case sectionCustom:
		name := d.name()
		d.m.Customs = append(d.m.Customs, Custom{name, d.bytes(uint32(d.end - d.pos))})
	case sectionType:
		d.each("types", d.functionType)
	case sectionImport:
		d.each("imports", d.importEntry)
		d.have[SpaceFunction] = d.m.imported(KindFunction)
		d.have[SpaceGlobal] = d.m.imported(KindGlobal)
	case sectionFunction:
		d.each("functions", d.declareFunction)
	case sectionTable:
		d.each("tables", d.table)
	case sectionMemory:
		d.m.Memories = d.vector("memories", func() { d.limits() })
	case sectionGlobal:
		d.each("globals", d.global)
	case sectionExport:
		d.each("exports", d.export)
	case sectionStart:
		f := d.below(d.have[SpaceFunction], "function")
		d.m.Start = &f
	case sectionElement:
		d.each("element segments", d.element)
	case sectionDataCount:
		n := d.u32()
		d.m.DataCount = &n
	case sectionCode:
		d.each("function bodies", func() { d.body(bodies); bodies++ })
	case sectionData:
		d.m.Data = d.vector("data segments", d.dataSegment)
	}
	return bodies
}

func (d *decoder) each(what string, read func()) {
	for n := d.count(what); n > 0 && d.err == nil; n-- {
		read()
	}
}

// vector checks entries that are kept as they are.
func (d *decoder) vector(what string, read func()) Vector {
	n := d.count(what)
	start := d.pos
	for i := n; i > 0 && d.err == nil; i-- {
		read()
	}
	return Vector{n, d.data[start:d.pos:d.pos]}
}

func (d *decoder) functionType() {
	start := d.pos
	if form := d.byte(); form != 0x60 {
		d.failAt(start, "unknown form of type 0x%02x", form)
	}
	d.m.Types = append(d.m.Types, FuncType{d.valueTypes("parameters"), d.valueTypes("results")})
	d.have[SpaceType]++
}

func (d *decoder) valueTypes(what string) string {
	n := d.count(what)
	start := d.pos
	for ; n > 0 && d.err == nil; n-- {
		d.valueType()
	}
	return string(d.data[start:d.pos])
}

func (d *decoder) importEntry() {
	i := Import{Module: d.name(), Name: d.name()}
	start := d.pos
	switch i.Kind = d.byte(); i.Kind {
	case KindFunction:
		i.Type = d.below(d.have[SpaceType], "type")
	case KindTable:
		i.Value, i.Limits = d.refType(), d.limits()
	case KindMemory:
		i.Limits = d.limits()
	case KindGlobal:
		i.Value, i.Mutable = d.valueType(), d.mutability()
	default:
		d.failAt(start, "unknown kind of import 0x%02x", i.Kind)
	}
	d.m.Imports = append(d.m.Imports, i)
}

func (d *decoder) mutability() bool {
	start := d.pos
	b := d.byte()
	if b > 1 {
		d.failAt(start, "unknown mutability 0x%02x", b)
	}
	return b == 1
}

func (d *decoder) declareFunction() {
	d.m.Functions = append(d.m.Functions, Function{Type: d.below(d.have[SpaceType], "type")})
	d.have[SpaceFunction]++
}

func (d *decoder) table() {
	start := d.pos
	t := Table{d.refType(), d.limits()}
	d.m.Tables = append(d.m.Tables, t)
	if len(d.m.Tables) > MaxTables {
		d.failAt(start, "more than %d tables", MaxTables)
	}
	if t.Limits.Min > MaxElements {
		d.failAt(start, "table of %d elements, more than %d", t.Limits.Min, MaxElements)
	}
}

func (d *decoder) global() {
	g := Global{Type: d.valueType(), Mutable: d.mutability()}
	g.Init = d.constant(d.have)
	d.m.Globals = append(d.m.Globals, g)
	d.have[SpaceGlobal]++
}

func (d *decoder) export() {
	e := Export{Name: d.name()}
	start := d.pos
	switch e.Kind = d.byte(); e.Kind {
	case KindFunction:
		e.Index = d.below(d.have[SpaceFunction], "function")
	case KindGlobal:
		e.Index = d.below(d.have[SpaceGlobal], "global")
	case KindTable, KindMemory:
		e.Index = d.u32()
	default:
		d.failAt(start, "unknown kind of export 0x%02x", e.Kind)
	}
	d.m.Exports = append(d.m.Exports, e)
}

// element reads one of the eight forms of segment: bit 0 is passive or declarative, bit 1 an explicit table (or
// declarative), bit 2 expressions in the place of function indices.
func (d *decoder) element() {
	start := d.pos
	e := Element{Form: d.u32()}
	if e.Form > 7 {
		d.failAt(start, "unknown form of element segment %d", e.Form)
	}
	if e.Form&1 == 0 {
		if e.Form&2 != 0 {
			e.Table = d.u32()
		}
		e.Offset = d.constant(d.have)
	}
	switch {
	case e.Form&3 == 0:
	case e.Form&4 != 0:
		e.Type = d.refType()
	default:
		at := d.pos
		if e.Type = d.byte(); e.Type != 0 {
			d.failAt(at, "unknown kind of element 0x%02x", e.Type)
		}
	}
	d.each("elements", func() {
		if e.Form&4 != 0 {
			e.Expressions = append(e.Expressions, d.constant(d.have))
		} else {
			e.Functions = append(e.Functions, d.below(d.have[SpaceFunction], "function"))
		}
	})
	d.m.Elements = append(d.m.Elements, e)
}

func (d *decoder) body(i uint32) {
	start := d.pos
	part := d.part(d.u32())
	if int(i) >= len(d.m.Functions) {
		d.failAt(start, "body %d of %d functions", i, len(d.m.Functions))
		return
	}
	f := &d.m.Functions[i]
	f.Locals = part.locals(&d.locals)
	f.Code = part.code(d.have)
	d.finish(part, "function body")
}

func (d *decoder) dataSegment() {
	start := d.pos
	form := d.u32()
	if form > 2 {
		d.failAt(start, "unknown form of data segment %d", form)
	}
	if form == 2 {
		at := d.pos
		if d.u32() != 0 {
			d.failAt(at, "more than one memory is not supported")
		}
	}
	if form != 1 {
		d.constant(d.have)
	}
	d.bytes(d.u32())
}
