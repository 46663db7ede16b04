package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// The room is the part of the guest's memory in which the functions of a sealed module work: what the guest keeps free for what
// its host says, which in a sealed module nobody does. These are places in it.
const (
	roomRecord      = 0                             // a record of the archive
	roomPath        = 64                            // the path that a record has
	roomWanted      = roomPath + pathLimit          // the path that is looked for
	roomText        = roomWanted + pathLimit + 8    // what is said to the host
	roomDescriptors = roomText + textLimit          // what is open
	roomSize        = roomDescriptors + 16*maxFiles //
	textLimit       = 1024                          // bytes of one text
	maxFiles        = 1024 + 4                      // open at once: the host's own bound, and what is open from the beginning
	maxVectors      = 1024                          // buffers of one call, as in the host
	longestPath     = 64 << 10                      // bytes that are looked through for a path; there is none as long
)

// The fields of a descriptor, of 16 bytes, and what the first can be.
const (
	descriptorState    = 0 // u32
	descriptorRecord   = 4 // u32
	descriptorPosition = 8 // u64

	stateFree   = 0
	stateOpen   = 1
	stateRoot   = 2 // the folder that all paths begin in
	stateInput  = 3 // the standard ones, which are no files
	stateOutput = 4
)

// files makes the functions that stand for WASI's in a sealed module: they read the archive. Those that WASI has come by the names of
// wasiFunctions. What they answer is what the host's own file system answers, a tree in memory that cannot be changed; they
// take no fuel, as WASI's do not, and so none of them does more at once than it is asked to read.
type files struct {
	segment uint32 // the archive
	records uint32 // that have a path
	room    uint32 // its address

	// Functions that these call, as indices.
	record, descriptor, find, resolve, filestat, readv uint32
}

// errnos that only these functions give.
const (
	errnoBadf        = 8
	errnoIO          = 29
	errnoIsdir       = 31
	errnoMfile       = 33
	errnoNametoolong = 37
	errnoNoent       = 44
	errnoNosys       = 52
	errnoNotdir      = 54
	errnoPerm        = 63
)

// The rights that a descriptor is said to have. They are wazero's, and mean nothing: what can be done is decided where it is done.
const (
	rightWrite    = 1 << 6
	rightsFile    = 1<<0 | 1<<1 | 1<<2 | 1<<3 | 1<<4 | 1<<5 | rightWrite | 1<<7 | 1<<8 | 1<<21 | 1<<22 | 1<<23 | 1<<27
	rightsFolder  = 1<<0 | 1<<3 | 1<<4 | 1<<9 | 1<<10 | 1<<11 | 1<<12 | 1<<13 | 1<<14 | 1<<15 | 1<<16 | 1<<17 | 1<<18 | 1<<19 | 1<<20 | 1<<21 | 1<<23 | 1<<24 | 1<<25 | 1<<26
	rightsInherit = rightsFile | rightsFolder
)

// at is the address of a place in the room.
func (f *files) at(place uint32) int32 { return int32(f.room + place) }

// field pushes a field of the record that is in the room.
func (f *files) field(c wasm.Code, op wasm.Op, field uint32) wasm.Code {
	return c.I32(f.at(roomRecord)).Access(op, field)
}

// answer returns an error number.
func answer(c wasm.Code, errno int32) wasm.Code { return c.I32(errno).Do(wasm.OpReturn) }

// answerIf returns an error number if what is on the stack is not 0.
func answerIf(c wasm.Code, errno int32) wasm.Code {
	return answer(c.Block(wasm.OpIf), errno).End()
}

// opened sets the local at to the descriptor that the local fd names; it returns EBADF if nothing is open there.
func (f *files) opened(c wasm.Code, fd, at uint32) wasm.Code {
	return answerIf(c.Get(fd).Index(wasm.OpCall, f.descriptor).Index(wasm.OpLocalTee, at).Do(wasm.OpI32Eqz), errnoBadf)
}

// state pushes what kind of descriptor there is at an address.
func state(c wasm.Code, at uint32) wasm.Code {
	return c.Get(at).Access(wasm.OpI32Load, descriptorState)
}

// isDevice pushes whether a descriptor is one of the standard ones.
func isDevice(c wasm.Code, at uint32) wasm.Code {
	return state(c, at).I32(stateInput).Do(wasm.OpI32GeU)
}

// load brings the record of a descriptor into the room.
func (f *files) load(c wasm.Code, at uint32) wasm.Code {
	return c.Get(at).Access(wasm.OpI32Load, descriptorRecord).Index(wasm.OpCall, f.record)
}

// is pushes whether the record in the room is of a type.
func (f *files) is(c wasm.Code, kind int32) wasm.Code {
	return f.field(c, wasm.OpI32Load, recordType).I32(kind).Do(wasm.OpI32Eq)
}

// tooMany returns EINVAL when a call has more buffers than it may.
func tooMany(c wasm.Code, count uint32) wasm.Code {
	return answerIf(c.Get(count).I32(maxVectors).Do(wasm.OpI32GtU), errnoInval)
}

// recordFunction is (record) -> (): brings it into the room.
func (f *files) recordFunction() function {
	return function{code: wasm.Code{}.I32(f.at(roomRecord)).
		Get(0).I32(recordSize).Do(wasm.OpI32Mul).
		I32(recordSize).InitMemory(f.segment)}
}

// descriptorFunction is (fd) -> the address of the descriptor, or 0 when nothing is open there.
func (f *files) descriptorFunction() function {
	const fd, at = 0, 1
	c := answerIf(wasm.Code{}.Get(fd).I32(maxFiles).Do(wasm.OpI32GeU), 0)
	c = c.Get(fd).I32(4).Do(wasm.OpI32Shl).I32(f.at(roomDescriptors)).Do(wasm.OpI32Add).Set(at)
	c = c.Get(at).I32(0)
	return function{locals: []byte{wasm.I32}, code: state(c, at).Do(wasm.OpSelect)}
}

// findFunction is (length) -> the record of the path of that length in roomWanted, which it leaves in the room, or -ENOENT.
// The search halves the records, which are sorted.
func (f *files) findFunction() function {
	const (
		length             = 0 // parameter
		low, high, middle  = 1, 2, 3
		have, common, i, a = 4, 5, 6, 7
	)
	c := wasm.Code{}.I32(int32(f.records)).Set(high).Block(wasm.OpLoop)
	c = c.Get(low).Get(high).Do(wasm.OpI32GeU)
	c = answerIf(c, -errnoNoent)
	c = c.Get(low).Get(high).Do(wasm.OpI32Add).I32(1).Do(wasm.OpI32ShrU).Index(wasm.OpLocalTee, middle).Index(wasm.OpCall, f.record)
	c = f.field(c, wasm.OpI32Load, recordPathLength).Set(have)
	c = c.I32(f.at(roomPath))
	c = f.field(c, wasm.OpI32Load, recordPath).Get(have).InitMemory(f.segment)

	// How much both have in common, and which of the two comes first.
	c = c.Get(length).Get(have).Get(length).Get(have).Do(wasm.OpI32LtU, wasm.OpSelect).Set(common)
	c = c.I32(0).Set(i).Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(i).Get(common).Do(wasm.OpI32GeU).Index(wasm.OpBrIf, 1)
	c = c.I32(f.at(roomWanted)).Get(i).Do(wasm.OpI32Add).Access(wasm.OpI32Load8U, 0).Set(a)
	c = c.I32(f.at(roomPath)).Get(i).Do(wasm.OpI32Add).Access(wasm.OpI32Load8U, 0).Get(a).Do(wasm.OpI32Ne).Index(wasm.OpBrIf, 1)
	c = advanceBy(c, i, 1).Index(wasm.OpBr, 0).End().End()

	c = c.Get(i).Get(common).Do(wasm.OpI32Ne).Block(wasm.OpIf)
	c = c.I32(f.at(roomPath)).Get(i).Do(wasm.OpI32Add).Access(wasm.OpI32Load8U, 0).Set(common)
	c = c.Do(wasm.OpElse)
	c = c.Get(length).Set(a).Get(have).Set(common)
	c = c.Get(length).Get(have).Do(wasm.OpI32Eq).Block(wasm.OpIf).Get(middle).Do(wasm.OpReturn).End()
	c = c.End()
	c = c.Get(a).Get(common).Do(wasm.OpI32LtU).Block(wasm.OpIf)
	c = c.Get(middle).Set(high).Do(wasm.OpElse)
	c = c.Get(middle).I32(1).Do(wasm.OpI32Add).Set(low).End()
	c = c.Index(wasm.OpBr, 0).End().Do(wasm.OpUnreachable)
	return function{locals: []byte{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32}, code: c}
}

// advanceBy adds n to a local.
func advanceBy(c wasm.Code, local uint32, n int32) wasm.Code {
	return c.Get(local).I32(n).Do(wasm.OpI32Add).Set(local)
}

// resolveFunction is (fd, *path, length) -> the record of a path below an open folder, which it leaves in the room, or the negative of an
// error number. The path is made canonical by its letters alone: there are no links. One that leads out of the folder is
// EPERM.
func (f *files) resolveFunction() function {
	const (
		fd, path, length   = 0, 1, 2 // parameters
		at, to, floor, end = 3, 4, 5, 6
		part, size         = 7, 8
	)
	c := wasm.Code{}.Get(fd).Index(wasm.OpCall, f.descriptor).Index(wasm.OpLocalTee, at).Do(wasm.OpI32Eqz)
	c = answerIf(c, -errnoBadf)
	c = f.load(c, at)
	c = answerIf(f.is(c, typeFolder).Do(wasm.OpI32Eqz), -errnoNotdir)
	c = answerIf(c.Get(length).I32(longestPath).Do(wasm.OpI32GtU), -errnoNoent)

	// The folder's own path, and where its members begin.
	c = c.I32(f.at(roomWanted))
	c = f.field(c, wasm.OpI32Load, recordPath)
	c = f.field(c, wasm.OpI32Load, recordPathLength).InitMemory(f.segment)
	c = c.I32(f.at(roomWanted))
	c = f.field(c, wasm.OpI32Load, recordPathLength).Do(wasm.OpI32Add).Index(wasm.OpLocalTee, floor).Set(to)
	c = c.Get(path).Get(length).Do(wasm.OpI32Add).Set(end)
	c = c.Get(length).Block(wasm.OpIf)
	c = answerIf(byteAt(c, path, 0).I32('/').Do(wasm.OpI32Eq), -errnoPerm).End()

	c = c.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(path).Get(end).Do(wasm.OpI32GeU).Index(wasm.OpBrIf, 1)
	c = byteAt(c, path, 0).I32('/').Do(wasm.OpI32Eq).Block(wasm.OpIf)
	c = advanceBy(c, path, 1).Index(wasm.OpBr, 1).End()
	// One part of the path.
	c = c.Get(path).Set(part).Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = advanceBy(c, path, 1)
	c = c.Get(path).Get(end).Do(wasm.OpI32GeU).Index(wasm.OpBrIf, 1)
	c = byteAt(c, path, 0).I32('/').Do(wasm.OpI32Ne).Index(wasm.OpBrIf, 0).End().End()
	c = c.Get(path).Get(part).Do(wasm.OpI32Sub).Set(size)

	c = c.Get(size).I32(1).Do(wasm.OpI32Eq)
	c = byteAt(c, part, 0).I32('.').Do(wasm.OpI32Eq, wasm.OpI32And).Index(wasm.OpBrIf, 0)
	c = c.Get(size).I32(2).Do(wasm.OpI32Eq).Block(wasm.OpIf)
	c = byteAt(c, part, 0).I32('.').Do(wasm.OpI32Eq)
	c = byteAt(c, part, 1).I32('.').Do(wasm.OpI32Eq, wasm.OpI32And).Block(wasm.OpIf)
	c = answerIf(c.Get(to).Get(floor).Do(wasm.OpI32Eq), -errnoPerm)
	c = parent(c, to, floor).Index(wasm.OpBr, 2).End().End()

	c = answerIf(c.Get(to).Get(size).Do(wasm.OpI32Add).I32(f.at(roomWanted+pathLimit)).Do(wasm.OpI32GeU), -errnoNoent)
	c = c.Get(to).I32(f.at(roomWanted)).Do(wasm.OpI32Ne).Block(wasm.OpIf)
	c = c.Get(to).I32('/').Access(wasm.OpI32Store8, 0)
	c = advanceBy(c, to, 1).End()
	c = c.Get(to).Get(part).Get(size).CopyMemory()
	c = c.Get(to).Get(size).Do(wasm.OpI32Add).Set(to)
	c = c.Index(wasm.OpBr, 0).End().End()
	c = c.Get(to).I32(f.at(roomWanted)).Do(wasm.OpI32Sub).Index(wasm.OpCall, f.find)
	return function{locals: []byte{wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32, wasm.I32}, code: c}
}

// byteAt pushes a byte at an address in a local.
func byteAt(c wasm.Code, local, offset uint32) wasm.Code {
	return c.Get(local).Access(wasm.OpI32Load8U, offset)
}

// parent takes the last part, and the slash before it, off the path that ends at to and whose parts begin at floor.
func parent(c wasm.Code, to, floor uint32) wasm.Code {
	c = c.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(to).Get(floor).Do(wasm.OpI32Eq).Index(wasm.OpBrIf, 1)
	c = advanceBy(c, to, -1)
	c = byteAt(c, to, 0).I32('/').Do(wasm.OpI32Ne).Index(wasm.OpBrIf, 0)
	return c.End().End()
}

// filestatFunction is (*filestat) -> (): tells of the record in the room.
func (f *files) filestatFunction() function {
	const to = 0
	c := wasm.Code{}.Get(to).I64(0).Access(wasm.OpI64Store, 0).Get(to).I64(0).Access(wasm.OpI64Store, 8)
	c = f.field(c.Get(to), wasm.OpI32Load, recordType).Do(wasm.OpI64ExtendU).Access(wasm.OpI64Store, 16)
	c = c.Get(to).I64(1).Access(wasm.OpI64Store, 24)
	c = f.field(c.Get(to), wasm.OpI64Load, recordBytes).Access(wasm.OpI64Store, 32)
	for _, time := range []uint32{40, 48, 56} {
		c = f.field(c.Get(to), wasm.OpI64Load, recordTime).Access(wasm.OpI64Store, time)
	}
	return function{code: c}
}

// readvFunction is (*vectors, count, offset i64) -> how many bytes of the file in the room were copied from an offset on.
func (f *files) readvFunction() function {
	const (
		vectors, count, offset   = 0, 1, 2 // parameters
		from, left, total, piece = 3, 4, 5, 6
	)
	c := wasm.Code{}.Get(offset)
	c = answerIf(f.field(c, wasm.OpI32Load, recordLength).Do(wasm.OpI64ExtendU, wasm.OpI64LtU, wasm.OpI32Eqz), 0)
	c = f.field(c, wasm.OpI32Load, recordLength).Get(offset).Do(wasm.OpI32WrapI64, wasm.OpI32Sub).Set(left)
	c = f.field(c, wasm.OpI32Load, recordContent).Get(offset).Do(wasm.OpI32WrapI64, wasm.OpI32Add).Set(from)
	c = c.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(count).Do(wasm.OpI32Eqz).Index(wasm.OpBrIf, 1)
	c = c.Get(vectors).Access(wasm.OpI32Load, 4).Set(piece)
	c = c.Get(left).Get(piece).Get(left).Get(piece).Do(wasm.OpI32LtU, wasm.OpSelect).Set(piece)
	c = c.Get(vectors).Access(wasm.OpI32Load, 0).Get(from).Get(piece).InitMemory(f.segment)
	for _, local := range []uint32{from, total} {
		c = c.Get(local).Get(piece).Do(wasm.OpI32Add).Set(local)
	}
	c = c.Get(left).Get(piece).Do(wasm.OpI32Sub).Set(left)
	c = advanceBy(advanceBy(c, vectors, 8), count, -1)
	c = c.Index(wasm.OpBr, 0).End().End().Get(total)
	return function{locals: []byte{wasm.I32, wasm.I32, wasm.I32, wasm.I32}, code: c}
}
