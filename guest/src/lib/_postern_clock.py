"""Python's own time and datetime over the granted functions of the family clock.

The guest's own clocks are virtual. Where the policy grants clock.now, clock.monotonic or clock.sleep, what Python code calls to know the time
or to wait asks the host. The loop of asyncio goes by the virtual clock, which a sleep moves as well; so it is right whichever of the functions are granted.
"""

import gc
import sys
import types


def use(now, monotonic, sleep, real_import):
    """Put the granted functions, None where one is not granted, in the places of Python's own."""
    time = real_import("time")
    own = types.ModuleType("time", time.__doc__)
    vars(own).update(vars(time))
    for name in ("asyncio.base_events", "asyncio.events"):
        if name in sys.modules and getattr(sys.modules[name], "time", None) is time:
            sys.modules[name].time = own
    if now is not None:
        _use_now(time, own, now)
        _use_datetime(real_import("datetime"), now)
    if monotonic is not None:
        _use_monotonic(time, own, monotonic)
    if sleep is not None:
        _use_sleep(time, own, sleep)


def _put(namespace, like, **functions):
    for name, function in functions.items():
        function.__name__ = function.__qualname__ = name
        function.__module__, function.__doc__ = like.__name__, getattr(like, name).__doc__
        setattr(namespace, name, function)


def _use_now(module, own, now):
    def time():
        return now().timestamp()

    def time_ns():
        at = now()
        return (int(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond) * 1000

    def gmtime(seconds=None, /):
        return own.gmtime(time() if seconds is None else seconds)

    def localtime(seconds=None, /):
        return own.localtime(time() if seconds is None else seconds)

    def ctime(seconds=None, /):
        return own.ctime(time() if seconds is None else seconds)

    def asctime(t=None, /):
        return own.asctime(localtime() if t is None else t)

    def strftime(format, t=None, /):
        return own.strftime(format, localtime() if t is None else t)

    _put(module, own, time=time, time_ns=time_ns, gmtime=gmtime, localtime=localtime, ctime=ctime, asctime=asctime, strftime=strftime)


def _use_monotonic(module, own, now):
    def monotonic():
        return now()

    def monotonic_ns():
        return int(now() * 1e9)

    def perf_counter():
        return now()

    def perf_counter_ns():
        return int(now() * 1e9)

    _put(module, own, monotonic=monotonic, monotonic_ns=monotonic_ns, perf_counter=perf_counter, perf_counter_ns=perf_counter_ns)


def _use_sleep(module, own, wait):
    def sleep(seconds, /):
        if hasattr(type(seconds), "__index__"):
            seconds = type(seconds).__index__(seconds)
        wait(seconds)
        own.sleep(seconds)  # what still goes by the virtual clock sees the time pass too

    _put(module, own, sleep=sleep)


def _use_datetime(module, tell):
    """datetime.now and its like are methods of types written in C, which code must go on to find as they are: isinstance, pickling, subclasses.

    So the types stay, and get other methods. Types written in C take no attributes by assignment; their dicts do.
    """

    def now(cls, tz=None):
        return cls.fromtimestamp(tell().timestamp(), tz)

    def utcnow(cls):
        return cls.fromtimestamp(tell().timestamp(), module.UTC).replace(tzinfo=None)

    def today(cls):
        return cls.fromtimestamp(tell().timestamp())

    def date_today(cls):
        return cls.fromtimestamp(tell().timestamp())

    for kind, methods in ((module.datetime, {"now": now, "utcnow": utcnow, "today": today}), (module.date, {"today": date_today})):
        members = next(members for members in gc.get_referents(vars(kind)) if type(members) is dict)
        for name, method in methods.items():
            method.__name__, method.__qualname__, method.__module__ = name, f"{kind.__name__}.{name}", "datetime"
            method.__doc__ = getattr(kind, name).__doc__
            members[name] = classmethod(method)
    sys._clear_internal_caches()  # the types may be remembered as they were
