package wasm

import (
	"fmt"
	"unicode/utf8"
)

// Error says where and why a module could not be decoded.
type Error struct {
	Offset int // bytes from the module's start
	Reason string
}

func (e *Error) Error() string { return fmt.Sprintf("offset 0x%x: %s", e.Offset, e.Reason) }

// reader reads a part of a module. The first failure stays: every read after it returns zero and moves nothing, so that
// callers check err once, after a group of reads. Offsets are always those of the whole module.
type reader struct {
	data []byte // the whole module
	pos  int
	end  int
	err  *Error
}

func (r *reader) failAt(offset int, format string, args ...any) {
	if r.err == nil {
		r.err = &Error{offset, fmt.Sprintf(format, args...)}
	}
}

func (r *reader) more() bool { return r.err == nil && r.pos < r.end }

func (r *reader) byte() byte {
	if r.err != nil {
		return 0
	}
	if r.pos >= r.end {
		r.failAt(r.pos, "unexpected end")
		return 0
	}
	b := r.data[r.pos]
	r.pos++
	return b
}

func (r *reader) bytes(n uint32) []byte {
	if r.err != nil {
		return nil
	}
	if uint64(n) > uint64(r.end-r.pos) {
		r.failAt(r.pos, "%d bytes wanted, %d left", n, r.end-r.pos)
		return nil
	}
	b := r.data[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// part returns a reader for the next n bytes and moves past them.
func (r *reader) part(n uint32) *reader {
	start := r.pos
	r.bytes(n)
	return &reader{data: r.data, pos: start, end: r.pos, err: r.err}
}

// finish takes over a part's failure, and fails if the part was not read to its end.
func (r *reader) finish(part *reader, what string) {
	if part.err == nil && part.pos != part.end {
		part.failAt(part.pos, "%d bytes too many in the %s", part.end-part.pos, what)
	}
	if r.err == nil {
		r.err = part.err
	}
}

func (r *reader) u32() uint32 {
	start := r.pos
	if r.err == nil && r.pos < r.end && r.data[r.pos] < 0x80 { // nearly all of them
		r.pos++
		return uint32(r.data[start])
	}
	var v uint32
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if shift == 28 && b > 0x0f {
			r.failAt(start, "integer does not fit 32 bits")
			return 0
		}
		v |= uint32(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
}

// signed reads a signed integer of 32, 33 or 64 bits.
func (r *reader) signed(bits int) int64 {
	start := r.pos
	var v int64
	for shift := 0; ; shift += 7 {
		b := r.byte()
		if left := bits - shift; left < 7 {
			// The last byte: what lies above the value's sign bit must repeat it, and nothing may follow.
			if sign := int8(b<<1) >> left; b >= 0x80 || sign != 0 && sign != -1 {
				r.failAt(start, "integer does not fit %d bits", bits)
				return 0
			}
		}
		v |= int64(b&0x7f) << shift
		if b < 0x80 {
			if shift+7 < 64 && b&0x40 != 0 {
				v |= -1 << (shift + 7)
			}
			return v
		}
	}
}

// count reads the length of a vector whose entries take at least one byte each. A vector that claims more entries than
// there are bytes left is refused here, so that nobody allocates for it.
func (r *reader) count(what string) uint32 {
	start := r.pos
	n := r.u32()
	if r.err == nil && uint64(n) > uint64(r.end-r.pos) {
		r.failAt(start, "%d %s do not fit the %d bytes left", n, what, r.end-r.pos)
		return 0
	}
	return n
}

// below reads an index that must be less than n.
func (r *reader) below(n uint32, what string) uint32 {
	start := r.pos
	i := r.u32()
	if r.err == nil && i >= n {
		r.failAt(start, "%s %d of %d", what, i, n)
		return 0
	}
	return i
}

func (r *reader) name() string {
	start := r.pos
	b := r.bytes(r.count("bytes of a name"))
	if !utf8.Valid(b) {
		r.failAt(start, "name is not UTF-8")
	}
	return string(b)
}

func (r *reader) valueType() byte {
	start := r.pos
	t := r.byte()
	switch t {
	case I32, I64, F32, F64, V128, FuncRef, ExternRef:
	default:
		r.failAt(start, "unknown value type 0x%02x", t)
	}
	return t
}

func (r *reader) refType() byte {
	start := r.pos
	t := r.byte()
	if t != FuncRef && t != ExternRef {
		r.failAt(start, "unknown reference type 0x%02x", t)
	}
	return t
}

func (r *reader) limits() Limits {
	start := r.pos
	flag := r.byte()
	if flag > 1 {
		r.failAt(start, "limits 0x%02x are not supported (shared and 64-bit memories are not)", flag)
	}
	l := Limits{Min: r.u32(), HasMax: flag == 1}
	if l.HasMax {
		l.Max = r.u32()
	}
	return l
}
