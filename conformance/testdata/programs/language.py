"""The language itself: patterns, generators that talk back, scopes, unpacking, type parameters, classes made by classes."""
import sys
from contextlib import ExitStack, contextmanager
from functools import cache, partial, singledispatch, wraps


def describe(thing):
    match thing:
        case None | True | False:
            return "a constant"
        case int(n) | float(n) if n < 0:
            return f"negative {n}"
        case []:
            return "empty"
        case [x]:
            return f"only {x!r}"
        case [first, *middle, last] if middle:
            return f"{first!r} to {last!r} with {len(middle)} between"
        case {"kind": "point", "at": (x, y), **rest}:
            return f"a point at {x},{y} and {rest or 'nothing'} else"
        case str() as text if (size := len(text)) > 3:
            return f"text of {size}"
        case complex(real=r, imag=i):
            return f"{r:g} and {i:g}i"
        case _:
            return "something"


for thing in (None, -2, -0.5, [], "", "word", ["a"], (1, 2, 3), [1, 2], {"kind": "point", "at": [3, 4]}, {"kind": "point", "at": (0, 0), "z": 9}, 2j):
    print(describe(thing), end="; ")
print()


def averager():
    total = count = 0
    mean = None
    while True:
        try:
            value = yield mean
        except ZeroDivisionError:
            total = count = 0
            mean = "reset"
            continue
        total, count = total + value, count + 1
        mean = total / count


def relay(log):
    try:
        result = yield from averager()
    finally:
        log.append("closed")
    return result


log = []
talk = relay(log)
next(talk)
print([talk.send(n) for n in (10, 20, 60)], talk.throw(ZeroDivisionError()), talk.send(4), talk.close(), log)


async def countdown(n):
    try:
        while n:
            n -= (yield n) or 1
    finally:
        log.append("async closed")


def by_hand(awaitable):
    """Runs what never really waits."""
    try:
        awaitable.send(None)
    except StopIteration as stop:
        return stop.value


numbers = countdown(9)
print(by_hand(numbers.__anext__()), by_hand(numbers.asend(5)), by_hand(numbers.__anext__()), by_hand(numbers.aclose()), log)


def counted(limit):
    def decorate(function):
        @wraps(function)
        def wrapper(*args, **kwargs):
            nonlocal calls
            if (calls := calls + 1) > limit:
                raise RuntimeError(f"{function.__name__} was called more than {limit} times")
            return function(*args, **kwargs)

        calls = 0
        return wrapper

    return decorate


@counted(2)
def hello(name, /, greeting="hello", *, mark="!"):
    """Says it."""
    return f"{greeting} {name}{mark}"


print(hello("you"), hello("you", "bye", mark="?"), hello.__doc__, hello.__wrapped__.__defaults__)
for bad in (lambda: hello("again"), lambda: hello.__wrapped__(name="x"), lambda: hello.__wrapped__("a", "b", "c"), lambda: hello.__wrapped__("a", tone=1), lambda: hello.__wrapped__()):
    try:
        bad()
    except (RuntimeError, TypeError) as error:
        print(error)

first, *rest, last = "abcdef"
(a, (b, c)), d = (1, (2, 3)), [4]
merged = {**{"x": 1, "y": 2}, "y": 3, **dict(z=4)}
print(first, rest, last, a + b + c, *d, merged, [*range(3), *"ab"], 1 < a + 1 < 3 == 3, not a or b and c)
print([x for row in [[1, 2], [3]] for x in row if x != 2], {k: v for k, v in zip("ab", range(2))}, sorted({n % 3 for n in range(9)}), any(x > 2 for x in rest if isinstance(x, int)))
print([f(10) for f in [lambda n, i=i: n + i for i in range(3)]], [f(10) for f in [lambda n: n + i for i in range(3)]])


class Registry(type):
    known = {}

    def __new__(meta, name, bases, namespace, *, register=True):
        made = super().__new__(meta, name, bases, namespace)
        if register:
            meta.known[name.lower()] = made
        return made

    def __getitem__(cls, key):
        return cls.known[key]

    def __contains__(cls, key):
        return key in cls.known


class Base(metaclass=Registry, register=False):
    __slots__ = ()

    def __class_getitem__(cls, item):
        return "not reached: the metaclass comes first"

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(print, f"<{type(self).__name__}.{name}>")


class Left(Base):
    def who(self):
        return "left"


class Right(Base):
    def who(self):
        return "right"


class Both(Left, Right):
    def who(self):
        return f"{super().who()} before {super(Left, self).who()}"


print(Both().who(), [c.__name__ for c in Both.__mro__], "both" in Base, "base" in Base, Base["left"]().who())
Both().anything("goes")
print(getattr(Both(), "_private", "nothing private"))


class Pair[T, U: (int, str) = int]:
    def __init__(self, left: T, right: U):
        self.left, self.right = left, right

    def swap(self) -> "Pair[U, T]":
        return Pair(self.right, self.left)


type Row[K] = dict[K, list[Pair[K, int]]]


def largest[T: float](*values: T) -> T:
    return max(values)


print(Pair[str, int].__args__, Pair("a", 1).swap().left, Row.__value__, [p.__name__ for p in Row.__type_params__], largest(1, 2.5), largest.__annotations__["return"])


@singledispatch
def size(x):
    return "?"


@size.register
def _(x: int):
    return x.bit_length()


@size.register(list)
@size.register(tuple)
def _(x):
    return len(x)


@cache
def ways(n, coins=(50, 20, 10, 5, 2, 1)):
    if n < 0 or not coins:
        return 0
    return 1 if n == 0 else ways(n - coins[0], coins) + ways(n, coins[1:])


print(size(255), size((1, 2)), size(True), size(None), ways(200), ways.cache_info().misses)


@contextmanager
def step(name, swallow=()):
    print("enter", name, end=", ")
    try:
        yield name.upper()
    except swallow as error:
        print("swallow", error, end=", ")
    finally:
        print("leave", name, end=", ")


with ExitStack() as stack:
    names = [stack.enter_context(step(n, (KeyError,) if n == "b" else ())) for n in "abc"]
    stack.callback(print, "callback", end=", ")
    raise KeyError(*names)
print("after")

try:
    try:
        raise ExceptionGroup("several", [ValueError(1), TypeError("t"), ExceptionGroup("inner", [ValueError(2), OSError(5, "io")])])
    except* ValueError as group:
        print(group.exceptions, end=" ")
    except* TypeError as group:
        print(len(group.exceptions), end=" ")
except ExceptionGroup as rest:
    print(rest.message, rest.exceptions[0].exceptions)

x = "global"


class Scope:
    x = "class"
    seen = [x for _ in range(1)]

    def method(self):
        return x


print(Scope.seen, Scope().method(), (lambda: (y := 5) + y)(), f"{x!r:>10}|{x[:2]:*^6}|{3.14159:.{1 + 1}f}|{{}}|{f'{x}'}", "%(a)05.1f %%" % {"a": 2.25})
for n in range(2, 12):
    for d in range(2, n):
        if n % d == 0:
            break
    else:
        print(n, end=" ")
print(sys.getrecursionlimit(), divmod(-7, 3), -7 // 2, round(2.5), round(-0.5), 7 % -3, 0.1 + 0.2, 2**-1, 10**20 // 3, int("-0x1f", 16), 1_000, 0b101 ^ 0o17, ~5, True + True)
