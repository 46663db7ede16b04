package wasm

import "encoding/binary"

// appendU32 appends v as an unsigned LEB128 number.
func appendU32(b []byte, v uint32) []byte { return binary.AppendUvarint(b, uint64(v)) }

// appendSigned appends v as a signed LEB128 number.
func appendSigned(b []byte, v int64) []byte {
	for v < -64 || v > 63 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v)&0x7f)
}

func appendBytes[T []byte | string](b []byte, s T) []byte {
	return append(appendU32(b, uint32(len(s))), s...)
}

// appendVector appends the number of entries and each of them.
func appendVector[T any](b []byte, entries []T, entry func([]byte, T) []byte) []byte {
	b = appendU32(b, uint32(len(entries)))
	for _, e := range entries {
		b = entry(b, e)
	}
	return b
}

// encoder collects sections; body is the buffer that each is built in, for its length comes before it.
type encoder struct{ out, body []byte }

func (e *encoder) section(id byte, body []byte) {
	e.body = body
	e.out = appendBytes(append(e.out, id), body)
}

// Encode writes the module. The result shares no memory with it and depends on nothing else.
func (m *Module) Encode() []byte {
	e := &encoder{out: []byte(header)}
	if len(m.Types) > 0 {
		e.section(sectionType, appendVector(e.body[:0], m.Types, appendFuncType))
	}
	if len(m.Imports) > 0 {
		e.section(sectionImport, appendVector(e.body[:0], m.Imports, appendImport))
	}
	if len(m.Functions) > 0 {
		e.section(sectionFunction, appendVector(e.body[:0], m.Functions,
			func(b []byte, f Function) []byte { return appendU32(b, f.Type) }))
	}
	if len(m.Tables) > 0 {
		e.section(sectionTable, appendVector(e.body[:0], m.Tables,
			func(b []byte, t Table) []byte { return appendLimits(append(b, t.Type), t.Limits) }))
	}
	e.vector(sectionMemory, m.Memories)
	if len(m.Globals) > 0 {
		e.section(sectionGlobal, appendVector(e.body[:0], m.Globals, appendGlobal))
	}
	if len(m.Exports) > 0 {
		e.section(sectionExport, appendVector(e.body[:0], m.Exports, appendExport))
	}
	if m.Start != nil {
		e.section(sectionStart, appendU32(e.body[:0], *m.Start))
	}
	if len(m.Elements) > 0 {
		e.section(sectionElement, appendVector(e.body[:0], m.Elements, appendElement))
	}
	if m.DataCount != nil {
		e.section(sectionDataCount, appendU32(e.body[:0], *m.DataCount))
	}
	if len(m.Functions) > 0 {
		e.section(sectionCode, appendVector(e.body[:0], m.Functions, appendBody))
	}
	e.vector(sectionData, m.Data)
	for _, c := range m.Customs {
		e.section(sectionCustom, append(appendBytes(e.body[:0], c.Name), c.Data...))
	}
	return e.out
}

func (e *encoder) vector(id byte, v Vector) {
	if v.Count > 0 {
		e.section(id, append(appendU32(e.body[:0], v.Count), v.Bytes...))
	}
}

func appendFuncType(b []byte, t FuncType) []byte {
	return appendBytes(appendBytes(append(b, 0x60), t.Params), t.Results)
}

func appendImport(b []byte, i Import) []byte {
	b = append(appendBytes(appendBytes(b, i.Module), i.Name), i.Kind)
	switch i.Kind {
	case KindFunction:
		return appendU32(b, i.Type)
	case KindTable:
		return appendLimits(append(b, i.Value), i.Limits)
	case KindMemory:
		return appendLimits(b, i.Limits)
	default:
		return appendMutability(append(b, i.Value), i.Mutable)
	}
}

func appendLimits(b []byte, l Limits) []byte {
	if !l.HasMax {
		return appendU32(append(b, 0), l.Min)
	}
	return appendU32(appendU32(append(b, 1), l.Min), l.Max)
}

func appendMutability(b []byte, mutable bool) []byte {
	if mutable {
		return append(b, 1)
	}
	return append(b, 0)
}

func appendGlobal(b []byte, g Global) []byte {
	return append(appendMutability(append(b, g.Type), g.Mutable), g.Init...)
}

func appendExport(b []byte, e Export) []byte {
	return appendU32(append(appendBytes(b, e.Name), e.Kind), e.Index)
}

func appendElement(b []byte, e Element) []byte {
	b = appendU32(b, e.Form)
	if e.Form&1 == 0 {
		if e.Form&2 != 0 {
			b = appendU32(b, e.Table)
		}
		b = append(b, e.Offset...)
	}
	if e.Form&3 != 0 {
		b = append(b, e.Type)
	}
	if e.Form&4 != 0 {
		return appendVector(b, e.Expressions, func(b []byte, x []byte) []byte { return append(b, x...) })
	}
	return appendVector(b, e.Functions, appendU32)
}

// appendBody writes locals and code; their length comes first.
func appendBody(b []byte, f Function) []byte {
	b = appendU32(b, uint32(len(f.Locals)+len(f.Code)))
	return append(append(b, f.Locals...), f.Code...)
}
