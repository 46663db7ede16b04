"""Writes truth.gz beside it: the elementary functions, computed with as many digits as it takes and rounded once.

Each line is a function's name, its arguments and its value, as hexadecimal floats.
"""

import gzip
import math
import os
import random
from decimal import Decimal as D
from decimal import getcontext

rng = random.Random(20250131)


def series(first, next_term):
    total, term, n = D(0), first, 0
    while term and (not total or abs(term) > abs(total) * D(10) ** -(getcontext().prec + 2)):
        total += term
        n += 1
        term = next_term(term, n)
    return total


def atan(x):
    if abs(x) > 1:
        return PI.copy_sign(x) / 2 - atan(1 / x)
    for _ in range(8):
        x = x / (1 + (1 + x * x).sqrt())
    power = [x]

    def following(term, n):
        power[0] *= -x * x
        return power[0] / (2 * n + 1)

    return series(x, following) * 256


getcontext().prec = 500
PI = D(0)
PI = 16 * atan(D(1) / 5) - 4 * atan(D(1) / 239)


def sin(x):
    x = x.remainder_near(2 * PI)
    return series(x, lambda t, n: -t * x * x / (2 * n * (2 * n + 1)))


def cos(x):
    return sin(PI / 2 - x)


def angle(y, x):
    if x > 0:
        return atan(y / x)
    if x < 0:
        return atan(y / x) + PI.copy_sign(y)
    return PI.copy_sign(y) / 2


def erf(x):
    if x > 8:
        return 1 - erfc(x)
    return 2 / PI.sqrt() * (-x * x).exp() * series(x, lambda t, n: t * 2 * x * x / (2 * n + 1))


def erfc(x):
    if x < 8:
        return 1 - erf(x)
    f = x
    for n in range(400, 0, -1):
        f = x + D(n) / 2 / f
    return (-x * x).exp() / PI.sqrt() / f


FUNCTIONS = {
    "exp": (lambda x: x.exp(), -745, 709),
    "exp2": (lambda x: (x * D(2).ln()).exp(), -1074, 1023),
    "expm1": (lambda x: x.exp() - 1, -40, 709),
    "log": (lambda x: x.ln(), 0, 5),
    "log2": (lambda x: x.ln() / D(2).ln(), 0, 5),
    "log10": (lambda x: x.log10(), 0, 5),
    "log1p": (lambda x: (1 + x).ln(), -1, 5),
    "sin": (sin, -50, 50),
    "cos": (cos, -50, 50),
    "tan": (lambda x: sin(x) / cos(x), -50, 50),
    "asin": (lambda x: angle(x, ((1 - x) * (1 + x)).sqrt()), -1, 1),
    "acos": (lambda x: angle(((1 - x) * (1 + x)).sqrt(), x), -1, 1),
    "atan": (atan, -5, 5),
    "sinh": (lambda x: (x.exp() - (-x).exp()) / 2, -50, 50),
    "cosh": (lambda x: (x.exp() + (-x).exp()) / 2, -50, 50),
    "tanh": (lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()), -22, 22),
    "asinh": (lambda x: (abs(x) + (x * x + 1).sqrt()).ln().copy_sign(x), -50, 50),
    "acosh": (lambda x: (x + (x * x - 1).sqrt()).ln(), 1, 50),
    "atanh": (lambda x: ((1 + x) / (1 - x)).ln() / 2, -1, 1),
    "cbrt": (lambda x: (abs(x).ln() / 3).exp().copy_sign(x), -50, 50),
    "erf": (erf, -6, 6),
    "erfc": (erfc, -6, 27),
}


def arguments(name, low, high):
    for _ in range(60):
        yield rng.uniform(low, high)
    for _ in range(40):
        yield math.ldexp(rng.uniform(0.5, 1), rng.randint(-40, 2))
    if name in ("sin", "cos", "tan", "atan", "cbrt", "log", "log2", "log10", "asinh"):
        for _ in range(40):
            yield math.ldexp(rng.uniform(0.5, 1), rng.randint(-900, 1024))
    if name in ("sin", "cos", "tan"):
        for n in range(1, 40):
            yield n * math.pi / 2
        yield 6381956970095103 * 2.0**797  # as near to a multiple of π/2 as a float can be
    if name in ("acosh", "log", "log2", "log10"):
        for _ in range(30):
            yield 1 + math.ldexp(rng.uniform(0.5, 1), rng.randint(-50, -2))
    for n in range(1, 60):
        yield float(n)


def line(name, args, value):
    return " ".join([name, *map(float.hex, args), float(value).hex()]) + "\n"


def lines():
    getcontext().prec = 400
    for name, (function, low, high) in FUNCTIONS.items():
        for x in arguments(name, low, high):
            if low <= x <= high or x > high and name in ("sin", "cos", "tan", "atan", "cbrt", "log", "log2", "log10", "asinh"):
                # Of a tiny x, this formula for asinh has no digits left.
                if not (name == "atanh" and abs(x) == 1 or name == "asinh" and x < 1e-30):
                    # Python's float() of a Decimal is correctly rounded. More digits only where the argument is huge.
                    getcontext().prec = 400 if abs(x) > 1e10 else 90
                    yield line(name, [x], function(D(x)))
    getcontext().prec = 90
    for _ in range(300):
        x, y = abs(rng.uniform(0, 5)), rng.uniform(-200, 200)
        if 1e-300 < x**y:
            yield line("pow", [x, y], (D(y) * D(x).ln()).exp())
    for _ in range(100):
        x, y = float(rng.randint(2, 30)), float(rng.randint(2, 30))
        yield line("pow", [x, y], D(int(x) ** int(y)))
        y = -y / 2
        yield line("pow", [x, y], (D(y) * D(x).ln()).exp())
    for _ in range(200):
        x, y = rng.uniform(-5, 5), rng.uniform(-5, 5) * 10.0 ** rng.randint(-20, 20)
        yield line("atan2", [y, x], angle(D(y), D(x)))


here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "truth.gz"), "wb") as f, gzip.GzipFile("", "wb", 9, f, mtime=0) as z:
    for text in dict.fromkeys(lines()):
        z.write(text.encode())
