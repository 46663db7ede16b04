"""The guest's side of the gate, as far as it is easier said in Python than in C.

Nothing here is a security boundary. The boundary is the wasm module: what the policy does not grant is not there to be
called. This module gives the rules their messages: which modules the agent's own code may import, what a refusal says,
what a traceback shows.
"""

import builtins
import gc
import linecache
import sys
import traceback
import types

import _postern
import postern

# The agent's code has builtins of its own, so the import rule binds exactly the code that runs with the agent's globals.
# The standard library's own imports go on with the real ones.
_real_import = builtins.__import__

_ALWAYS = frozenset({"__future__", "__main__", "postern"})
_WITHHELD_LIMIT = 100
_SOURCES_LIMIT = 256
_FRAMES_LIMIT, _FRAMES_SHOWN = 2000, 100

_policy_name = "(none)"
_policy_path = ""
_modules = set(_ALWAYS)  # authorised modules, each with its submodules
_parents = set()  # packages on the way to an authorised module
_families = {}  # name → the module made of host functions
_granted_as = {}  # the same by what the policy calls the family
_files = None  # the module that opens files, where the family fs is granted
_sources = {}  # the names of the agent's files, oldest first; linecache has their lines
_withheld = []
_ungranted = ()  # families that the policy could grant
_locked = {}  # modules of packages that are locked and that the policy does not name → "name==version"
_guest_modules = ()  # modules that the policy could authorise
_recursion = 1000  # limits.recursion


class Interrupt(BaseException):
    """Raised between two bytecodes when the run's time is over. Not an Exception, so that ``except Exception`` does not eat it."""

    def __init__(self):
        super().__init__("the policy's wall_time is over")


# What the agent sees is a TimeoutError, though not the builtin one, which is an OSError.
Interrupt.__name__ = Interrupt.__qualname__ = "TimeoutError"
Interrupt.__module__ = "postern"


# --- the import rule -----------------------------------------------------------------------------------------------


def _authorised(name):
    """Is this module authorised, by its own name or by that of a package around it?"""
    while name not in _modules:
        name, dot, _ = name.rpartition(".")
        if not dot:
            return False
    return True


def _from_c(globals, locals, fromlist):
    """Does a C function import what it needs, such as datetime.strptime its parser?

    PyImport_ImportModule asks the __import__ of the code that called the function, and is known by its arguments.
    """
    return type(fromlist) is list and not fromlist and globals is not None and globals is locals


def _import(name, globals=None, locals=None, fromlist=(), level=0):
    """The agent's __import__: authorised modules, then granted families, else a refusal."""
    if level:
        raise ImportError("attempted relative import with no known parent package")
    if not isinstance(name, str):
        raise TypeError("module name must be a string")
    if _entropy is not None:
        _seed()
    if _authorised(name) or _from_c(globals, locals, fromlist):
        return _real_import(name, globals, locals, fromlist, 0)
    if name in _parents:
        # Only a package on the way to an authorised module: what is taken from it must be authorised itself.
        for member in fromlist or ():
            if member == "*" or not (_authorised(f"{name}.{member}") or f"{name}.{member}" in _parents):
                raise _import_refusal(f"{name}.{member}")
        return _real_import(name, globals, locals, fromlist, 0)
    if name in _families:
        return _families[name]
    raise _import_refusal(name)


def _import_refusal(name):
    _note_withheld("import", name)
    error = ImportError(f"import of {name!r} is not authorized by policy {_policy_name!r}", name=name)
    error.denied = True
    top = name.partition(".")[0]
    if top in _ungranted:
        # Not "add it to imports": the module of that name would do the same with nobody looking.
        error.add_note(f"hint: to grant it, add [grant.{top}] with the functions that are needed{_in_policy()}")
    elif top in _families:
        error.add_note(f"hint: {top!r} is a granted family; its functions are members of {top!r} itself")
    elif top in _locked:
        error.add_note(f"hint: to authorise it, add {_locked[top]!r} to packages of [python]{_in_policy()}")
    elif name in _guest_modules:
        error.add_note(f"hint: to authorise it, add {name!r} to imports of [python]{_in_policy()}")
    else:
        error.add_note(f"hint: this sandbox does not have {name!r}; importable: {', '.join(importable())}")
    return error


def importable():
    """The names that the agent may import, sorted, without the modules in an authorised package."""
    names = (_modules - _ALWAYS) | set(_families)
    return sorted(name for name in names if not _authorised(name.rpartition(".")[0]))


def _in_policy():
    if _policy_path.startswith("("):  # the one that is built in
        return " in a policy of your own"
    return f" in {_policy_path}" if _policy_path else ""


def _note_withheld(kind, name):
    entry = {"kind": kind, "name": name[:200]}
    if entry not in _withheld and len(_withheld) < _WITHHELD_LIMIT:
        _withheld.append(entry)


def take_withheld():
    """What was tried and not granted since the last time, for the result."""
    global _withheld
    taken, _withheld = _withheld, []
    return taken


# --- entropy ---------------------------------------------------------------------------------------------------------
#
# The guest's own entropy is a constant, so that what is drawn from it is the same each time. Where the policy grants
# random.bytes, it comes from there. The image that sessions begin with has generators in it that were seeded when it was
# made: each session must seed them anew, before the first import gives its code a way to them.

_entropy = None  # the host function to seed with, until it is done


def _use_entropy(draw):
    """Make draw, a granted random.bytes, the source of Python's own randomness."""
    global _entropy

    def urandom(size, /):
        """Return a bytes object containing random bytes suitable for cryptographic use."""
        drawn = [draw(_DRAWN_AT_ONCE) for _ in range(size // _DRAWN_AT_ONCE)]
        drawn.append(draw(size % _DRAWN_AT_ONCE))
        return b"".join(drawn)

    _real_import("os").urandom = urandom
    try:
        random = _real_import("random")
    except ImportError:
        return  # no module that the agent may import needs it
    seed_with = random.Random.seed

    def seed(self, a=None, version=2):
        seed_with(self, int.from_bytes(urandom(_SEED_BYTES)) if a is None else a, version)

    seed.__doc__, seed.__module__, seed.__qualname__ = seed_with.__doc__, "random", "Random.seed"
    random._urandom, random.Random.seed = urandom, seed
    random.seed = random._inst.seed
    _entropy = draw


_DRAWN_AT_ONCE = 1 << 20  # what one call of random.bytes gives at most
_SEED_BYTES = 624 * 4  # the state of the generator


def _seed():
    global _entropy
    _entropy = None
    sys.modules["random"].seed()


# --- granted families ------------------------------------------------------------------------------------------------


class Family(types.ModuleType):
    """A granted family as a module. Functions of the family that are not granted are there to say so when called."""

    def __getattr__(self, name):
        if name in self.__dict__.get("_withheld_names", ()):
            return _withheld_function(self._family, name, self._rule)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __dir__(self):
        return sorted(self.__all__)

    def __repr__(self):
        return f"<module {self.__name__!r} (host functions granted by policy {_policy_name!r})>"


def _withheld_function(family, name, rule):
    def refuse(*args, **kwargs):
        capability = f"{family}.{name}"
        _note_withheld("call", capability)
        raise postern.Denied(
            f"{capability} is not granted by policy {_policy_name!r}; "
            f"to allow it, add {name!r} to functions of [{rule}]{_in_policy()}",
            capability=capability,
            reason="not granted",
            rule=rule,
            position=_policy_path,
        )

    refuse.__name__ = refuse.__qualname__ = name
    refuse.__module__ = family
    return refuse


def _make_family(description):
    name = description["name"]
    module = Family(name, description.get("doc", ""))
    module._family = description.get("family", name)  # what the policy calls it
    module._rule = description.get("rule", f"grant.{module._family}")  # its table in the policy
    module._withheld_names = frozenset(description.get("withheld", ()))
    names = []
    for constant, value in description.get("constants", {}).items():
        setattr(module, constant, value)
        names.append(constant)
    for exception, base in description.get("exceptions", {}).items():
        base = getattr(builtins, base, Exception)
        if not (isinstance(base, type) and issubclass(base, Exception)):
            base = Exception
        setattr(module, exception, type(exception, (base,), {"__module__": name}))
        names.append(exception)
    for function in description["functions"]:
        made = _postern.function(
            function["index"], name, function["name"], function.get("signature", "(*args, **kwargs)"), function.get("doc", "")
        )
        setattr(module, function["name"], _with_result(module, made))
        names.append(function["name"])
    module.__all__ = names
    return module


_RESULTS = {"http": "_postern_http", "process": "_postern_process"}  # family → the module with the class of its results


def _with_result(module, function):
    """The function, with its dict made an object of the family's own class if there is one."""
    if module._family not in _RESULTS:
        return function
    source = _real_import(_RESULTS[module._family])
    source.family = module
    _PLUMBING_FILES.add(source.__file__)

    def call(*args, **kwargs):
        answer = function(*args, **kwargs)
        # An embedder may have a family of that name whose functions return something else.
        return source.Result(answer) if type(answer) is dict and answer.keys() >= source.FIELDS else answer

    call.__name__, call.__qualname__, call.__module__ = function.__name__, function.__qualname__, function.__module__
    call.__doc__, call.__signature__ = function.__doc__, function.__signature__
    return call


def exception_of(family, answer):
    """The exception that a host's answer other than "ok" stands for (docs/abi.md, "A host call")."""
    if "denied" in answer:
        denied = answer["denied"]
        return postern.Denied(
            denied.get("message", "denied"),
            capability=denied.get("capability", ""),
            reason=denied.get("reason", ""),
            rule=denied.get("rule", ""),
            position=denied.get("position", ""),
        )
    if "limit" in answer:
        if answer["limit"].get("name") == "wall_time":
            return Interrupt()  # as if the run's time had ended between two bytecodes
        return postern.LimitExceeded(answer["limit"].get("message", ""), limit=answer["limit"].get("name", ""))
    error = answer.get("error")
    if not isinstance(error, dict):
        return RuntimeError("the host's answer was not understood")
    name = error.get("type", "")
    if "." in name:
        module, _, name = name.partition(".")
        kind = _families[module].__dict__.get(name) if module in _families else None
    else:
        kind = getattr(builtins, name, None)
    if not (isinstance(kind, type) and issubclass(kind, Exception)):
        kind = RuntimeError
    try:
        raised = kind(error.get("message", ""))
    except Exception:  # some builtin exceptions take other arguments
        raised = RuntimeError(error.get("message", ""))
    for attribute, value in (error.get("attributes") or {}).items():
        setattr(raised, attribute, value)
    return raised


# --- the agent's builtins --------------------------------------------------------------------------------------------


def _open(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, closefd=True, opener=None):
    if _files is not None and not isinstance(file, int):
        return _files.open(_granted_as["fs"], file, mode, buffering, encoding, errors, newline, closefd, opener)
    _note_withheld("call", "open")
    why = "there are no file descriptors" if _files is not None else "this sandbox has no files"
    if "fs" in _ungranted:
        why += f"; to give it some, add [grant.fs] with functions and roots{_in_policy()}"
    raise postern.Denied(
        f"open({file!r}) is not granted by policy {_policy_name!r}: {why}",
        capability="open",
        reason="not granted",
        position=_policy_path,
    )


def _input(prompt="", /):
    raise EOFError("input() is not available: this sandbox has no terminal; pass values in as variables instead")


def _breakpoint(*args, **kwargs):
    raise RuntimeError("breakpoint() is not available: this sandbox has no debugger")


def _exit(code=None):
    raise SystemExit(code)


_real_setrecursionlimit = sys.setrecursionlimit


def _setrecursionlimit(limit, /):
    if isinstance(limit, int) and limit > _recursion:
        raise ValueError(f"limits.recursion of policy {_policy_name!r} is {_recursion}: it can be lowered, not raised")
    _real_setrecursionlimit(limit)


_setrecursionlimit.__name__ = _setrecursionlimit.__qualname__ = "setrecursionlimit"
_setrecursionlimit.__module__ = "sys"


def _agent_builtins():
    own = dict(vars(builtins))
    own.update(
        __import__=_import,
        open=_open,
        input=_input,
        breakpoint=_breakpoint,
        exit=_exit,
        quit=_exit,
        tools=postern.tools,
        final_answer=postern.final_answer,
    )
    for function, name in ((_import, "__import__"), (_open, "open"), (_input, "input"), (_breakpoint, "breakpoint"), (_exit, "exit")):
        function.__name__ = function.__qualname__ = name
        function.__module__ = "builtins"
    return own


def configure(config):
    """Take the configuration (docs/abi.md). Called once, before any code of the agent."""
    global _policy_name, _policy_path, _ungranted, _guest_modules, _recursion, _files, _locked
    _policy_name = config.get("policy", _policy_name)
    _policy_path = config.get("policy_path", _policy_path)
    _ungranted = frozenset(config.get("ungranted", ()))
    _guest_modules = frozenset(config.get("modules", ()))
    _recursion = config.get("limits", {}).get("recursion", _recursion)
    for name in config.get("imports", ()):
        _modules.add(name)
        while "." in name:
            name = name.rpartition(".")[0]
            _parents.add(name)
    packages = config.get("packages", {})
    _modules.update(packages.get("modules", ()))
    _locked = packages.get("others", {})
    if packages.get("path"):
        sys.path.append(packages["path"])  # the last: nothing there stands for a module of Python's own
    for description in config.get("families", ()):
        family = _make_family(description)
        _families[family.__name__] = family
        _granted_as[family._family] = family
        postern.tools._families[family.__name__] = family
    draw = _granted("random", "bytes")
    if draw is not None:
        _use_entropy(draw)
    if "fs" in _granted_as:
        _files = _real_import("_postern_files")
    _preload(config.get("imports", ()), packages.get("modules", ()))
    clock = [_granted("clock", function) for function in ("now", "monotonic", "sleep")]
    if any(clock):
        _real_import("_postern_clock").use(*clock, _real_import)
    _real_setrecursionlimit(_recursion)
    sys.setrecursionlimit = _setrecursionlimit


def _granted(family, function):
    """The function, or None if the policy does not grant it."""
    module = _granted_as.get(family)
    return getattr(module, function) if module is not None and function in module.__all__ else None


def _preload(names, of_packages):
    """Import what the agent may import and what tracebacks need: it is then part of the image that sessions begin with."""
    for name in (*names, "ast", "tokenize"):
        try:
            _real_import(name)
        except Exception:
            pass  # the agent's own import will say why
    for name in of_packages:
        try:
            _real_import(name)
        except BaseException:
            pass  # a package may end the program, too
    # What exists now stays: the collector need not look at it in each session, and so does not touch its pages.
    gc.collect()
    gc.freeze()


# --- errors ----------------------------------------------------------------------------------------------------------


def keep_source(filename, source):
    """Remember the agent's source, so that tracebacks can show its lines."""
    _sources.pop(filename, None)
    while len(_sources) >= _SOURCES_LIMIT:
        oldest = next(iter(_sources))
        del _sources[oldest]
        linecache.cache.pop(oldest, None)
    _sources[filename] = None
    # Complete, with no time of change: linecache then neither looks for a file nor drops the entry.
    linecache.cache[filename] = (len(source), None, source.splitlines(True), filename)


def _plumbing(filename):
    return filename.startswith("<frozen ") or filename in _PLUMBING_FILES


_PLUMBING_FILES = {postern.__file__, *(__file__.replace("_bootstrap", part) for part in ("_bootstrap", "_files", "_clock"))}


def _walk(trace, seen):
    """A TracebackException and all that hang on it."""
    if trace is None or id(trace) in seen:
        return
    seen.add(id(trace))
    yield trace
    for other in (trace.__cause__, trace.__context__, *(trace.exceptions or ())):
        yield from _walk(other, seen)


def _format(error):
    frames, frame = 0, error.__traceback__
    while frame is not None:
        frames, frame = frames + 1, frame.tb_next
    # A million frames, after setrecursionlimit(), would take longer to describe than they took to make.
    limit = -_FRAMES_SHOWN if frames > _FRAMES_LIMIT else None
    trace = traceback.TracebackException(type(error), error, error.__traceback__, limit=limit, compact=True)
    for part in _walk(trace, set()):
        part.stack[:] = [frame for frame in part.stack if not _plumbing(frame.filename)]
    text = "".join(trace.format())
    return text if limit is None else f"(the innermost {_FRAMES_SHOWN} of {frames} calls)\n{text}"


def _own_syntax(error):
    """Is it about the syntax of the agent's code, with a line? The agent can make such errors itself, of anything."""
    return (
        isinstance(error, SyntaxError)
        and type(error.filename) is str
        and error.filename in _sources
        and type(error.lineno) is int
        and 0 < error.lineno < 2**31
    )


def _line(error):
    """The agent's line that the error is about: the innermost one of its own, or where its syntax is wrong."""
    if _own_syntax(error):
        return error.lineno
    line = None
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename in _sources:
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


# What a class is called, whatever its metaclass says.
_name_of = type.__dict__["__name__"].__get__


def _message(error):
    try:
        return str(error)
    except Exception as inner:
        return f"<str() raised {type(inner).__name__}>"


def report(error, result_limit):
    """Describe an exception that ended a run, or None for an end that is no error (SystemExit with 0 or nothing)."""
    described = {"type": _name_of(type(error)), "message": "", "traceback": "", "line": None, "denied": False, "limit": None}
    if isinstance(error, SystemExit):
        if error.code is None or error.code == 0:
            return None
        described["message"] = f"exit code {error.code}" if isinstance(error.code, int) else str(error.code)
        described["traceback"] = f"SystemExit: {described['message']}\n"
        described["line"] = _line(error)
        return described
    if isinstance(error, _postern.TooLarge):
        # Only the value of a run raises it this far.
        message = f"the value is too large to return: {error} of JSON; return less, or print a part of it"
        described.update(type="LimitExceeded", message=message, traceback=f"LimitExceeded: {message}\n", limit="result")
        return described
    if isinstance(error, MemoryError):
        if not _message(error).startswith("Parser stack overflowed"):  # which more memory would not mend
            described["limit"] = "memory"
    elif isinstance(error, RecursionError):
        if sys.getrecursionlimit() == _recursion and _message(error).startswith("maximum recursion depth exceeded"):
            described["limit"] = "recursion"
    elif isinstance(error, Interrupt):
        described.update(type="LimitExceeded", limit="wall_time")
    elif isinstance(error, postern.LimitExceeded) and error.limit == "host_calls":
        described["limit"] = "host_calls"  # the only one that the host raises in the agent's code
    described["denied"] = isinstance(error, postern.Denied) or (isinstance(error, ImportError) and getattr(error, "denied", False) is True)
    described["message"] = _message(error)
    described["line"] = _line(error)
    if _own_syntax(error) and error.text is None:
        error.text = linecache.getline(error.filename, error.lineno)  # the compiler's later passes have no source at hand
    try:
        described["traceback"] = _format(error)
    except Exception as inner:  # the agent's own __str__, __notes__ or frames may be made to fail
        described["traceback"] = f"{type(error).__name__}: {described['message']}\n(no traceback: {type(inner).__name__} while formatting it)\n"
    return described


sys.modules["__main__"].__dict__["__builtins__"] = _agent_builtins()
sys.stdin = None
