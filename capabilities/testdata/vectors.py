"""Writes test vectors: calls of functions of the standard library, and what CPython made of them.

Each line of a vectors file is a function's name, the request and the answer of docs/abi.md, with tabs between them.
"""

import base64
import decimal
import gzip
import sys

if sys.version_info[:2] != (3, 13):
    sys.exit("the vectors are those of CPython 3.13, and this is another version")


def text(s):
    out = ['"']
    for c in s:
        if c in '"\\':
            out.append("\\" + c)
        elif c in "\n\r\t":
            out.append({"\n": "\\n", "\r": "\\r", "\t": "\\t"}[c])
        elif c < " " or "\ud800" <= c <= "\udfff":
            out.append("\\u%04x" % ord(c))
        else:
            out.append(c)
    return "".join(out) + '"'


def items(values):
    return "[" + ",".join(map(value, values)) + "]"


def value(v):
    """The tagged JSON of a value, in the one form in which package values writes it."""
    if v is None:
        return "null"
    if v is True or v is False:
        return str(v).lower()
    kind = type(v)
    if kind is str:
        return text(v)
    if kind is int:
        return str(v) if abs(v) < 2**53 else '{"$int":"%d"}' % v
    if kind is float:
        return '{"$float":"%r"}' % v if v - v != 0 else repr(v)
    if kind is complex:
        return '{"$complex":%s}' % items([v.real, v.imag])
    if kind is list:
        return items(v)
    if kind in (tuple, set, frozenset):
        return '{"$%s":%s}' % (kind.__name__, items(v))
    if kind in (bytes, bytearray):
        return '{"$%s":"%s"}' % (kind.__name__, base64.b64encode(v).decode())
    if kind is decimal.Decimal:
        return '{"$decimal":"%s"}' % v
    if kind is dict:
        if all(type(k) is str for k in v) and not next(iter(v), "").startswith("$"):
            return "{" + ",".join(text(k) + ":" + value(x) for k, x in v.items()) + "}"
        return '{"$dict":%s}' % items([[k, x] for k, x in v.items()])
    return '{"$repr":%s,"type":%s}' % (text(repr(v)), text(kind.__name__))


def call(module, name, args, kwargs):
    """One line: what module.name gives for the arguments."""
    sys.set_int_max_str_digits(0)
    request = '{"args":%s,"kwargs":{%s}}' % (items(args), ",".join(text(k) + ":" + value(v) for k, v in kwargs.items()))
    sys.set_int_max_str_digits(4300)
    try:
        result = getattr(module, name)(*args, **kwargs)
    except Exception as e:
        kind = type(e).__name__
        if kind == "UnicodeDecodeError":
            kind = "ValueError"
        attributes = ""
        if kind == "JSONDecodeError":
            kind = "json.JSONDecodeError"
            names = ("colno", "doc", "lineno", "msg", "pos")
            attributes = ',"attributes":{%s}' % ",".join(text(n) + ":" + value(getattr(e, n)) for n in names)
        answer = '{"error":{"type":%s,"message":%s%s}}' % (text(kind), text(str(e)), attributes)
    else:
        sys.set_int_max_str_digits(0)
        answer = '{"ok":%s}' % value(result)
    return "%s.%s\t%s\t%s\n" % (module.__name__, name, request, answer)


def write(path, lines):
    with open(path, "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
        for line in dict.fromkeys(lines):
            z.write(line.encode())
