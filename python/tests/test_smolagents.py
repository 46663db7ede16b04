"""The executor against smolagents' own, and agents of the real smolagents with a model that follows a script."""

from __future__ import annotations

import datetime
import decimal
import os
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("smolagents")

from smolagents import CodeAgent, Tool, tool  # noqa: E402
from smolagents.agents import ActionOutput, FinalAnswerStep  # noqa: E402
from smolagents.default_tools import FinalAnswerTool  # noqa: E402
from smolagents.local_python_executor import ExecutionTimeoutError, InterpreterError, LocalPythonExecutor  # noqa: E402
from smolagents.memory import ActionStep  # noqa: E402
from smolagents.models import ChatMessage, ChatMessageStreamDelta, MessageRole, Model  # noqa: E402

from postern.smolagents import PosternCodeAgent, PosternExecutor  # noqa: E402


@tool
def search(query: str, limit: int = 2) -> list:
    """Searches.

    Args:
        query: What for.
        limit: How many.
    """
    if query == "fail":
        raise ValueError("nothing found")
    return [f"{query} {n}" for n in range(limit)]


TOOLS = {"search": search, "final_answer": FinalAnswerTool()}


@pytest.fixture(scope="module")
def shared() -> Iterator[PosternExecutor]:
    executor = PosternExecutor()
    executor.send_tools(TOOLS)
    yield executor
    executor.cleanup()


@pytest.fixture
def executor(shared: PosternExecutor) -> PosternExecutor:
    """One whose session is new."""
    shared._variables.clear()
    if shared._session is not None:
        shared._begin(shared._session)
    return shared


# --- the same as smolagents' own executor ---

STEPS: list[tuple[str, list[str]]] = [
    ("assignment", ["x = 3"]),
    ("augmented assignment", ["x = 3", "x += 4"]),
    ("annotated assignment", ["x: int = 3"]),
    ("expression", ["x = [1, 2, 3]", "y = sum(x) * 2\ny"]),
    ("nothing", ["print('a')"]),
    ("print", ["print('a', 1, [2])\nprint('b')\n5"]),
    ("functions stay", ["def f(n):\n    return n * 2", "f(21)"]),
    ("imports stay", ["import math", "math.sqrt(125)"]),
    ("from import", ["from collections import Counter\nCounter('abca').most_common(1)"]),
    ("import as", ["import datetime as dt\ndt.date(2025, 1, 31)"]),
    ("maths without an import", ["[sqrt(16), ceil(1.2), floor(1.8), round(log(exp(1)), 6), degrees(0.0), atan2(0.0, 1.0)]"]),
    ("classes", ["class A:\n    def __init__(self, n):\n        self.n = n\n    def twice(self):\n        return self.n * 2", "A(4).twice()"]),
    ("comprehensions", ["{k: v for k, v in zip('ab', range(2))}", "{i % 2 for i in range(4)}", "[i for i in range(5) if i % 2]"]),
    ("exceptions", ["try:\n    1/0\nexcept ZeroDivisionError as e:\n    r = str(e)\nr"]),
    ("f-strings", ["n = 3.14159\nf'{n:.2f} {n!r}'"]),
    ("tools", ["search('a')", "search('b', limit=1)", "search(query='c')", "search({'query': 'd', 'limit': 1})", "hits = search(query='e')\nhits"]),
    ("error of a tool", ["search('fail')"]),
    ("error of a tool, caught", ["try:\n    search('fail')\nexcept ValueError as e:\n    r = str(e)\nr"]),
    ("division by zero", ["print('before')\nx = 1\ny = x / 0\nz = 3"]),
    ("error in a function", ["def g():\n    return [].pop()", "print(1)\ng()"]),
    ("raise", ["raise RuntimeError('mine')"]),
    ("assertion", ["assert 1 == 2, 'no'"]),
    ("final answer", ["x = 1\nfinal_answer(x + 1)\nx = 5", "x"]),
    ("final answer by name", ["final_answer(answer={'a': (1, 2)})"]),
    ("final answer in a dict", ["final_answer({'answer': 7})"]),
    ("final answer in except Exception", ["try:\n    final_answer('kept')\nexcept Exception:\n    final_answer('swallowed')"]),
    ("final answer in a function", ["def answer():\n    final_answer('deep')", "for _ in range(3):\n    answer()"]),
    ("forbidden import", ["import os"]),
    ("forbidden from import", ["from subprocess import run"]),
    ("forbidden submodule", ["import xml.dom"]),
    ("state after an error", ["a = 1\nb = 1 / 0", "a"]),
]


def outcome(executor: Any, code: str) -> Any:
    try:
        output = executor(code)
        return output.output, output.logs, output.is_final_answer
    except Exception as error:
        return type(error).__name__, str(error), str(executor.state["_print_outputs"])


@pytest.mark.parametrize("steps", [steps for _, steps in STEPS], ids=[name for name, _ in STEPS])
def test_same_as_the_local_executor(executor: PosternExecutor, steps: list[str]) -> None:
    local = LocalPythonExecutor(additional_authorized_imports=[])
    local.send_tools(TOOLS)
    executor.send_tools(TOOLS)
    for code in steps:
        want, got = outcome(local, code), outcome(executor, code)
        if "Authorized imports are" in str(want[1]):
            # The list is the same, in another order.
            want, got = ((o[0], str(o[1]).split(". Authorized imports are: ")[0], o[2]) for o in (want, got))
        if callable(want[0]) or isinstance(want[0], type):
            continue  # functions and classes cannot leave the sandbox
        assert got == want, code


# --- the arguments ---


@pytest.mark.parametrize("length", [20, 21, 1000, 60_000])
def test_truncation(length: int) -> None:
    code = f"print('é' * {length})\nprint('end')\n1/0"
    local = LocalPythonExecutor([], max_print_outputs_length=20)
    local.send_tools({})
    with pytest.raises(InterpreterError):
        local(code)
    ours = PosternExecutor([], max_print_outputs_length=20)
    with pytest.raises(InterpreterError):
        ours(code)
    assert ours.state["_print_outputs"] == str(local.state["_print_outputs"])
    ours.cleanup()


@pytest.mark.parametrize(
    ("authorized", "code", "allowed"),
    [
        ([], "import json", False),
        (["json"], "import json\njson.dumps(1)", True),
        (["xml"], "import xml", True),
        (["xml"], "import xml.etree", False),  # a package does not authorise its submodules
        (["xml.*"], "import xml.etree.ElementTree", True),
        (["xml.*"], "import xml", True),
        (["xml.etree"], "import xml", True),  # a submodule authorises the package around it
        (["xml.etree"], "from xml.etree import ElementTree", True),
        (["xml.etree"], "import xml.dom", False),
        (["*"], "import json, xml.etree.ElementTree, os", True),
    ],
)
def test_imports(authorized: list[str], code: str, allowed: bool) -> None:
    executor = PosternExecutor(authorized)
    try:
        if allowed:
            executor(code)
        else:
            with pytest.raises(InterpreterError, match="Import of .* is not allowed. Authorized imports are: "):
                executor(code)
    finally:
        executor.cleanup()


def test_modules_that_are_not_there() -> None:
    with pytest.raises(InterpreterError, match="Non-installed authorized modules: numpy, pandas. Please install"):
        PosternExecutor(["numpy.random", "pandas", "json"])


def test_additional_functions() -> None:
    executor = PosternExecutor([], additional_functions={"Shout": lambda text: text.upper(), "shout": len, "length": len})
    assert executor("[Shout('a'), shout('ab'), length([1, 2, 3])]").output == ["A", 2, 3]
    executor.cleanup()


def test_timeout() -> None:
    executor = PosternExecutor([], timeout_seconds=0.3)
    executor("kept = 1")
    with pytest.raises(ExecutionTimeoutError, match="Code execution exceeded the maximum execution time of 0.3 seconds"):
        executor("print('before')\nwhile True: pass")
    assert executor.state["_print_outputs"] == "before\n"
    with pytest.raises(ExecutionTimeoutError):
        executor("print('before C')\nsum(range(10**15))")
    assert executor.state["_print_outputs"] == "before C\n"
    assert executor("kept").output == 1
    executor.cleanup()


def test_on_output() -> None:
    printed: list[tuple[str, str]] = []

    def seen() -> int:
        return len(printed)

    executor = PosternExecutor(["sys"], on_output=lambda stream, text: printed.append((stream, text)))
    executor.send_tools({"seen": seen})
    output = executor("import sys\nprint('a')\nprint('b', file=sys.stderr)\nn = seen()\nprint('c')\nn")
    assert printed == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]
    assert (output.output, output.logs) == (2, "a\nb\nc\n")
    executor.cleanup()


def test_policy_of_ones_own(tmp_path: Any) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'policy = 1\nname = "own"\n[python]\nimports = ["re", "json"]\n[grant.math]\nfunctions = ["sqrt"]\n[grant.tools]\nfunctions = ["search"]\n'
    )
    executor = PosternExecutor(["json"], policy=policy, timeout_seconds=0.5)
    executor.send_tools({**TOOLS, "secret": tool_named("secret")})
    assert executor("import math, json\n[math.sqrt(125), search('a', 1), json.dumps(1)]").output == [11.180339887498949, ["a 0"], "1"]
    with pytest.raises(InterpreterError, match="due to: Denied: tools.secret is not granted by policy 'own'"):
        executor("secret()")
    with pytest.raises(InterpreterError, match="due to: Denied: math.cos is not granted"):
        executor("math.cos(1)")
    with pytest.raises(InterpreterError, match="due to: ImportError: import of 'statistics' is not authorized by policy 'own'"):
        executor("import statistics")  # smolagents would, the policy does not
    with pytest.raises(ExecutionTimeoutError):
        executor("while True: pass")
    executor.cleanup()
    with pytest.raises(InterpreterError, match="The policy 'own' does not authorize the imports csv"):
        executor = PosternExecutor(["csv"], policy=policy)
        executor.send_tools({"search": search, "secret": tool_named("secret")})
        executor("1")


def tool_named(called: str) -> Tool:
    class Named(Tool):  # type: ignore[misc]
        name = called
        description = "A tool."
        inputs: dict[str, Any] = {}
        output_type = "any"

        def forward(self) -> Any:
            return f"{called} was called"

    return Named()


# --- state, values, errors ---


def test_state(executor: PosternExecutor) -> None:
    values = {"a": 1, "b": (1, b"2"), "c": {decimal.Decimal("1.10"): datetime.date(2025, 1, 31)}, "d": {1, 2}}
    executor.send_variables(values)
    assert {name: executor.state[name] for name in values} == values
    executor("e = a + 1\nprint('hello')\ndef f(): pass")
    assert executor.state["e"] == 2 and executor.state["_print_outputs"] == "hello\n"
    assert executor.state.get("nothing") is None and "search" not in list(executor.state)
    assert set(executor.state) == {"a", "b", "c", "d", "e", "f", "_print_outputs"}
    executor.state["g"] = [7]
    assert executor("g").output == [7]
    del executor.state["g"]
    assert "g" not in executor.state


def test_objects_stay_here(executor: PosternExecutor) -> None:
    class Picture:
        pass

    picture = Picture()
    executor.send_variables({"picture": picture})
    assert isinstance(executor("type(picture).__name__").output, str)
    assert executor("picture").output is picture
    assert executor("final_answer([picture, 1])").output == [picture, 1]
    assert executor("'an ' + 'object'").output == "an object"


def test_syntax_error(executor: PosternExecutor) -> None:
    with pytest.raises(InterpreterError, match="Code parsing failed on line 2 due to: SyntaxError: invalid syntax") as caught:
        executor("x = 1\ny = = 2\n")
    assert "y = = 2" in str(caught.value)
    with pytest.raises(InterpreterError, match='Code execution failed at line \'compile\\("1 1", "f", "exec"\\)\' due to: SyntaxError'):
        executor('compile("1 1", "f", "exec")')


def test_full_python(executor: PosternExecutor) -> None:
    """What smolagents' own executor does not do."""
    code = "import re\nmatch re.match('(.)', 'ab').groups():\n    case (x,):\n        pass\nasync def g(): return x\n(lambda: [*(y := [1, 2]), x])()"
    assert executor(code).output == [1, 2, "a"]


def test_custom_final_answer(shared: PosternExecutor) -> None:
    class Two(Tool):  # type: ignore[misc]
        name = "final_answer"
        description = "Answers."
        inputs = {"a": {"type": "any", "description": "A."}, "b": {"type": "any", "description": "B."}}
        output_type = "any"

        def forward(self, a: Any, b: Any) -> Any:
            return {"a": a, "b": b}

    shared.send_tools({**TOOLS, "final_answer": Two()})
    output = shared("final_answer(1, b=2)")
    assert output.is_final_answer and output.output == {"a": 1, "b": 2}
    with pytest.raises(InterpreterError, match="TypeError"):
        shared("final_answer(1)")
    shared.send_tools(TOOLS)


def test_tools_can_change(shared: PosternExecutor) -> None:
    executor = PosternExecutor()
    executor.send_tools(TOOLS)
    executor("x = [1]\ndef f(): pass")

    @tool
    def search(query: str, limit: int = 2) -> list:
        """Searches elsewhere.

        Args:
            query: What for.
            limit: How many.
        """
        return ["elsewhere"]

    pid = executor._postern.pid  # type: ignore[union-attr]
    executor.send_tools({**TOOLS, "search": TOOLS["search"]})
    executor("search('a')")
    assert executor._postern.pid == pid  # type: ignore[union-attr]
    executor.send_tools({**TOOLS, "search": search})
    assert executor("[search('a'), x]").output == [["elsewhere"], [1]]
    executor.cleanup()
    assert executor("1 + 1").output == 2  # a new one
    executor.cleanup()


# --- agents ---


class Script(Model):  # type: ignore[misc]
    """A model that says what it was told to, one step after the other, and keeps what it was asked."""

    def __init__(self, *steps: str) -> None:
        super().__init__(model_id="script")
        self.steps = list(steps)
        self.asked: list[Any] = []

    def generate(self, messages: Any, **kwargs: Any) -> ChatMessage:
        self.asked.append(messages)
        step = self.steps.pop(0)
        return ChatMessage(role=MessageRole.ASSISTANT, content=f"Thought: go on.\n<code>\n{step}\n</code>")

    def generate_stream(self, messages: Any, **kwargs: Any) -> Iterator[ChatMessageStreamDelta]:
        for word in self.generate(messages, **kwargs).content.split(" "):
            yield ChatMessageStreamDelta(content=word + " ")


def agent(*steps: str, **kwargs: Any) -> PosternCodeAgent:
    return PosternCodeAgent(**{"tools": [search], "model": Script(*steps), "verbosity_level": 0} | kwargs)


def test_square_root() -> None:
    with agent("import math\nroot = math.sqrt(125)\nprint(root)", "final_answer(root)") as a:
        assert a.run("What is the square root of 125?") == 11.180339887498949
        steps = [step for step in a.memory.steps if isinstance(step, ActionStep)]
        assert steps[0].observations == "Execution logs:\n11.180339887498949\nLast output from code snippet:\nNone"
        assert a.python_executor.state["root"] == 11.180339887498949


def test_executor_of_a_code_agent() -> None:
    executor = PosternExecutor(["statistics"])
    a = CodeAgent(tools=[search], model=Script("import statistics\nfinal_answer(statistics.mean([1, 2]))"), executor=executor, verbosity_level=0)
    assert a.run("mean?") == 1.5
    a.cleanup()


def test_errors_and_state() -> None:
    with agent("x = search('a')\nprint('got', x)\nsearch('fail')", "import os", "final_answer(x + [len(data)])") as a:
        assert a.run("go", additional_args={"data": [1, 2, 3]}) == ["a 0", "a 1", 3]
        steps = [step for step in a.memory.steps if isinstance(step, ActionStep)]
        assert "Code execution failed at line 'search('fail')' due to: ValueError: nothing found" in str(steps[0].error)
        assert steps[0].observations == "Execution logs:\ngot ['a 0', 'a 1']\n"
        assert "Import of os is not allowed" in str(steps[1].error)
        # What was learnt stays for the next run, with reset=False.
        a.model.steps = ["final_answer(x[0])"]
        assert a.run("again", reset=False) == "a 0"


def test_managed_agent() -> None:
    helper = agent("final_answer('found by ' + search('x', 1)[0])", name="helper", description="Helps.")
    with helper, agent("report = helper(task='find x')\nprint(report)", "final_answer('found by x 0' in report)", managed_agents=[helper], tools=[]) as a:
        assert a.run("ask the helper") is True


def test_streaming() -> None:
    with agent("print('one')", "final_answer(2)", stream_outputs=True) as a:
        seen = list(a.run("go", stream=True))
        assert [s.output for s in seen if isinstance(s, FinalAnswerStep)] == [2]
        assert [s.is_final_answer for s in seen if isinstance(s, ActionOutput)] == [False, True]
        assert sum(isinstance(s, ChatMessageStreamDelta) for s in seen) > 4


HOSTILE = [  # code, and whether it gets through with what it does
    ("().__class__.__base__.__subclasses__()[0]", True),
    ("[c for c in ().__class__.__base__.__subclasses__() if c.__name__ == 'Popen'][0]", False),
    ("import sys", False),
    ("__import__('os').system('touch /tmp/escaped')", False),
    ("open('/etc/passwd').read()", False),
    ("search.__class__(1)", False),
    ("print('x' * 10**9)", False),
    ("x = [0]\nwhile True:\n    x = x + x", False),
    ("def f(): f()\nf()", False),
    ("class E(BaseException): pass\nraise E('<step 1>')", False),
    ("class V(ValueError):\n    def __str__(self): raise SystemExit\nraise V", True),  # as sys.exit() does
    ("raise SystemExit(3)", False),
    ("while True:\n    try:\n        while True: pass\n    except BaseException:\n        pass", False),
    ("import re\nre.match('(a+)+$', 'a' * 40 + 'b')", False),
    ("final_answer.__closure__", True),
    ("raise ValueError('File \"<step 16>\", line 999999999, in <module>')", False),
    ("__builtins__['__import__'] = lambda *a, **k: 1\nimport os\nos.system('touch /tmp/escaped')", False),
    ("__builtins__['print'] = None\nlist = str = globals", True),
    ("try:\n    final_answer('stands')\nexcept BaseException:\n    pass\nx = 'after'", True),
]


def test_hostile_agent() -> None:
    with agent(*(code for code, _ in HOSTILE), max_steps=len(HOSTILE), executor_kwargs={"timeout_seconds": 1.0}) as a:
        assert a.run("be bad") == "stands"
        steps = [step for step in a.memory.steps if isinstance(step, ActionStep)]
        assert len(steps) == len(HOSTILE)
        for (code, through), step in zip(HOSTILE, steps, strict=True):
            assert (step.error is None) == through, (code, step.error)
            assert len(str(step.error)) < 100_000
        assert a.python_executor("1 + 1").output == 2
    assert not os.path.exists("/tmp/escaped")


def test_code_that_breaks_its_own_names(executor: PosternExecutor) -> None:
    executor("globals().clear()")
    assert executor("1 + 1").output == 2
