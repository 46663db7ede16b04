"""The names of bz2, for packages that mention it when they are imported. Its C library is not in this guest."""

__all__ = ["BZ2File", "BZ2Compressor", "BZ2Decompressor", "open", "compress", "decompress"]


def _lacks(*args, **kwargs):
    raise NotImplementedError("this sandbox has no bz2")


class BZ2File:
    __init__ = _lacks


class BZ2Compressor:
    __init__ = _lacks


class BZ2Decompressor:
    __init__ = _lacks


open = compress = decompress = _lacks
