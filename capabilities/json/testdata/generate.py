"""Writes vectors.gz beside it: calls of json.loads and json.dumps. Run it with CPython 3.13."""

import decimal
import json
import os
import random
import sys

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "testdata"))
import vectors

rng = random.Random(20250131)
inf, nan = float("inf"), float("nan")

DOCUMENTS = [
    "", " ", "null", "true", "false", "nul", "NaN", "Infinity", "-Infinity", "-Inf", "-", "0", "-0", "-0.0", "01", "1.", "1.x", ".5",
    "1e5", "1E-5", "1e", "1e+", "1e999", "-1e999", "123456789012345678901234567890", "9007199254740993", "1.0e-7 x",
    "0.1e-400", "[]", "{}", "[1,2,3]", "[1, 2, 3]", '{"a": 1, "b": [true, false, null]}', '{"a":1,"a":2,"b":3,"a":4}',
    "[1,]", "[1 , ]", '{"a":1,}', '{"a":1 , \n}', "[1 2]", '{"a" 1}', '{"a":}', "{a:1}", "{'a':1}", "{1:2}", "[", "{", '{"a"', '{"a":', '{"a":1',
    "[1", "[1,", '"', '"abc', '"a\\', '"\\x"', '"\\u12"', '"\\u12g4"', '"\\u1234', '"\\u1234"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\ude00"',
    '"\\ud83d\\u"', '"\\ud83d\\u0041"', '"\\ud83d\\ud83d\\ude00"', '"\\ud83d\\ude00', '"\\ud83d\\ude0', '"\\n\\r\\t\\b\\f\\/\\\\\\""', '"a\nb"', '"a\tb"', '"\x7f\x00"',
    "\ufeff[]", " \ufeff[]", "[] []", "[]]", "nullx", "null null", "\u00a0[]", '"é😀ü"', '["é😀\n', '{"é": [1, "😀" 2]}', "é", "[\n\n  1,\n  é]",
    '{"$int": "5"}', '{"a": {"$tuple": []}}', "[[[[[[]]]]]]", '[{"k": [{"k": {}}]}]', "\ud800", '"\ud800"', "[1e1, 1E1, 1.5e+3, -2.5E-3]",
    '{"store": {"book": [{"title": "A \\"quoted\\" title", "price": 8.95, "tags": ["x", "y"]}, {"title": "B", "price": 12}]}}',
    "1" * 4300, "1" * 4301, "-" + "1" * 4301, '{"":""}', "[1,,2]", "{,}", '{"a":1,,"b":2}', "\v1", "1\f", "[true,fals]", "[tru", "[\"a\\u00e9\\u4e2d\"]",
]
ALPHABET = list('[]{}",:\\/ntu0123456789.eE+-ab \n\té😀\x00\x1f') + ["null", "true", "NaN", "\\u", "\\ud83d", "\\ude00", '"a"', "1.5", "[]", "{}"]


def mutate(doc):
    chars = list(doc)
    for _ in range(rng.randint(1, 3)):
        at = rng.randint(0, len(chars))
        match rng.randint(0, 3):
            case 0:
                chars[at:at] = [rng.choice(ALPHABET)]
            case 1:
                del chars[at : at + 1]
            case 2:
                chars[at : at + 1] = [rng.choice(ALPHABET)]
            case 3:
                del chars[at:]
    return "".join(chars)


def unpaired(s):
    """s without the surrogate pairs that a str of Python can hold, but no JSON escape can say."""
    return s.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


def scalar():
    return rng.choice([
        lambda: None, lambda: True, lambda: False, lambda: rng.randint(-10, 10), lambda: rng.randint(-(2**70), 2**70),
        lambda: rng.uniform(-10, 10), lambda: rng.choice([0.0, -0.0, 1.0, 1e16, 1e-5, 1e22, 5e-324, 1.7976931348623157e308, 0.1, 1e15, 123456.0]),
        lambda: rng.choice([inf, -inf, nan]), lambda: unpaired("".join(rng.choice('ab"\\/\n\r\t\b\f\x00\x1f\x7f\x80é中😀\ud800\udfff\u2028') for _ in range(rng.randint(0, 6)))),
    ])()


def key():
    return rng.choice([
        lambda: rng.choice("abcdéz😀"), lambda: rng.choice("abcdef"), lambda: rng.choice("$a") + "x", lambda: rng.randint(-3, 3), lambda: rng.uniform(-1, 1), lambda: None, lambda: True,
        lambda: rng.choice([1e16, inf, 2**60]),
    ])()


def tree(depth):
    if depth == 0 or rng.random() < 0.3:
        return scalar()
    match rng.randint(0, 5):
        case 0 | 1:
            return [tree(depth - 1) for _ in range(rng.randint(0, 4))]
        case 2:
            return tuple(tree(depth - 1) for _ in range(rng.randint(0, 3)))
        case 3 | 4:
            return {rng.choice("abcdefé$"): tree(depth - 1) for _ in range(rng.randint(0, 4))}
        case 5:
            return {key(): tree(depth - 1) for _ in range(rng.randint(0, 3))}


OPTIONS = [
    {}, {}, {}, {"indent": 2}, {"indent": 0}, {"indent": -1}, {"indent": "\t"}, {"indent": ""}, {"indent": True}, {"separators": (",", ":")},
    {"separators": [" , ", " = "], "indent": 1}, {"ensure_ascii": False}, {"sort_keys": True}, {"sort_keys": True, "indent": 4},
    {"allow_nan": False}, {"skipkeys": True}, {"skipkeys": True, "indent": 3}, {"check_circular": False}, {"ensure_ascii": False, "sort_keys": True},
]


def lines():
    for doc in DOCUMENTS:
        yield vectors.call(json, "loads", [doc], {})
        yield vectors.call(json, "loads", [doc], {"strict": False})
        for codec in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be", "utf-32-le"):
            if len(doc) < 40:
                yield vectors.call(json, "loads", [doc.encode(codec, "surrogatepass")], {})
    for _ in range(2200):
        yield vectors.call(json, "loads", [mutate(rng.choice(DOCUMENTS[:-30]))], {})
    for raw in (b"\xff", b'"\xc3', b'"\xc3x"', b'"\xe2\x82"', b'"\xe2\x82', b'"\xf0\x9f\x98"', b'"\xe0\x80\x80"', b'"\xc0\x80"', b'"\xf4\x90\x80\x80"', b'"\xf5"', b'"\x80"'):
        yield vectors.call(json, "loads", [raw], {})
        yield vectors.call(json, "loads", [bytearray(raw)], {})
    for wrong in (None, 1, 1.5, [], {}, ("a",), True):
        yield vectors.call(json, "loads", [wrong], {})

    for options in OPTIONS:
        for v in (
            [], {}, (), [[]], [{}], {"a": []}, {"a": {}, "b": ()}, [1, [2, [3]]], {"b": 1, "a": {"d": 1, "c": 2}}, {(1, 2): 3}, {(1,): 1, "a": 2}, {"a": {b"x": 1}}, {b"x": 1},
            {1: 1, "a": 2}, {"a": 1, None: 2}, {None: 1}, {True: 1, 2: 2, 1.5: 3}, {3: 1, 2.5: 2, 2**70: 3, -inf: 4}, {nan: 1}, [nan], inf, {"a", "b"} and {"a"}, frozenset(), b"x", bytearray(), 1j,
            decimal.Decimal("1.5"), object, [1, {2}], "é", "\ud83d\ude00"[0:1], "\x7f", 10**4299, 10**4300, -(10**4300), {10**4300: 1}, {"é": 1, "z": 2, "a": 3, "😀": 4, "\uffff": 5},
            {"a": {(1,): 2}, "b": 1}, {(1,): 2}, {"x": nan, "y": -inf}, {decimal.Decimal(1): 2}, {decimal.Decimal(1): 2, "a": 1},
        ):
            yield vectors.call(json, "dumps", [v], options)
        for _ in range(75):
            yield vectors.call(json, "dumps", [tree(4)], options)
    for options in (
        {"indent": 1.5}, {"indent": []}, {"indent": b" "}, {"separators": ","}, {"separators": ",:"}, {"separators": (",",)}, {"separators": (",", ":", ";")}, {"separators": 1},
        {"separators": (1, ":")}, {"separators": (",", 1)}, {"separators": (None, None)}, {"ensure_ascii": 0}, {"ensure_ascii": ""}, {"sort_keys": 1}, {"skipkeys": [0]},
    ):
        yield vectors.call(json, "dumps", [{"b": ["é", {"c": 1}], "a": None}], options)


vectors.write(os.path.join(here, "vectors.gz"), lines())
