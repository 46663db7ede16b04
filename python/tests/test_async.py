from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from conftest import POLICY, PRINTING

from postern import AsyncPostern, Canceled, DeadlineExceeded, PolicyError, ServerGone


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


async def add(a: int, b: int = 1) -> int:
    """Adds."""
    await asyncio.sleep(0)
    return a + b


def fail(what: str) -> str:
    raise ValueError(what)


def test_session() -> None:
    async def main() -> None:
        async with AsyncPostern(policy_text=POLICY, tools=[add, fail]) as p, await p.session() as s:
            assert (await s.exec("x = add(2)\nx")).unwrap() == 3
            assert (await s.exec("fail('no')")).error.message == "no"  # type: ignore[union-attr]
            await s.set(y=b"1")
            await s.exec("def f(a): return [a, y]")
            assert (await s.call("f", (1,))).unwrap() == [(1,), b"1"]
            lines: list[str] = []
            await s.exec("print('hello')", on_output=lambda stream, text: lines.append(text))
            assert lines == ["hello\n"]
            other = await s.fork()
            restored = await p.restore(await other.save())
            assert (await restored.exec("x")).value == 3
            await s.checkpoint()
            await s.reset()
            assert (await s.exec("x")).error.type == "NameError"  # type: ignore[union-attr]
            assert "math" in (await p.describe())["modules"]

    run(main())


def test_output_comes_while_code_runs() -> None:
    async def main() -> None:
        printed: list[str] = []

        async def seen() -> list[str]:
            return list(printed)

        async def on_output(stream: str, text: str) -> None:
            await asyncio.sleep(0.01)  # what comes after it waits
            printed.append(stream + " " + text)

        async with AsyncPostern(policy_text=PRINTING, tools=[seen]) as p, await p.session() as s:
            await s.exec("def f(x):\n  print('a')\n  first = seen()\n  print('b')\n  return [first, x]")
            for runs in (s.exec("f(7)", on_output=on_output), s.call("f", 7, on_output=on_output)):
                assert (await runs).unwrap() == [["stdout a\n"], 7]
                assert printed == ["stdout a\n", "stdout b\n"]
                printed.clear()

            # It is stopped by what has seen it.
            task = asyncio.create_task(s.exec("kept = 1\nprint('begun')\nwhile True: pass", on_output=lambda stream, text: task.cancel()))
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await s.exec("kept")).value == 1

            def stop(stream: str, text: str) -> None:
                raise KeyError(text)

            with pytest.raises(KeyError, match="begun"):
                await s.exec("print('begun')\nwhile True: pass", on_output=stop)
            assert (await s.exec("kept")).value == 1

    run(main())


def test_fifty_sessions_at_once() -> None:
    async def main() -> None:
        async with AsyncPostern(policy_text=POLICY, tools=[add, fail]) as p:

            async def work(n: int) -> None:
                async with await p.session() as s:
                    for i in range(4):
                        assert (await s.exec(f"m = add({n}, {i})\n[m, {n}]")).unwrap() == [n + i, n]

            await asyncio.gather(*(work(n) for n in range(50)))

    run(main())


def test_cancel() -> None:
    async def main() -> None:
        stopped = asyncio.Event()

        async def add(a: int, b: int = 1) -> int:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                stopped.set()
                raise
            return 0

        async with AsyncPostern(policy_text=POLICY, tools=[add, fail]) as p, await p.session() as s:
            task = asyncio.create_task(s.exec("while True: pass"))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await s.exec("1")).value == 1
            with pytest.raises(DeadlineExceeded):
                await s.exec("while True: pass", timeout=0.05)
            # A tool whose code has been stopped is canceled as well.
            with pytest.raises(DeadlineExceeded):
                await s.exec("try:\n  add(1)\nexcept Exception:\n  pass", timeout=0.1)
            await asyncio.wait_for(stopped.wait(), 5)

    run(main())


def test_the_end() -> None:
    async def main() -> None:
        with pytest.raises(PolicyError):
            async with AsyncPostern(policy_text="policy = 2"):
                pass
        p = AsyncPostern(policy_text=POLICY)
        s = await p.session()
        task = asyncio.create_task(s.exec("while True: pass"))
        await asyncio.sleep(0.1)
        await p.close()
        with pytest.raises((Canceled, ServerGone)):
            await task
        with pytest.raises(ServerGone):
            await s.exec("1")

    run(main())
