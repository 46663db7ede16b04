"""Exceptions: chaining, groups, notes, finally, context managers, custom hierarchies."""
import contextlib
import traceback
import warnings


class AppError(Exception):
    def __init__(self, message, *, code=1):
        super().__init__(message)
        self.code = code

    def __str__(self):
        return f"[{self.code}] {super().__str__()}"


class NotFound(AppError): ...


def lookup(table, key):
    try:
        return table[key]
    except KeyError as error:
        raise NotFound(f"no {key!r}", code=404) from error


try:
    lookup({}, "x")
except AppError as error:
    print(error, repr(error.__cause__), type(error).__mro__[1].__name__)
    print(traceback.format_exception_only(error)[-1].strip())


def order(fail):
    steps = []
    try:
        steps.append("try")
        if fail:
            raise ValueError("broken")
    except ValueError as error:
        error.add_note("while ordering")
        steps.append(f"except {error} {error.__notes__}")
    else:
        steps.append("else")
    finally:
        steps.append("finally")
    return steps


print(order(False), order(True))


def overridden():
    for i in range(3):
        try:
            if i == 1:
                return "from try"
        finally:
            if i == 1:
                break
    return "after break"


print(overridden())


@contextlib.contextmanager
def section(name, swallow=()):
    print("enter", name)
    try:
        yield name.upper()
    except swallow as error:
        print("swallowed", error)
    finally:
        print("leave", name)


with section("one", ZeroDivisionError) as title, section("two"):
    print(title)
    1 / 0
with contextlib.ExitStack() as stack:
    for n in range(2):
        stack.enter_context(section(str(n)))
    stack.callback(print, "callback")
with contextlib.suppress(LookupError):
    [][0]

try:
    raise ExceptionGroup("several", [ValueError(1), TypeError("2"), ExceptionGroup("inner", [KeyError("k"), ValueError(3)])])
except* ValueError as group:
    print("values", [str(e) for e in group.exceptions], group.exceptions[1].exceptions)
except* (TypeError, KeyError) as group:
    print("others", group)

try:
    try:
        int("x")
    except ValueError:
        {}["y"]
except KeyError as error:
    print(type(error.__context__).__name__, error.__context__, error.__suppress_context__)

for expression in ("1 +", "undefined", "'a' + 1", "[].pop()", "(1).foo", "int('9' * 5000)", "f'{1!z}'", "None()"):
    try:
        eval(expression)
    except Exception as error:
        print(type(error).__name__, "|", error)

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("old", DeprecationWarning)
print(caught[0].category.__name__, caught[0].message)


def recurse(n):
    return recurse(n + 1)


try:
    recurse(0)
except RecursionError as error:
    print(error)
assert True, "not raised"
try:
    assert 1 > 2, f"{1} is not more than {2}"
except AssertionError as error:
    print(error)
