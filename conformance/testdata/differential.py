# Compares the granted math and json, host functions, with CPython's own modules, on many generated inputs.
# Prints one line for each difference; `checked` counts the comparisons.
import json
import math
import random
import struct
from decimal import Decimal

random.seed(20250611)
host_math, host_json = tools.math, tools.json
checked = 0

# How far, in units in the last place, a result may be from this guest's C library: both are approximations, the
# host's the closer ones but for gamma and lgamma. All other functions must agree to the bit.
ULPS = dict.fromkeys("acos acosh asin atan atan2 atanh cos cosh erf exp exp2 expm1 log log10 log1p log2 pow sin tan".split(), 1)
ULPS |= dict.fromkeys("asinh cbrt erfc sinh tanh".split(), 2) | {"gamma": 6, "lgamma": 6}


def bits(x):
    n = struct.unpack("<q", struct.pack("<d", x))[0]
    return n if n >= 0 else -(2**63) - n


def same(name, a, b):
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        if a != a or b != b:
            return a != a and b != b
        if name in ULPS:
            return a == b or (abs(a) != math.inf and abs(b) != math.inf and abs(bits(a) - bits(b)) <= ULPS[name])
        return bits(a) == bits(b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(same(name, x, y) for x, y in zip(a, b))
    return a == b or repr(a) == repr(b)  # NaN within containers


def outcome(function, args, kwargs):
    try:
        return function(*args, **kwargs)
    except Exception as error:
        return error


def compare(module, host, name, *args, **kwargs):
    global checked
    checked += 1
    want = outcome(getattr(module, name), args, kwargs)
    got = outcome(getattr(host, name), args, kwargs)
    if isinstance(want, Exception) or isinstance(got, Exception):
        # The class must be the same by name (json's own error is another class here); the text too, for errors about values.
        # UnicodeDecodeError needs more than a text to be made, so the host raises its base class.
        equal = type(want).__name__.replace("UnicodeDecodeError", "ValueError") == type(got).__name__
        if isinstance(want, UnicodeDecodeError):
            want = ValueError(f"'{want.encoding}' codec can't decode byte {want.object[want.start]:#04x} in position {want.start}: {want.reason}")
        if equal and not isinstance(want, TypeError):
            equal = str(want) == str(got)
        if equal and isinstance(want, json.JSONDecodeError):
            equal = all(getattr(want, part) == getattr(got, part, None) for part in ("msg", "doc", "pos", "lineno", "colno"))
    else:
        equal = same(name, want, got)
    if not equal:
        print(f"{module.__name__}.{name}{args!r:.200}{kwargs or ''}: native {want!r:.200}, host {got!r:.200}")


def floats():
    special = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 1e-320, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan, math.pi, 1e16, -2.5, 170.6, 1 - 2**-53]
    while True:
        kind = random.random()
        if kind < 0.15:
            yield random.choice(special)
        elif kind < 0.35:
            yield random.uniform(-2, 2)
        elif kind < 0.6:
            yield random.uniform(-50, 50)
        elif kind < 0.8:
            yield math.ldexp(random.uniform(-1, 1), random.randint(-60, 60))
        elif kind < 0.9:
            yield struct.unpack("<d", random.randbytes(8))[0]
        else:
            yield float(random.randint(-20, 200))


numbers = floats()


def real():
    kind = random.random()
    if kind < 0.85:
        return next(numbers)
    if kind < 0.93:
        return random.choice([0, 1, -3, 7, True, False, 10**20, -(10**30), 2**1024, 10**400])
    return random.choice([Decimal("1.5"), "1.5", None, [1], 1j, b"1", ()])


def integer():
    kind = random.random()
    if kind < 0.5:
        return random.randint(-5, 40)
    if kind < 0.85:
        return random.randint(-(10**40), 10**40)
    return random.choice([0, 1, -1, True, 2**63, -(2**63), 2**64 - 1, 1.0, 2.5, "3", None])


ONE = "acos acosh asin asinh atan atanh cbrt ceil cos cosh degrees erf erfc exp exp2 expm1 fabs floor frexp gamma isfinite isinf isnan lgamma log log10 log1p log2 modf radians sin sinh sqrt tan tanh trunc ulp".split()
TWO = "atan2 copysign fmod pow remainder nextafter isclose hypot log".split()
for name in ONE:
    for _ in range(150):
        compare(math, host_math, name, real())
for name in TWO:
    for _ in range(150):
        compare(math, host_math, name, real(), real())
for _ in range(200):
    compare(math, host_math, "fma", real(), real(), real())
    compare(math, host_math, "ldexp", real(), random.choice([0, 1, -1, 1030, -1080, 10**30, -(10**30), 2.0, random.randint(-100, 100)]))
    compare(math, host_math, "isclose", real(), real(), rel_tol=random.choice([0.0, 1e-9, 0.5, -1]), abs_tol=random.choice([0.0, 1e-3]))
    compare(math, host_math, "nextafter", real(), real(), steps=random.choice([0, 1, 5, 10**6, -1]))
for name, count in (("gcd", 3), ("lcm", 3), ("isqrt", 1), ("factorial", 1), ("comb", 2), ("perm", 2)):
    for _ in range(250):
        args = [integer() for _ in range(count)]
        if name in ("factorial", "comb", "perm"):
            # Huge ones are refused by the host, where native code would run for ever.
            args = [min(a, 300) if isinstance(a, int) and abs(a) > 300 and name != "comb" else a for a in args]
            if name == "comb" and all(isinstance(a, int) for a in args):
                args[1] = args[1] % 30 if args[1] > 30 else args[1]
        compare(math, host_math, name, *args)
for _ in range(250):
    values = [real() for _ in range(random.randint(0, 8))]
    other = [real() for _ in values]
    compare(math, host_math, "fsum", values)
    compare(math, host_math, "hypot", *values)
    compare(math, host_math, "dist", values, other)
    # Through the gate these two multiply real numbers only: not complex ones, nor strings by integers.
    values = [v if isinstance(v, (int, float)) else 1.5 for v in values]
    other = [v if isinstance(v, (int, float)) else 2 for v in other]
    compare(math, host_math, "prod", values)
    compare(math, host_math, "sumprod", values, other)
for name in ONE + TWO:
    compare(math, host_math, name)
    compare(math, host_math, name, 1.0, 2.0, 3.0, 4.0)
    compare(math, host_math, name, x=1.0)
for name in ("pi", "e", "tau", "inf", "nan"):
    compare_constant = same(name, getattr(math, name), getattr(host_math, name))
    checked += 1
    if not compare_constant:
        print("constant", name)


def text():
    return "".join(random.choice(["a", "é", "\u20ac", "\U0001f600", "\n", '"', "\\", "\x00", "\x7f", "/", " ", "<", "\u2028"]) for _ in range(random.randint(0, 6)))


def document(depth=0):
    kind = random.random()
    if depth < 4 and kind < 0.25:
        return [document(depth + 1) for _ in range(random.randint(0, 4))]
    if depth < 4 and kind < 0.5:
        key = random.choice([text, text, text, lambda: random.choice([1, 2.5, None, True, -7])])
        return {key(): document(depth + 1) for _ in range(random.randint(0, 4))}
    return random.choice([text, lambda: next(numbers), lambda: random.randint(-(10**25), 10**25), lambda: random.choice([None, True, False, (1, 2), ()])])()


OPTIONS = [
    {}, {"indent": 2}, {"indent": "\t"}, {"indent": 0}, {"separators": (",", ":")}, {"ensure_ascii": False}, {"sort_keys": True},
    {"allow_nan": False}, {"skipkeys": True}, {"indent": 1, "sort_keys": True, "ensure_ascii": False}, {"indent": None, "separators": [", ", "="]},
]
texts = []
for _ in range(700):
    value, options = document(), random.choice(OPTIONS)
    compare(json, host_json, "dumps", value, **options)
    try:
        texts.append(json.dumps(value, **options))
    except (TypeError, ValueError):
        pass
for bad in ({1, 2}, object, 1j, b"x", [{"a": {3}}], {(1, 2): 3}, Decimal("1")):
    for options in ({}, {"skipkeys": True}):
        compare(json, host_json, "dumps", bad, **options)
for whole in texts:
    compare(json, host_json, "loads", whole)
    # Broken ones: cut, with a character changed, or with something added.
    compare(json, host_json, "loads", whole[: random.randint(0, len(whole))])
    at = random.randint(0, len(whole))
    compare(json, host_json, "loads", whole[:at] + random.choice('{}[]",:\\x0-.eE \n\x01é') + whole[at + 1 :])
    compare(json, host_json, "loads", whole.encode())
for odd in ["", " ", "01", "1.", ".5", "-", "1e", "1e5", "-0", "-0.0", "1E400", "NaN", "-Infinity", "Infinity", "nan", "tru", "[1,]", '{"a":1,}', '{"a"}', "{,}", '"\\ud800"', '"\\ud83d\\ude00"',
            '"\\u12"', '"\\q"', '"a', "[", "]", "[1 2]", "\ufeff1", "1 1", "'a'", '{"a":1,"a":2}', "9" * 4000, "\t\n\r 5 \n", "{1:2}", "nullnull"]:
    compare(json, host_json, "loads", odd)
for wrong in (None, 5, [], b"\xff", bytearray(b"[1]"), b"\xef\xbb\xbf1", "1".encode("utf-16"), "[2]".encode("utf-32-le")):
    compare(json, host_json, "loads", wrong)
print("checked", checked)
