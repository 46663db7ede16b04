"""smolagents' code agents in Postern's sandbox.

    from postern.smolagents import PosternCodeAgent

    agent = PosternCodeAgent(tools=[search], model=model)
    agent.run("…")

or, for a ``CodeAgent`` as it is, ``CodeAgent(…, executor=PosternExecutor())``. The agent's code runs in the sandbox; tools and managed
agents run in this process, called through the policy.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from typing import IO, Any

from smolagents import CodeAgent
from smolagents.local_python_executor import (
    BASE_BUILTIN_MODULES,
    DEFAULT_MAX_LEN_OUTPUT,
    MAX_EXECUTION_TIME_SECONDS,
    CodeOutput,
    ExecutionTimeoutError,
    InterpreterError,
    PythonExecutor,
)
from smolagents.utils import truncate_content

from ._base import OnOutput
from ._client import Postern, Session
from ._errors import DeadlineExceeded, SessionLost
from ._results import ErrorInfo, Result
from ._tools import Tool
from ._values import Repr, encode

__all__ = ["PosternCodeAgent", "PosternExecutor"]


class PosternExecutor(PythonExecutor):  # type: ignore[misc]
    """Runs an agent's code in Postern's sandbox: what smolagents calls a PythonExecutor, with the arguments of its local one.

    Without ``policy`` (a file) or ``policy_text``, the policy is made of the arguments: the authorised imports, the tools, the
    time. With one, the policy says what is allowed, and ``additional_authorized_imports`` can only ask for what it allows.
    ``on_output(stream, text)`` is called with what the code of a step prints, while it runs; its logs have it too, also when the step is stopped by force.
    The remaining arguments are those of ``postern.Postern``.

    What a tool returns and the sandbox has no form for, such as an image, stays in this process: the code gets a text that stands for
    it, and the object itself comes back when that text is given to a tool or to ``final_answer``.
    """

    def __init__(
        self,
        additional_authorized_imports: Sequence[str] = (),
        max_print_outputs_length: int | None = None,
        additional_functions: Mapping[str, Callable[..., Any]] | None = None,
        timeout_seconds: float | None = MAX_EXECUTION_TIME_SECONDS,
        *,
        policy: str | os.PathLike[str] | None = None,
        policy_text: str | None = None,
        on_output: OnOutput | None = None,
        binary: str | os.PathLike[str] | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        self.additional_authorized_imports = list(additional_authorized_imports)
        self.authorized_imports = sorted(set(BASE_BUILTIN_MODULES) | set(self.additional_authorized_imports))
        self.max_print_outputs_length = DEFAULT_MAX_LEN_OUTPUT if max_print_outputs_length is None else max_print_outputs_length
        self.additional_functions = dict(additional_functions or {})
        self.timeout_seconds = timeout_seconds
        self.state: MutableMapping[str, Any] = _State(self)
        self._policy, self._policy_text, self._on_output = policy, policy_text, on_output
        self._settings: dict[str, Any] = {"binary": binary, "args": args, "env": env, "cwd": cwd, "stderr": stderr}
        self._postern: Postern | None = None
        self._session: Session | None = None
        self._tools: dict[str, _AgentTool] = {}
        self._final_answer: Callable[..., Any] | None = None
        self._variables: dict[str, Any] = {}
        self._kept: dict[str, Any] = {}
        self._logs: str | None = None
        self._steps = 0
        self._use_tools({})
        self._modules = self._check_modules()

    # --- smolagents' contract ---

    def send_tools(self, tools: Mapping[str, Any]) -> None:
        """Makes tools and managed agents callable under their names."""
        self._use_tools(tools)

    def send_variables(self, variables: Mapping[str, Any]) -> None:
        """Gives values to variables."""
        made = {name: self._keep(value) for name, value in variables.items()}
        self._variables.update(made)
        if self._session is not None and made:
            self._session.set(made)

    def __call__(self, code_action: str) -> CodeOutput:
        """Runs one step. What the code raises becomes an InterpreterError; what it had printed is in ``state["_print_outputs"]``."""
        self._logs = ""
        session = self._open()
        self._steps += 1
        step = f"<step {self._steps}>"
        code = code_action + _value_of_assignment(code_action)
        printed: list[str] = []

        def on_output(stream: str, text: str) -> None:
            printed.append(text)
            if self._on_output is not None:
                self._on_output(stream, text)

        try:
            result = session.exec(code, filename=step, timeout=self._deadline(), on_output=on_output, checkpoint=True)
        except DeadlineExceeded as error:
            if error.lost:
                self._begin(session)
            raise ExecutionTimeoutError(self._out_of_time()) from None
        except SessionLost:
            self._begin(session)
            raise InterpreterError("The state of earlier steps is gone: code had to be stopped by force.") from None
        finally:
            self._logs = truncate_content("".join(printed), max_length=self.max_print_outputs_length)
        if result.error is not None:
            if result.lost:
                self._begin(session)
            raise self._error(code_action, step, result)
        if result.is_final_answer:
            return CodeOutput(output=self._finish(result.value), logs=self._logs, is_final_answer=True)
        return CodeOutput(output=self._give_back(result.value), logs=self._logs, is_final_answer=False)

    def cleanup(self) -> None:
        """Ends the sandbox, with its state. Another call would begin a new one."""
        postern, self._postern, self._session = self._postern, None, None
        if postern is not None:
            postern.close()

    # --- the sandbox ---

    def _check_modules(self) -> list[str]:
        """The modules to let in, once it is clear that they exist."""
        self._postern = Postern(**self._settings)
        modules: list[str] = self._postern.describe()["modules"]
        known = set(modules)
        missing = sorted({top for name in self.authorized_imports if (top := name.split(".")[0]) != "*" and top not in known})
        if missing:
            self.cleanup()
            raise InterpreterError(
                f"Non-installed authorized modules: {', '.join(missing)}. Please install these modules or remove them from the authorized imports list."
            )
        if "*" in self.authorized_imports:
            return sorted({name.split(".")[0] for name in modules})
        wanted = {name.removesuffix(".*") for name in self.authorized_imports}
        wanted = {name if name in known else name.split(".")[0] for name in wanted}
        # An entry of a policy stands for its submodules, so these need none.
        return sorted(name for name in wanted if not any(name.startswith(other + ".") for other in wanted))

    def _use_tools(self, tools: Mapping[str, Any]) -> None:
        tools = dict(tools)
        self._final_answer = tools.pop("final_answer", None)
        functions = {**tools, **self.additional_functions}
        taken = set(filter(_PLAIN_NAME.fullmatch, functions))
        made = {name: _AgentTool(self, _registered(name, taken), function) for name, function in functions.items()}
        before = {name: tool.tool.message() for name, tool in self._tools.items()}
        self._tools, old = made, self._tools
        if before == {name: tool.tool.message() for name, tool in made.items()}:
            for name, tool in old.items():  # the same in the sandbox; here they may be other objects
                tool.function = made[name].function
            self._tools = old
        elif self._session is not None:
            # Tools are part of what the sandbox is made with. A new one gets the values of the old one's variables.
            self._variables.update({name: value for name, value in self.state.items() if not isinstance(value, Repr)})
            self._session = None

    def _open(self) -> Session:
        if self._session is None:
            if self._postern is None or self._postern._info is not None:  # it was closed, or has other tools
                self.cleanup()
                self._postern = Postern(**self._settings)
            text = self._policy_text if self._policy is not None or self._policy_text is not None else self._made_policy()
            self._postern._configure(self._policy, text, [tool.tool for tool in self._tools.values()])
            self._check_policy(self._postern)
            self._session = self._postern.session()
            self._begin(self._session, new=True)
        return self._session

    def _check_policy(self, postern: Postern) -> None:
        """Says which of the imports that were asked for a policy of the user's does not allow."""
        info = postern.info
        allowed = {*info.imports, *(function.name.split(".")[0] for function in info.granted)}
        refused = [
            name
            for name in self.additional_authorized_imports
            if name != "*"
            and not any(f"{name.removesuffix('.*')}.".startswith(f"{one}.") for one in allowed)
            and not any(one.startswith(f"{name.removesuffix('.*')}.") for one in allowed)
        ]
        if refused:
            self.cleanup()
            raise InterpreterError(f"The policy {info.policy!r} does not authorize the imports {', '.join(refused)}.")

    def _begin(self, session: Session, new: bool = False) -> None:
        """Makes a new or lost session one that an agent's code can run in."""
        if not new:
            session.reset()
        assert self._postern is not None
        families = {function.name.split(".")[0] for function in self._postern.info.granted}
        also = sorted({*families, "postern", "tools"})
        aliases = {name: tool.tool.name for name, tool in self._tools.items() if name != tool.tool.name}
        install = f"_install({self.authorized_imports!r}, {also!r}, {aliases!r}, {_FINAL!r})\ndel _install\n"
        session.exec(_PRELUDE + install, filename="<frozen postern.smolagents>").unwrap()
        if self._variables:
            session.set(self._variables)
        session.checkpoint()

    def _made_policy(self) -> str:
        seconds = 24 * 3600 if self.timeout_seconds is None else min(self.timeout_seconds, 24 * 3600)
        output = min(16 << 20, max(1 << 20, 4 * self.max_print_outputs_length))
        lines = [
            "policy = 1",
            'name = "smolagents"',
            "[limits]",
            f'wall_time = "{max(1, round(seconds * 1000))}ms"',
            "fuel = 1_000_000_000_000",
            f"output = {output}",
            'result = "16MiB"',
            "host_calls = 1_000_000",
            "[python]",
            f"imports = [{', '.join(map(_toml_string, self._modules))}]",
        ]
        if self._tools:
            lines += ["[grant.tools]", f"functions = [{', '.join(_toml_string(tool.tool.name) for tool in self._tools.values())}]"]
        return "\n".join(lines) + "\n"

    def _deadline(self) -> float | None:
        """A policy that was made here has the time in it, which lets what was printed survive."""
        return None if self._policy is None and self._policy_text is None else self.timeout_seconds

    # --- values ---

    def _keep(self, value: Any) -> Any:
        """The value, if it can cross, or else a text that stands for it."""
        try:
            encode(value)
            return value
        except (TypeError, ValueError):
            text = f"<{type(value).__name__} object #{len(self._kept) + 1}, kept outside of the sandbox>"
            self._kept[text] = value
            return text

    def _give_back(self, value: Any) -> Any:
        """The value, with the objects that texts in it stand for."""
        if not self._kept:
            return value
        if isinstance(value, str):
            return self._kept.get(value, value)
        if type(value) in (list, tuple):
            return type(value)(map(self._give_back, value))
        if type(value) is dict:
            return {key: self._give_back(member) for key, member in value.items()}
        return value

    def _finish(self, value: Any) -> Any:
        """What the agent's tool final_answer makes of the arguments that the code gave."""
        args, kwargs = (value,), {}
        if type(value) is tuple and len(value) == 3 and value[0] == _FINAL and type(value[1]) is tuple and type(value[2]) is dict:
            args, kwargs = value[1], value[2]
        args, kwargs = self._give_back(args), self._give_back(kwargs)
        try:
            if self._final_answer is not None:
                return self._final_answer(*args, **kwargs)
            return args[0] if len(args) == 1 else kwargs.get("answer")
        except Exception as error:
            raise InterpreterError(f"Code execution failed at line 'final_answer' due to: {type(error).__name__}: {error}") from error

    # --- errors ---

    def _out_of_time(self) -> str:
        return f"Code execution exceeded the maximum execution time of {self.timeout_seconds} seconds"

    def _error(self, code: str, step: str, result: Result) -> Exception:
        error = result.error
        assert error is not None
        if error.limit == "wall_time" and self._deadline() is None:
            return ExecutionTimeoutError(self._out_of_time())
        if error.type in ("SyntaxError", "IndentationError", "TabError") and f'"{step}", line' in error.traceback and "in <module>" not in error.traceback:
            shown = "".join(line + "\n" for line in error.traceback.splitlines()[1:-1])
            return InterpreterError(f"Code parsing failed on line {error.line} due to: {error.type}: {error.message}\n{shown}")
        after = " The state of earlier steps is gone." if result.lost else ""
        return InterpreterError(f"Code execution failed at line '{_statement(code, step, error)}' due to: {error.type}: {error.message}{after}")


class PosternCodeAgent(CodeAgent):  # type: ignore[misc]
    """A CodeAgent whose code runs in Postern's sandbox. ``executor_kwargs`` are further arguments of PosternExecutor."""

    def create_python_executor(self) -> PosternExecutor:
        return PosternExecutor(self.additional_authorized_imports, **{"max_print_outputs_length": self.max_print_outputs_length} | self.executor_kwargs)


class _AgentTool:
    """A smolagents Tool, a managed agent or a function, as a tool of the sandbox."""

    def __init__(self, executor: PosternExecutor, registered: str, function: Callable[..., Any]) -> None:
        self.function = function

        def call(*args: Any, **kwargs: Any) -> Any:
            given = executor._give_back(args), executor._give_back(kwargs)
            return executor._keep(self.function(*given[0], **given[1]))

        self.tool = Tool(registered, call, *_description(function))


_PLAIN_NAME = re.compile("[a-z][a-z0-9_]*")


def _registered(name: str, taken: set[str]) -> str:
    """The name that the policy knows a tool by: its own, or one like it that matches [a-z][a-z0-9_]*."""
    if _PLAIN_NAME.fullmatch(name):
        return name
    plain = "t_" + re.sub("[^a-z0-9_]", "_", name.lower())
    unique, n = plain, 1
    while unique in taken:
        n += 1
        unique = f"{plain}_{n}"
    taken.add(unique)
    return unique


def _description(function: Any) -> tuple[str, tuple[Mapping[str, Any], ...], str]:
    inputs = getattr(function, "inputs", None)
    if not isinstance(inputs, Mapping):
        try:
            described = Tool.of(function, "function")
        except (TypeError, ValueError):  # builtin functions do not all say what they take
            return "", ({"name": "args", "kind": "var_positional"}, {"name": "kwargs", "kind": "var_keyword"}), ""
        return described.doc, described.parameters, described.returns
    # A Tool takes its arguments in ways of its own, such as all in one dict, and says itself what is missing.
    parameters: list[Mapping[str, Any]] = [
        {"name": name, "type": str(about.get("type", "")) if isinstance(about, Mapping) else "", "optional": True} for name, about in inputs.items()
    ]
    if getattr(function, "run", None) is not None and not hasattr(function, "forward"):  # a managed agent
        parameters.append({"name": "kwargs", "kind": "var_keyword"})
    return str(getattr(function, "description", "")), tuple(parameters), str(getattr(function, "output_type", "") or "")


class _State(MutableMapping[str, Any]):
    """The variables in the sandbox, read when they are asked for; and ``_print_outputs``, what the last step printed."""

    def __init__(self, executor: PosternExecutor) -> None:
        self._executor = executor

    def __getitem__(self, name: str) -> Any:
        executor = self._executor
        if name == "_print_outputs" and executor._logs is not None:
            return executor._logs
        if executor._session is None:
            return executor._give_back(executor._variables[name])
        if not isinstance(name, str) or not name.isidentifier() or name in executor._tools:
            raise KeyError(name)
        result = executor._session.exec(f"globals()[{name!r}]")
        if not result.ok:
            raise KeyError(name)
        return executor._give_back(result.value)

    def __setitem__(self, name: str, value: Any) -> None:
        self._executor.send_variables({name: value})

    def __delitem__(self, name: str) -> None:
        self._executor._variables.pop(name, None)
        if self._executor._session is not None and not self._executor._session.exec(f"del globals()[{name!r}]").ok:
            raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        executor = self._executor
        names = list(executor._variables)
        if executor._session is not None:
            listed = executor._session.exec("[name for name in globals() if isinstance(name, str) and not name.startswith('__')]").value
            tools = {tool.tool.name for tool in executor._tools.values()}
            names = [name for name in listed if name not in tools] if isinstance(listed, list) else []
        if executor._logs is not None:
            names.append("_print_outputs")
        return iter(names)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __repr__(self) -> str:
        return f"<variables in the sandbox: {', '.join(self)}>"


_FINAL = "postern.smolagents final_answer"

# What the session runs first: smolagents' rule for imports and its words for refusals, the functions that its code always has, and
# final_answer with any arguments. It gives messages and names; what the code can reach, the policy says.
_PRELUDE = """
def _install(authorized, also, aliases, marker):
    builtins, names = __builtins__, globals()
    imports, finish = builtins["__import__"], builtins["final_answer"]
    tree = {}
    for name in authorized:
        node = tree
        for part in name.split("."):
            node = node.setdefault(part, {})

    class InterpreterError(ValueError):
        pass

    def allowed(name):
        node = tree
        for part in name.split("."):
            if "*" in node:
                return True
            if part not in node:
                return False
            node = node[part]
        return True

    def __import__(name, globals=None, locals=None, fromlist=(), level=0):
        if type(fromlist) is list or not isinstance(name, str) or allowed(name) or name.partition(".")[0] in also:
            return imports(name, globals, locals, fromlist, level)
        try:
            imports(name, globals, locals, fromlist, level)  # so that the refusal is on record
        except ImportError:
            pass
        how = "from" if fromlist else "of"
        raise InterpreterError(f"Import {how} {name} is not allowed. Authorized imports are: {authorized}")

    def final_answer(*args, **kwargs):
        finish((marker, args, kwargs))

    builtins.update(__import__=__import__, final_answer=final_answer)
    math = imports("math") if allowed("math") else None
    for name in "ceil floor log exp sin cos tan asin acos atan atan2 degrees radians sqrt".split():
        try:
            builtins[name] = getattr(math, name)
        except AttributeError:
            pass
    for name, registered in aliases.items():
        builtins[name] = names[registered]
"""


def _toml_string(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _value_of_assignment(code: str) -> str:
    """A line that makes the value of a last assignment the value of the code, as it is with smolagents' own executor."""
    try:
        last = ast.parse(code).body[-1]
    except (SyntaxError, ValueError, IndexError, RecursionError, MemoryError):
        return ""  # the sandbox says what is wrong with it, or its Python is newer than this one
    target = last.targets[-1] if isinstance(last, ast.Assign) else getattr(last, "target", None) if isinstance(last, (ast.AugAssign, ast.AnnAssign)) else None
    return f"\n{target.id}" if isinstance(target, ast.Name) and getattr(last, "value", None) is not None else ""


def _statement(code: str, step: str, error: ErrorInfo) -> str:
    """The source of the statement, at the top level of the code, that was running."""
    place = re.search(rf'File "{re.escape(step)}", line (\d{{1,9}}), in <module>', error.traceback)
    number = int(place[1]) if place else error.line or 0
    try:
        for node in ast.parse(code).body:
            if node.lineno <= number <= (node.end_lineno or node.lineno):
                return ast.get_source_segment(code, node) or ""
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass  # the sandbox's Python is newer than this one
    lines = code.splitlines()
    return lines[number - 1].strip() if 0 < number <= len(lines) else ""
