package link

import "github.com/postern-sandbox/postern/link/internal/wasm"

// functions are the file functions of WASI that a sealed module has inside, by name: those that other modules import.
func (f *files) functions() map[string]function {
	return map[string]function{
		"fd_close":            f.close(),
		"fd_fdstat_get":       f.fdstat(),
		"fd_filestat_get":     f.descriptorFilestat(),
		"fd_pread":            f.pread(),
		"fd_prestat_dir_name": f.prestatName(),
		"fd_prestat_get":      f.prestat(),
		"fd_read":             f.read(),
		"fd_readdir":          f.readdir(),
		"fd_seek":             f.seek(),
		"fd_tell":             f.tell(),
		"fd_write":            f.write(),
		"path_filestat_get":   f.pathFilestat(),
		"path_open":           f.open(),
	}
}

// close is (fd) -> errno.
func (f *files) close() function {
	const fd, at = 0, 1
	c := f.opened(wasm.Code{}, fd, at).Get(at).I32(stateFree).Access(wasm.OpI32Store, descriptorState)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// fdstat is (fd, *fdstat) -> errno.
func (f *files) fdstat() function {
	const fd, to, at = 0, 1, 2
	c := f.load(f.opened(wasm.Code{}, fd, at), at)
	c = f.field(c.Get(to), wasm.OpI32Load, recordType).Do(wasm.OpI64ExtendU).Access(wasm.OpI64Store, 0)
	c = c.Get(to).I64(rightsFolder).I64(rightsFile)
	c = f.is(c, typeFolder).Do(wasm.OpSelect).Access(wasm.OpI64Store, 8)
	c = c.Get(to).I64(rightsInherit).I64(0)
	c = f.is(c, typeFolder).Do(wasm.OpSelect).Access(wasm.OpI64Store, 16)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// descriptorFilestat is (fd, *filestat) -> errno.
func (f *files) descriptorFilestat() function {
	const fd, to, at = 0, 1, 2
	c := f.load(f.opened(wasm.Code{}, fd, at), at).Get(to).Index(wasm.OpCall, f.filestat)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// pread is (fd, *vectors, count, offset i64, *read) -> errno.
func (f *files) pread() function {
	const fd, vectors, count, offset, read, at = 0, 1, 2, 3, 4, 5
	c := tooMany(f.load(f.opened(wasm.Code{}, fd, at), at), count)
	c = answerIf(f.is(c, typeFile).Do(wasm.OpI32Eqz), errnoBadf)
	c = answerIf(c.Get(offset).I64(0).Do(wasm.OpI64LtS), errnoIO)
	c = c.Get(read).Get(vectors).Get(count).Get(offset).Index(wasm.OpCall, f.readv).Access(wasm.OpI32Store, 0)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// read is (fd, *vectors, count, *read) -> errno.
func (f *files) read() function {
	const fd, vectors, count, read, at, total = 0, 1, 2, 3, 4, 5
	c := tooMany(f.load(f.opened(wasm.Code{}, fd, at), at), count)
	c = answerIf(state(c, at).I32(stateOutput).Do(wasm.OpI32Eq), errnoBadf)
	c = answerIf(f.is(c, typeFolder), errnoIsdir)
	// Standard input has no bytes: its record's length is 0.
	c = c.Get(vectors).Get(count).Get(at).Access(wasm.OpI64Load, descriptorPosition).Index(wasm.OpCall, f.readv).Set(total)
	c = c.Get(at).Get(at).Access(wasm.OpI64Load, descriptorPosition).Get(total).Do(wasm.OpI64ExtendU, wasm.OpI64Add).Access(wasm.OpI64Store, descriptorPosition)
	c = c.Get(read).Get(total).Access(wasm.OpI32Store, 0)
	return function{locals: []byte{wasm.I32, wasm.I32}, code: c.I32(errnoSuccess)}
}

// write is (fd, *vectors, count, *written) -> errno. What goes to the standard output is gone: nobody is there who could read it.
func (f *files) write() function {
	const fd, vectors, count, written, at, total = 0, 1, 2, 3, 4, 5
	c := tooMany(f.opened(wasm.Code{}, fd, at), count)
	c = answerIf(state(c, at).I32(stateOutput).Do(wasm.OpI32Ne), errnoBadf)
	c = c.Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = c.Get(count).Do(wasm.OpI32Eqz).Index(wasm.OpBrIf, 1)
	c = c.Get(total).Get(vectors).Access(wasm.OpI32Load, 4).Do(wasm.OpI32Add).Set(total)
	c = advanceBy(advanceBy(c, vectors, 8), count, -1).Index(wasm.OpBr, 0).End().End()
	c = c.Get(written).Get(total).Access(wasm.OpI32Store, 0)
	return function{locals: []byte{wasm.I32, wasm.I32}, code: c.I32(errnoSuccess)}
}

// seek is (fd, offset i64, whence, *position) -> errno.
func (f *files) seek() function {
	const (
		fd, offset, whence, position = 0, 1, 2, 3 // parameters
		at, from                     = 4, 5
	)
	c := f.load(f.opened(wasm.Code{}, fd, at), at)
	c = answerIf(isDevice(c, at), errnoNosys)
	c = answerIf(f.is(c, typeFolder), errnoIsdir)
	c = answerIf(c.Get(whence).I32(2).Do(wasm.OpI32GtU), errnoInval)
	// From the file's beginning, from where it is, or from its end.
	c = c.Get(whence).I32(1).Do(wasm.OpI32Eq).Block(wasm.OpIf)
	c = c.Get(at).Access(wasm.OpI64Load, descriptorPosition).Set(from).End()
	c = c.Get(whence).I32(2).Do(wasm.OpI32Eq).Block(wasm.OpIf)
	c = f.field(c, wasm.OpI32Load, recordLength).Do(wasm.OpI64ExtendU).Set(from).End()
	c = c.Get(from).Get(offset).Do(wasm.OpI64Add).Set(from)
	c = answerIf(c.Get(from).I64(0).Do(wasm.OpI64LtS), errnoIO)
	c = c.Get(at).Get(from).Access(wasm.OpI64Store, descriptorPosition)
	c = c.Get(position).Get(from).Access(wasm.OpI64Store, 0)
	return function{locals: []byte{wasm.I32, wasm.I64}, code: c.I32(errnoSuccess)}
}

// tell is (fd, *position) -> errno.
func (f *files) tell() function {
	const fd, position, at = 0, 1, 2
	c := f.load(f.opened(wasm.Code{}, fd, at), at)
	c = answerIf(isDevice(c, at), errnoNosys)
	c = answerIf(f.is(c, typeFolder), errnoIsdir)
	c = c.Get(position).Get(at).Access(wasm.OpI64Load, descriptorPosition).Access(wasm.OpI64Store, 0)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// readdir is (fd, *buffer, length, cookie i64, *used) -> errno. A cookie is an offset in the folder's entries.
func (f *files) readdir() function {
	const (
		fd, buffer, length, cookie, used = 0, 1, 2, 3, 4 // parameters
		at, left                         = 5, 6
	)
	c := answerIf(wasm.Code{}.Get(length).I32(direntSize).Do(wasm.OpI32LtU), errnoInval)
	c = f.load(f.opened(c, fd, at), at)
	c = answerIf(f.is(c, typeFolder).Do(wasm.OpI32Eqz), errnoBadf)
	c = c.Get(cookie)
	c = answerIf(f.field(c, wasm.OpI32Load, recordLength).Do(wasm.OpI64ExtendU, wasm.OpI64GtU), errnoNoent)
	c = f.field(c, wasm.OpI32Load, recordLength).Get(cookie).Do(wasm.OpI32WrapI64, wasm.OpI32Sub).Set(left)
	c = c.Get(length).Get(left).Get(length).Get(left).Do(wasm.OpI32LtU, wasm.OpSelect).Set(left)
	c = c.Get(buffer)
	c = f.field(c, wasm.OpI32Load, recordContent).Get(cookie).Do(wasm.OpI32WrapI64, wasm.OpI32Add).Get(left).InitMemory(f.segment)
	c = c.Get(used).Get(left).Access(wasm.OpI32Store, 0)
	return function{locals: []byte{wasm.I32, wasm.I32}, code: c.I32(errnoSuccess)}
}

// prestat is (fd, *prestat) -> errno: the root is called "/".
func (f *files) prestat() function {
	const fd, to, at = 0, 1, 2
	c := f.opened(wasm.Code{}, fd, at)
	c = answerIf(state(c, at).I32(stateRoot).Do(wasm.OpI32Ne), errnoBadf)
	c = c.Get(to).I64(1<<32).Access(wasm.OpI64Store, 0)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// prestatName is (fd, *path, length) -> errno.
func (f *files) prestatName() function {
	const fd, path, length, at = 0, 1, 2, 3
	c := f.opened(wasm.Code{}, fd, at)
	c = answerIf(state(c, at).I32(stateRoot).Do(wasm.OpI32Ne), errnoBadf)
	c = answerIf(c.Get(length).I32(1).Do(wasm.OpI32GtU), errnoNametoolong)
	c = c.Get(length).Block(wasm.OpIf).Get(path).I32('/').Access(wasm.OpI32Store8, 0).End()
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// pathFilestat is (fd, flags, *path, length, *filestat) -> errno.
func (f *files) pathFilestat() function {
	const fd, path, length, to, found = 0, 2, 3, 4, 5
	c := f.resolved(wasm.Code{}, fd, path, length, found).Get(to).Index(wasm.OpCall, f.filestat)
	return function{locals: []byte{wasm.I32}, code: c.I32(errnoSuccess)}
}

// resolved sets the local found to the record of a path, or returns why there is none.
func (f *files) resolved(c wasm.Code, fd, path, length, found uint32) wasm.Code {
	c = c.Get(fd).Get(path).Get(length).Index(wasm.OpCall, f.resolve).Index(wasm.OpLocalTee, found).I32(0).Do(wasm.OpI32LtS)
	return c.Block(wasm.OpIf).I32(0).Get(found).Do(wasm.OpI32Sub, wasm.OpReturn).End()
}

// The flags of path_open that are looked at.
const (
	openCreate    = 1
	openDirectory = 2
)

// open is (fd, dirflags, *path, length, flags, rights i64, inheriting i64, fdflags, *fd) -> errno. What there is can be opened in any
// way, and read in any; what there is not is not made.
func (f *files) open() function {
	const (
		fd, path, length, flags, rights, to = 0, 2, 3, 4, 5, 8 // parameters
		found, n, at                        = 9, 10, 11
	)
	folder := func(c wasm.Code) wasm.Code { return c.Get(flags).I32(openDirectory).Do(wasm.OpI32And) }
	c := answerIf(wasm.Code{}.Get(length).Do(wasm.OpI32Eqz), errnoInval)
	c = answerIf(c.Get(flags).I32(openCreate|openDirectory).Do(wasm.OpI32And).I32(openCreate|openDirectory).Do(wasm.OpI32Eq), errnoInval)
	c = folder(c).Block(wasm.OpIf)
	c = answerIf(c.Get(rights).Do(wasm.OpI32WrapI64).I32(rightWrite).Do(wasm.OpI32And), errnoIsdir).End()
	c = f.resolved(c, fd, path, length, found)
	c = folder(c).Block(wasm.OpIf)
	c = answerIf(f.is(c, typeFolder).Do(wasm.OpI32Eqz), errnoNotdir).End()

	// The first descriptor that is free.
	c = c.I32(f.at(roomDescriptors)).Set(at).Block(wasm.OpBlock).Block(wasm.OpLoop)
	c = state(c, at).Do(wasm.OpI32Eqz).Index(wasm.OpBrIf, 1)
	c = advanceBy(advanceBy(c, at, 16), n, 1)
	c = answerIf(c.Get(n).I32(maxFiles).Do(wasm.OpI32Eq), errnoMfile)
	c = c.Index(wasm.OpBr, 0).End().End()
	c = c.Get(at).I32(stateOpen).Access(wasm.OpI32Store, descriptorState)
	c = c.Get(at).Get(found).Access(wasm.OpI32Store, descriptorRecord)
	c = c.Get(at).I64(0).Access(wasm.OpI64Store, descriptorPosition)
	c = c.Get(to).Get(n).Access(wasm.OpI32Store, 0)
	return function{locals: []byte{wasm.I32, wasm.I32, wasm.I32}, code: c.I32(errnoSuccess)}
}
