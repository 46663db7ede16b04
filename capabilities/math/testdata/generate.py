"""Writes vectors.gz beside it: calls of every function of the math module. Run it with CPython 3.13."""

import math
import os
import random
import sys
from decimal import Decimal

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(here, "..", "..", "testdata"))
import vectors

rng = random.Random(20250131)
inf, nan = math.inf, math.nan

SPECIAL = [0.0, -0.0, 1.0, -1.0, 0.5, 2.0, -2.5, inf, -inf, nan, 5e-324, -2.2250738585072014e-308, 1.7976931348623157e308, 1e-30, 1e-9, 1e16, 710.0, -746.0]
ODD = [0, 1, -1, 7, True, False, 10**15, 2**1023, 2**1024, -(2**1024), 10**400, "1", None, [1], b"1", 1j, Decimal("0.5"), Decimal("NaN"), Decimal("1E+400"), Decimal("-Infinity"), Decimal("1E-400")]


def anywhere():
    return math.ldexp(rng.uniform(-1, 1), rng.randint(-1070, 1023))


def around(low, high):
    return lambda: rng.uniform(low, high)


RANGES = {
    "acos": (-1, 1), "acosh": (1, 50), "asin": (-1, 1), "asinh": (-9, 9), "atan": (-9, 9), "atanh": (-1, 1), "cbrt": (-99, 99), "cos": (-99, 99), "cosh": (-30, 30),
    "degrees": (-9, 9), "erf": (-7, 7), "erfc": (-7, 28), "exp": (-700, 700), "exp2": (-1070, 1020), "expm1": (-40, 40), "fabs": (-1, 1), "gamma": (-30, 171), "lgamma": (-30, 1e4),
    "log": (0, 10), "log10": (0, 1e5), "log1p": (-1, 3), "log2": (0, 70), "radians": (-720, 720), "sin": (-99, 99), "sinh": (-30, 30), "sqrt": (0, 99), "tan": (-99, 99), "tanh": (-9, 9),
    "ulp": (-1, 1), "isfinite": (-1, 1), "isinf": (-1, 1), "isnan": (-1, 1), "frexp": (-9, 9), "modf": (-99, 99), "floor": (-99, 99), "ceil": (-99, 99), "trunc": (-99, 99),
}


def one(name, low, high):
    yield from ([x] for x in SPECIAL + ODD)
    yield from ([rng.uniform(low, high)] for _ in range(30))
    yield from ([rng.uniform(-1, 1)] for _ in range(10))
    yield from ([anywhere()] for _ in range(20))
    yield from ([n / 2] for n in range(-9, 10))
    yield from ([10.0**n] for n in range(-5, 20, 3))
    yield []
    yield [1.0, 2.0]


def two():
    yield from ([x, y] for x in SPECIAL[:11] for y in SPECIAL[:11] if rng.random() < 0.7)
    yield from ([rng.uniform(-9, 9), rng.uniform(-9, 9)] for _ in range(40))
    yield from ([anywhere(), anywhere()] for _ in range(30))
    yield from ([float(rng.randint(-9, 9)), float(rng.randint(-9, 9))] for _ in range(40))
    yield from ([rng.choice(ODD), 2.0] for _ in range(12))
    yield from ([2.0, rng.choice(ODD)] for _ in range(12))
    yield from ([], [1.0], [1.0, 2.0, 3.0])


def integer():
    return rng.choice([lambda: rng.randint(-20, 60), lambda: rng.randint(-(2**70), 2**70), lambda: rng.randint(0, 2**200), lambda: rng.choice([0, 1, True, 2**53, 2**63, 2**64 - 1])])()


def number():
    return rng.choice([lambda: rng.uniform(-9, 9), lambda: rng.randint(-9, 9), anywhere, lambda: rng.choice([True, 0.1, -0.0, 2**70, 10**18, 1e16, 1e-16])])()


def calls():
    for name, (low, high) in RANGES.items():
        for args in one(name, low, high):
            yield name, args
    for name in ("atan2", "copysign", "fmod", "pow", "remainder"):
        for args in two():
            yield name, args
    for x in range(2, 12):
        for y in (3, 5, 10, 22, 34, 0.5, -1, -3, 1.5):
            yield "pow", [x, y]
    for _ in range(40):
        yield "pow", [rng.uniform(0, 3), rng.uniform(-300, 300)]
        yield "pow", [abs(anywhere()), rng.uniform(-2, 2)]
        yield "log", [rng.uniform(0, 99), rng.choice([2, 10, 0.5, 3.7, 10**400])]
        yield "log", [rng.randint(1, 10 ** rng.randint(1, 900))]
        yield "log2", [rng.randint(1, 10 ** rng.randint(1, 900))]
        yield "log10", [10 ** rng.randint(0, 900)]
    for args in ([2, 1], [2, 0], [-1, 2], [2, -1], [0, 2], [2, nan], [inf, 2], [2, inf], [8, "2"], [8, 2.0], [1.0, 0.0], [0], [-(10**400)], [True], [2**1024 - 1], [2**1024 - 2**970]):
        yield "log", args
    for _ in range(60):
        yield "ldexp", [anywhere(), rng.randint(-2100, 2100)]
        yield "fma", [anywhere(), rng.uniform(-9, 9), anywhere()]
        yield "fma", [x := rng.uniform(-9, 9), y := rng.uniform(-9, 9), -x * y]
        yield "nextafter", [rng.choice(SPECIAL), rng.choice(SPECIAL)]
        yield "isqrt", [abs(integer())]
        yield "isqrt", [rng.randint(1, 2**300) ** 2 - rng.randint(0, 1)]
        yield "factorial", [rng.randint(0, 300)]
        n = rng.randint(0, 10 ** rng.randint(1, 6))
        yield "comb", [n, rng.randint(0, min(n, 60))]
        yield "perm", [n, rng.randint(0, min(n, 40))]
        yield "comb", [n, max(0, n - rng.randint(-2, 30))]
        yield "gcd", [integer() for _ in range(rng.randint(0, 4))]
        yield "gcd", [integer() * (g := rng.randint(1, 2**40)), integer() * g]
        yield "lcm", [integer() for _ in range(rng.randint(0, 4))]
        yield "prod", [[number() for _ in range(rng.randint(0, 9))]]
        yield "prod", [tuple(integer() for _ in range(rng.randint(0, 9)))]
        yield "fsum", [[number() for _ in range(rng.randint(0, 20))]]
        yield "fsum", [[anywhere() for _ in range(rng.randint(0, 5))] + [rng.uniform(-1, 1) * 10 ** rng.randint(-20, 20) for _ in range(20)]]
        n = rng.randint(0, 9)
        yield "sumprod", [[number() for _ in range(n)], [number() for _ in range(n)]]
        yield "sumprod", [[rng.randint(-(2**40), 2**40) for _ in range(n)], [rng.randint(-(2**40), 2**40) for _ in range(n)]]
        yield "sumprod", [[rng.uniform(-1, 1) * 10 ** rng.randint(-9, 9) for _ in range(n)], [rng.uniform(-1, 1) for _ in range(n)]]
        yield "dist", [[rng.uniform(-9, 9) for _ in range(n)], [rng.uniform(-9, 9) for _ in range(n)]]
        yield "hypot", [rng.uniform(-9, 9) for _ in range(n)]
        yield "hypot", [anywhere() for _ in range(n)]
        yield "hypot", [rng.choice([1e-310, 5e-324, 3e-320, 1e-300]) for _ in range(n)]
    for name in ("isqrt", "factorial", "perm"):
        for x in (-1, 0, 1, True, 1.0, 2.5, "1", None, Decimal(1), 2**63, -(2**63), 10**30):
            if name != "isqrt" or x != 10**30:
                yield name, [x]
    for name in ("comb", "perm"):
        for args in ([5, -1], [-5, 1], [3, 5], [5, 5], [0, 0], [5, 2.0], [5.0, 2], [2**70, 2], [2**70, 2**69 + 2**66], [10**30, 3], [10**30, 10**30 - 2], [10**30, 0], [True, 1], [5], [], [1, 2, 3], ["5", 1], [5, None], [10**30, 10**31]):
            if not (name == "perm" and args == [10**30, 10**30 - 2]):
                yield name, args
    for name in ("gcd", "lcm"):
        for args in ([], [0], [-4], [True, 6], [1.5], [4, 6.0], [0, 0], [0, 5, 10], [12, "4"], [-4, 6], [0, "a"]):
            yield name, args
    for args in ([1, 2, 3], [1.0], ["a"], [1, "a"], [inf, nan], [nan, -inf], [nan, 1], [-3], [10**400], [2**1024, nan], [0.0, -0.0], [True, 1]):
        yield "hypot", args
    for args in ([[1], [1, 2]], [[], []], [(1, 2), [4, 6]], [1, 2], [[1], None], [["a"], [1]], [[1], ["a"]], [[inf], [inf]], [[inf, nan], [1, 2]], [b"ab", b"cd"], [[10**400], [1]], [{1: 2}, (3,)], ["ab", "cd"], [[1]], []):
        yield "dist", args
    for args in (
        [[]], [[1, 2]], [[0.1] * 10], [[1e-16, 1, 1e16]], [[1e308, 1e308]], [[1e308, 1e308, -1e308]], [[1e308, -1e308, 1e308]], [[inf, 1]], [[inf, -inf]], [[nan]], [[inf, nan, -inf]], [["a"]], [5], [[10**400]],
        [[2**53, -0.5, -(2.0**-54)]], [(1, True)], ["12"], [None], [[1e16, 1.0, 1e-16]], [[-0.0]], [[5e-324, -5e-324, 1]], [[10.0**n for n in range(-20, 20)]],
    ):
        yield "fsum", args
    for args, kwargs in (
        ([[]], {}), ([[1, 2, 3]], {"start": 4}), ([[1, 2.0, 3]], {"start": 0.5}), ([[]], {"start": True}), ([[True, True]], {}), ([[10**400, 1.0]], {}), ([[1.0, 10**400]], {}), ([[0.0, inf]], {}), ([[2**62, 4, 0.5]], {}),
        ([5], {}), ([[1], 2], {}), ([], {}), ([[1]], {"begin": 1}), ([(2, 3)], {}), ([b"\x02\x03"], {}), ([[-1, 2**63]], {}), ([[False, 10]], {}), ([[1e308, 10, 1]], {}),
    ):
        yield "prod", args, kwargs
    for args in (
        [[], []], [[1], [1, 2]], [[1, 2], [1]], [1, [1]], [[1], 1], [[2**62, 2**62], [2, 2]], [[2**63], [2**63]], [[1, 2.5], [2, 2]], [[1.5, 2], [2, 3]], [[1e308, 1e308], [10, -10]], [[inf], [0.0]], [[inf, 1], [1, 1]], [[True, 2], [3, 4.0]],
        [[10**400], [1.0]], [[1.5, 10**400], [2.5, 1.0]], [[0.1] * 10, [0.1] * 10], [[1e16, 1.0, -1e16], [1, 1, 1]], [[2**53 + 1], [1.0]], [[nan], [1]],
    ):
        yield "sumprod", args
    for args, kwargs in (
        ([1, 1], {}), ([1.0, 1.0 + 1e-9], {}), ([1.0, 1.0 + 1.1e-9], {}), ([1, 2], {"rel_tol": 0.5}), ([1, 2], {"abs_tol": 1}), ([0, 1e-10], {}), ([inf, inf], {}), ([inf, -inf], {}), ([inf, 1e308], {"rel_tol": 1.0}), ([nan, nan], {}),
        ([1, 1], {"rel_tol": -1}), ([1, 2], {"abs_tol": -0.5}), (["1", 1], {}), ([1, 1], {"rel_tol": "1"}), ([], {"a": 1, "b": 1}), ([1], {"b": 2}), ([10**400, 1], {}),
    ):
        yield "isclose", args, kwargs
    for args in ([1.0, 2.5], [1.0, "1"], [0.0, 10**30], [1.0, 10**30], [1.0, -(10**30)], [-1.0, -(10**30)], [inf, 10**30], [nan, 1], [1.0, True], ["1", 1], [5e-324, 1100], [1.5, -1074], [1.5, -1075], [-1.5, -1075], [1.0, -1075], [1.0000000000000002, -1075], [1, 1024], [1, 1023], [3, -1076], [1.7976931348623157e308, -2098]):
        yield "ldexp", args
    for args in ([inf, 0.0, 1.0], [inf, 1.0, -inf], [1e308, 10.0, 0.0], [nan, 0.0, inf], [inf, 1.0, 1.0], [1, 2, 3], [0.1, 10, -1], ["1", 1, 1], [1, 1], [1e308, 10.0, -inf], [-0.0, 1.0, -0.0], [-0.0, 1.0, 0.0]):
        yield "fma", args
    for x in (0.0, -0.0, 1.0, -1.0, 5e-324, -5e-324, inf, -inf, nan, 1e308):
        for y in (0.0, -0.0, 1.5, -1.0, inf, -inf, nan):
            for steps in (0, 1, 3, 2**51, 2**63, 2**64, 10**30, True):
                if rng.random() < 0.35:
                    yield "nextafter", [x, y], {"steps": steps}
    for steps in (-1, 1.5, "1", None):
        yield "nextafter", [1.0, 2.0], {"steps": steps}
    for name in ("floor", "ceil", "trunc"):
        for x in ("1.5", "-1.5", "0.5", "-0.5", "1E+30", "123456789012345678901.5", "-1E-30", "0E+5", "-0", "NaN", "-sNaN", "Infinity", "-Infinity", "99.99", "1.0", "15E-1", "1E-1000000"):
            yield name, [Decimal(x)]
        for _ in range(20):
            yield name, [anywhere()]
            yield name, [integer()]


def lines():
    for name, args, *kwargs in calls():
        yield vectors.call(math, name, args, *(kwargs or [{}]))


vectors.write(os.path.join(here, "vectors.gz"), lines())
