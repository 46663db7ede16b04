from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import POLICY, PRINTING

import postern
from postern import (
    BinaryNotFound,
    CodeError,
    DeadlineExceeded,
    Denied,
    LimitExceeded,
    PolicyError,
    Postern,
    PosternError,
    ServerGone,
    SessionLost,
    Tool,
)


def add(a: int, b: int = 1) -> int:
    """Adds.

    More than one line.
    """
    return a + b


class Mine(KeyError):
    pass


def fail(what: str) -> None:
    kinds = {"value": ValueError("v"), "key": KeyError("k"), "own": Mine("m"), "plain": Exception("p"), "os": FileNotFoundError(2, "nope", "f")}
    raise kinds[what]


TOOLS = [add, fail]


def test_session() -> None:
    with Postern(policy_text=POLICY) as p:
        assert p.info.policy == "tests" and "math" in p.info.imports and p.info.limits["wall_time_ms"] == 20_000
        with p.session() as s:
            assert s.exec("import math\nx = 3\nmath.sqrt(125)").unwrap() == 11.180339887498949
            result = s.exec("print('out'); x")
            assert (result.value, result.repr, result.stdout, result.ok) == (3, "3", "out\n", True)
            assert result.usage.fuel > 0 and result.policy == p.info.policy_digest
            s.set(y=[1, 2])
            s.set({"z": (1,)})
            s.exec("def f(a, *, b): return a, b, y, z")
            assert s.call("f", 1, b={2}).unwrap() == (1, {2}, [1, 2], (1,))
            s.reset()
            assert s.exec("x").error.type == "NameError"  # type: ignore[union-attr]


def test_output_comes_while_code_runs() -> None:
    printed: list[tuple[str, str]] = []

    def seen() -> list[tuple[str, str]]:
        return list(printed)

    def on_output(stream: str, text: str) -> None:
        printed.append((stream, text))

    with Postern(policy_text=PRINTING, tools=[seen]) as p, p.session() as s:
        s.exec("import sys\ndef f(x):\n  print('a')\n  print('é', file=sys.stderr)\n  first = seen()\n  print('b', end='')\n  return [first, seen(), x]")
        begun = [("stdout", "a\n"), ("stderr", "é\n")]
        for run in (lambda: s.exec("f(7)", on_output=on_output), lambda: s.call("f", 7, on_output=on_output)):
            result = run()
            assert result.unwrap() == [begun, [*begun, ("stdout", "b")], 7]
            assert (result.stdout, result.stderr) == ("a\nb", "é\n")
            printed.clear()
        assert s.exec("f(7)").unwrap() == [[], [], 7]
        # Stopped by force, there is no result; what was printed was seen.
        with pytest.raises(DeadlineExceeded):
            s.exec("print('begun')\nsum(range(10**15))", on_output=on_output, timeout=0.1)
        assert printed == [("stdout", "begun\n")]


def test_much_output() -> None:
    printed: list[tuple[str, str]] = []
    with Postern(policy_text=PRINTING) as p, p.session() as s:
        code = "import sys\nfor n in range(40_000): print('é', n, file=(sys.stdout, sys.stderr)[n % 5 == 0])\nprint('x' * 500_000)"
        result = s.exec(code, on_output=lambda stream, text: printed.append((stream, text)))
        assert "output cut" in result.stdout
        for name in ("stdout", "stderr"):
            assert "".join(text for stream, text in printed if stream == name) == getattr(result, name)


def test_on_output_that_raises() -> None:
    def stop(stream: str, text: str) -> None:
        raise KeyError(text)

    with Postern(policy_text=PRINTING) as p, p.session() as s:
        with pytest.raises(KeyError, match="begun"):
            s.exec("kept = 1\nprint('begun')\nwhile True: pass", on_output=stop)
        assert s.exec("kept").value == 1  # the code was stopped
        with pytest.raises(PosternError, match="cannot use the session"):
            s.exec("print(1)", on_output=lambda stream, text: s.exec("2"))


def test_errors_of_code() -> None:
    with Postern(policy_text=POLICY) as p, p.session() as s:
        with pytest.raises(CodeError, match="ZeroDivisionError: division by zero") as caught:
            s.exec("print('before')\n1/0", filename="agent.py").unwrap()
        assert caught.value.info.line == 2 and caught.value.stdout == "before\n" and 'File "agent.py", line 2' in caught.value.info.traceback
        with pytest.raises(Denied, match="import of 'os' is not authorized by policy 'tests'"):
            s.exec("import os").unwrap()
        with pytest.raises(LimitExceeded, match="recursion") as limit:
            s.exec("def f(): f()\nf()").unwrap()
        assert limit.value.info.limit == "recursion"
        assert s.exec("import os").withheld == (postern.Withheld("import", "os"),)


def test_tools() -> None:
    with Postern(policy_text=POLICY, tools=TOOLS) as p, p.session() as s:
        assert [f.signature for f in p.info.granted] == ["(a, b=...)", "(what)"]
        assert p.info.granted[0].doc == "Adds. More than one line. [a: int; b: int; returns int]"
        assert s.exec("add(1), add(1, 2), add(b=3, a=4), add([1], [2])").unwrap() == (2, 3, 7, [1, 2])
        for what, kind, message in [
            ("value", "ValueError", "v"), ("key", "KeyError", "'k'"), ("own", "KeyError", "'Mine: m'"), ("plain", "RuntimeError", "p"),
            ("os", "FileNotFoundError", "[Errno 2] nope: 'f'"),
        ]:  # fmt: skip
            error = s.exec(f"fail({what!r})").error
            assert error is not None and (error.type, error.message) == (kind, message)
        assert s.exec("try: fail('value')\nexcept ValueError as e: r = str(e)\nr").unwrap() == "v"
        assert s.exec("add('a', 1)").error.type == "TypeError"  # type: ignore[union-attr]
        assert s.exec("add(1, c=2)").error.message == "add() got an unexpected keyword argument 'c'"  # type: ignore[union-attr]
        assert s.exec("add").unwrap() == "<host function tools.add(a, b=...)>"


def test_grants_of_a_policy() -> None:
    text = POLICY + '[grant.tools]\nfunctions = ["add"]\n'
    with Postern(policy_text=text, tools=TOOLS) as p, p.session() as s:
        assert s.exec("add(1)").unwrap() == 2
        with pytest.raises(Denied, match=r"tools.fail is not granted by policy 'tests'; to allow it, add 'fail' to functions of \[grant.tools\]"):
            s.exec("fail('value')").unwrap()


def test_a_tool_runs_where_its_code_was_called() -> None:
    seen: list[int] = []

    def add(a: int, b: int = 1) -> int:
        seen.append(threading.get_ident())
        return a

    with Postern(policy_text=POLICY, tools=[add, fail]) as p, p.session() as s:
        s.exec("add(1)").unwrap()
        assert seen == [threading.get_ident()]


def test_a_tool_cannot_use_its_own_session() -> None:
    def add(a: int, b: int = 1) -> int:
        return s.exec("1").value

    with Postern(policy_text=POLICY, tools=[add, fail]) as p, p.session() as s:
        assert "cannot use the session" in s.exec("add(1)").error.message  # type: ignore[union-attr]


def test_fifty_sessions_at_once() -> None:
    with Postern(policy_text=POLICY, tools=TOOLS) as p:

        def work(n: int) -> None:
            with p.session() as s:
                s.set(mine=n)
                for i in range(5):
                    assert s.exec(f"mine = add(mine)\nfor _ in range(500): pass\n(mine, {i})").unwrap() == (n + i + 1, i)

        with ThreadPoolExecutor(50) as pool:
            list(pool.map(work, range(50)))


def test_fork_save_restore() -> None:
    with Postern(policy_text=POLICY) as p:
        s = p.session("first")
        s.exec("n = [1]").unwrap()
        other = s.fork("second")
        other.exec("n.append(2)").unwrap()
        data = other.save()
        restored = p.restore(data)
        assert (s.exec("n").value, other.exec("n").value, restored.exec("n").value) == ([1], [1, 2], [1, 2])
        assert (s.name, other.name) == ("first", "second") and len({s.id, other.id, restored.id}) == 3
        with pytest.raises(PosternError, match="not a saved session"):
            p.restore(b"nonsense")


def test_timeout() -> None:
    with Postern(policy_text=POLICY) as p, p.session() as s:
        s.exec("kept = 1", checkpoint=True)
        with pytest.raises(DeadlineExceeded) as caught:
            s.exec("while True: pass", timeout=0.05)
        assert not caught.value.lost and isinstance(caught.value, TimeoutError)
        assert s.exec("kept", checkpoint=True).unwrap() == 1
        with pytest.raises(DeadlineExceeded) as caught:
            s.exec("sum(range(10**15))", timeout=0.05)  # in C: it cannot be asked to stop
        assert not caught.value.lost
        assert s.exec("kept").unwrap() == 1
        with pytest.raises(DeadlineExceeded) as caught:
            s.exec("sum(range(10**15))", timeout=0.05)
        assert caught.value.lost
        with pytest.raises(SessionLost):
            s.exec("1")
        s.reset()
        assert s.exec("1").unwrap() == 1


def test_output_of_code_stopped_by_force() -> None:
    with Postern(policy_text=POLICY.replace("20s", "500ms")) as p, p.session() as s:
        result = s.exec("print('begun', end=' ')\nprint('and going')\n3 ** (10 ** 8)")
        assert result.restored and result.stdout == "begun and going\n"
        with pytest.raises(LimitExceeded) as caught:
            result.unwrap()
        assert caught.value.stdout == result.stdout and caught.value.info.limit == "wall_time"


def test_interrupted_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends the wait, such as Ctrl-C, stops the code too."""
    import queue

    class Interrupted(queue.SimpleQueue):  # type: ignore[type-arg]
        def get(self, *args: object) -> object:  # type: ignore[override]
            time.sleep(0.1)
            raise KeyboardInterrupt

    with Postern(policy_text=POLICY) as p, p.session() as s:
        with monkeypatch.context() as patch:
            patch.setattr(queue, "SimpleQueue", Interrupted)
            with pytest.raises(KeyboardInterrupt):
                s.exec("while True: pass")
        began = time.monotonic()
        assert s.exec("1").unwrap() == 1
        assert time.monotonic() - began < 15  # and not after wall_time


def test_policies(tmp_path: Path) -> None:
    wrong = POLICY + '[grant.math]\nfunctions = ["sqr"]\n[limit]\n'
    with pytest.raises(PolicyError) as caught, Postern(policy_text=wrong):
        pass
    assert [(m.line, m.message[:13]) for m in caught.value.mistakes] == [(12, "grant.math.fu"), (13, "unknown table")]
    assert [m.hint for m in caught.value.mistakes] == ['did you mean "sqrt"?', 'did you mean "limits"?']
    file = tmp_path / "policy.toml"
    file.write_text(POLICY)
    with Postern(file) as p:
        assert p.info.policy == "tests"
    with pytest.raises(PolicyError, match="cannot be read"), Postern(tmp_path / "none.toml"):
        pass
    with Postern(args=["--policy", str(file)]) as p:
        assert p.info.policy == "tests"
    with pytest.raises(PolicyError, match="fixed"), Postern(policy_text=POLICY, args=["--policy", str(file)]):
        pass
    with pytest.raises(ValueError):
        Postern(file, policy_text=POLICY)
    with Postern() as p:
        described = p.describe()
        assert "statistics" in described["modules"] and p.info.policy == "default"


def test_names_of_tools() -> None:
    with pytest.raises(ValueError, match="a tool's name"):
        Tool.of(add, "Add")
    with pytest.raises(ValueError, match="two tools"):
        Postern(tools=[add, add])

    async def later() -> None: ...

    with pytest.raises(TypeError, match="AsyncPostern"):
        Postern(tools=[later])


def test_where_the_binary_is(binary: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTERN_BIN", "/nowhere/postern")
    assert postern.find_binary(binary) == binary
    with pytest.raises(BinaryNotFound, match="POSTERN_BIN says"):
        postern.find_binary()
    with pytest.raises(BinaryNotFound, match="the argument says"):
        postern.find_binary("/nowhere/else")
    monkeypatch.delenv("POSTERN_BIN")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BinaryNotFound, match="set POSTERN_BIN"):
        postern.find_binary()
    os.symlink(binary, tmp_path / "postern")
    assert postern.find_binary() == str(tmp_path / "postern")


def test_closed() -> None:
    p = Postern(policy_text=POLICY)
    s = p.session()
    p.close()
    p.close()
    with pytest.raises(ServerGone):
        s.exec("1")
    s.close()
