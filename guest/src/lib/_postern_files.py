"""open() over the granted functions of the family fs.

A file that is read is fetched when it is opened; one that is written is handed over when it is closed, whole. What may be opened the host
decides, in each call of the family's functions: nothing is decided here.
"""

import io

_PIECE = 1 << 20  # how much is fetched at once


class _File(io.BytesIO):
    """The bytes of a file, and what to do with them when it is closed."""

    def __init__(self, path, mode, data, readable, writable, save=None, base=0):
        super().__init__(data)
        self.name, self.mode = path, mode
        self._readable, self._writable, self._save, self._base = readable, writable, save, base

    def readable(self):
        self._open()
        return self._readable

    def writable(self):
        self._open()
        return self._writable

    def _open(self):
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def _only(self, may, what):
        self._open()
        if not may:
            raise io.UnsupportedOperation(f"not {what}")

    def read(self, size=-1, /):
        self._only(self._readable, "readable")
        return super().read(size)

    def read1(self, size=-1, /):
        self._only(self._readable, "readable")
        return super().read1(size)

    def readinto(self, buffer, /):
        self._only(self._readable, "readable")
        return super().readinto(buffer)

    def readline(self, size=-1, /):
        self._only(self._readable, "readable")
        return super().readline(size)

    def readlines(self, size=None, /):
        self._only(self._readable, "readable")
        return super().readlines(size)

    def __next__(self):
        self._only(self._readable, "readable")
        return super().__next__()

    def write(self, data, /):
        self._only(self._writable, "writable")
        return super().write(data)

    def writelines(self, lines, /):
        self._only(self._writable, "writable")
        return super().writelines(lines)

    def truncate(self, size=None, /):
        self._only(self._writable, "writable")
        return super().truncate(None if size is None else max(size - self._base, 0))

    # A file that is appended to begins, for its own code, behind what is there already.

    def tell(self):
        return self._base + super().tell()

    def seek(self, offset, whence=0, /):
        if whence == 0 and offset >= 0:
            offset = max(offset - self._base, 0)
        return self._base + super().seek(offset, whence)

    def close(self):
        if self.closed:
            return
        try:
            if self._save is not None:
                self._save(self.getvalue())
        finally:
            super().close()

    def __repr__(self):
        return f"<file name={self.name!r} mode={self.mode!r}>"


def open(fs, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    """What the agent's open() does where the family fs is granted as the module fs."""
    path = _path(file)
    if not isinstance(mode, str):
        raise TypeError(f"open() argument 'mode' must be str, not {type(mode).__name__}")
    if set(mode) - set("rwxabt+") or len(set(mode)) < len(mode):
        raise ValueError(f"invalid mode: {mode!r}")
    if sum(kind in mode for kind in "rwxa") != 1:
        raise ValueError("must have exactly one of create/read/write/append mode")
    binary = "b" in mode
    if binary and "t" in mode:
        raise ValueError("can't have text and binary mode at once")
    for name, given in (("encoding", encoding), ("errors", errors), ("newline", newline)):
        if binary and given is not None:
            raise ValueError(f"binary mode doesn't take {'a' if name == 'newline' else 'an'} {name} argument")
    if not closefd or opener is not None:
        raise ValueError("open() has no closefd and opener here: there are no file descriptors")
    if not binary:
        # A wrong encoding or newline must not make or change a file.
        encoding = "utf-8" if encoding in (None, "locale") else encoding
        io.TextIOWrapper(io.BytesIO(), encoding, errors, newline)
    opened = _FOR["".join(sorted(set(mode) - set("bt")))](fs, path, mode)
    if binary:
        return opened
    text = io.TextIOWrapper(opened, encoding, errors, newline)
    text.mode = mode
    return text


def _path(file):
    if hasattr(type(file), "__fspath__"):
        file = type(file).__fspath__(file)
    if isinstance(file, bytes):
        file = file.decode()
    if not isinstance(file, str):
        raise TypeError(f"expected str, bytes or os.PathLike object, not {type(file).__name__}")
    return file


def _contents(fs, path):
    pieces, offset = [], 0
    while True:
        piece = fs.read(path, binary=True, offset=offset, size=_PIECE)
        pieces.append(piece)
        offset += len(piece)
        if len(piece) < _PIECE:
            return b"".join(pieces)


def _whole(fs, path, before):
    """Replaces the file when it is closed, if it is not what it was."""

    def save(data):
        if data == before:
            return
        if len(data) > fs.PIECE_BYTES:
            raise OSError(
                f"{path!r}: open() writes a file at once, at most {fs.PIECE_BYTES} bytes, and this has {len(data)}; fs.append() writes it in pieces"
            )
        fs.write(path, data)

    return save


def _read(fs, path, mode):
    return _File(path, mode, _contents(fs, path), True, False)


def _update(fs, path, mode):
    data = _contents(fs, path)
    fs.append(path, b"")  # to be refused now and not when it is closed
    return _File(path, mode, data, True, True, _whole(fs, path, data))


def _write(fs, path, mode):
    before = b""
    try:
        fs.write(path, b"", overwrite=False)
    except FileExistsError:
        before = None  # what is there goes when the file is closed
    return _File(path, mode, b"", "+" in mode, True, _whole(fs, path, before))


def _create(fs, path, mode):
    fs.write(path, b"", overwrite=False)
    return _File(path, mode, b"", "+" in mode, True, _whole(fs, path, b""))


def _append(fs, path, mode):
    def save(data):
        for i in range(0, len(data), fs.PIECE_BYTES):
            fs.append(path, data[i : i + fs.PIECE_BYTES])

    return _File(path, mode, b"", False, True, save, fs.append(path, b""))


def _append_and_read(fs, path, mode):
    raise ValueError("mode 'a+' is not there: open the file twice, with 'r' and 'a'")


_FOR = {"r": _read, "+r": _update, "w": _write, "+w": _write, "x": _create, "+x": _create, "a": _append, "+a": _append_and_read}
