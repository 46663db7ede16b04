"""The sizes of C's types, for packages that ask for them. There is nothing that ctypes could call in this guest."""


class _Type:
    _size = 0


def _type(name, size):
    return type(name, (_Type,), {"_size": size, "__module__": "ctypes"})


# wasm32: int, long and pointers are 32 bits wide.
c_byte = _type("c_byte", 1)
c_short = _type("c_short", 2)
c_int = _type("c_int", 4)
c_long = _type("c_long", 4)
c_longlong = _type("c_longlong", 8)
c_size_t = _type("c_size_t", 4)
c_void_p = _type("c_void_p", 4)
c_float = _type("c_float", 4)
c_double = _type("c_double", 8)


def sizeof(of):
    size = getattr(of, "_size", 0)
    if not size:
        raise TypeError("this type has no size")
    return size
