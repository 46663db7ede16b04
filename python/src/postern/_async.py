"""The client for programs with an event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Mapping
from typing import Any

from . import _requests as requests
from ._base import Client, OnOutput
from ._connection import Connection, Message, check
from ._errors import PosternError, ServerGone
from ._results import Result, ServerInfo, result_of, server_info
from ._tools import Tool, describe_exception
from ._values import decode, encode

_SMALL = 32 << 10  # bytes that a pipe takes without waiting for its reader, most likely


class AsyncPostern(Client):
    """``Postern`` for asyncio. Tools may be coroutine functions; other functions run in threads.

    async with AsyncPostern(tools=[search]) as postern:
        async with await postern.session() as session:
            result = await session.exec("search('wasm')")
    """

    _info: asyncio.Task[ServerInfo] | None = None

    async def info(self) -> ServerInfo:
        """What holds in the sandbox. Raises ``PolicyError`` if the policy is invalid."""
        if self._info is None:

            async def initialize() -> ServerInfo:
                return server_info(await self._request("initialize", self._initialize, started=False))

            self._info = asyncio.ensure_future(initialize())
        return await asyncio.shield(self._info)

    async def describe(self) -> dict[str, Any]:
        """What a policy could name."""
        described: dict[str, Any] = await self._request("server.describe", {}, started=False)
        return described

    async def session(self, name: str | None = None) -> AsyncSession:
        """A new session."""
        return AsyncSession(self, await self._request("session.new", requests.named(name)))

    async def restore(self, data: bytes, name: str | None = None) -> AsyncSession:
        """A session that goes on where the one was saved."""
        return AsyncSession(self, await self._request("session.restore", requests.restore(data, name)))

    async def close(self) -> None:
        """Stops what runs and ends the server."""
        connection = self._disconnect()
        if connection is not None:
            try:
                connection.start("shutdown", {}, lambda message: None)
            except ServerGone:
                pass
            await asyncio.to_thread(connection.close)

    async def __aenter__(self) -> AsyncPostern:
        try:
            await self.info()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def _request(self, method: str, params: Message, on_output: OnOutput | None = None, started: bool = True) -> Any:
        if started:
            await self.info()
        connection = self._connect()
        loop = asyncio.get_running_loop()
        messages: asyncio.Queue[Message] = asyncio.Queue()
        running: dict[int, asyncio.Task[None]] = {}  # tools

        def deliver(message: Message) -> None:
            try:
                loop.call_soon_threadsafe(messages.put_nowait, message)
            except RuntimeError:
                pass  # the loop is closed: nobody waits

        number = 0
        try:
            if len(params.get("code", "")) + len(params.get("data", "")) < _SMALL and "variables" not in params:
                number = connection.start(method, params, deliver)
            else:
                number = await asyncio.to_thread(connection.start, method, params, deliver)
            while True:
                message = await messages.get()
                called = message.get("method")
                if called is None:
                    return check(message)
                if called == "tool.call":
                    self._begin(connection, message, running)
                elif called == "$/cancel":
                    if task := running.get(message["params"]["id"]):
                        task.cancel()
                elif called == "session.output" and on_output is not None:
                    given = on_output(message["params"]["stream"], message["params"]["text"])
                    if inspect.isawaitable(given):
                        await given
        except BaseException:
            connection.cancel(number)
            raise
        finally:
            for task in list(running.values()):
                task.cancel()

    def _begin(self, connection: Connection, call: Message, running: dict[int, asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(self._use(connection, call))
        running[call["id"]] = task
        task.add_done_callback(lambda _: running.pop(call["id"], None))

    async def _use(self, connection: Connection, message: Message) -> None:
        answer = await _use(self._tools, message["params"])
        connection.answer(message, answer)


async def _use(tools: Mapping[str, Tool], params: Message) -> Message:
    try:
        tool = tools[params["tool"]]
        args, kwargs = decode(params["args"]), {name: decode(value) for name, value in params["kwargs"].items()}
        if tool.is_async:
            value = await tool.function(*args, **kwargs)
        else:
            value = await asyncio.to_thread(tool.function, *args, **kwargs)
        return {"result": {"value": encode(value)}}
    except Exception as error:
        return {"error": describe_exception(error)}


class AsyncSession:
    """``Session`` for asyncio. It serves one call at a time; others wait."""

    def __init__(self, postern: AsyncPostern, opened: Mapping[str, str]) -> None:
        self._postern = postern
        self.name = opened["session"]
        self.id = opened["id"]

    async def exec(
        self,
        code: str,
        *,
        filename: str | None = None,
        timeout: float | None = None,
        on_output: OnOutput | None = None,
        checkpoint: bool = False,
    ) -> Result:
        """Runs code, as ``Session.exec``. Canceling the task stops the code. ``on_output`` may be a coroutine function: what is printed after waits for it."""
        params = requests.execute(self.name, code, filename, timeout, on_output is not None, checkpoint)
        return result_of(await self._postern._request("session.exec", params, on_output))

    async def set(self, variables: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Gives values to global variables."""
        given = {**(variables or {}), **more}
        result_of(await self._postern._request("session.set", requests.set_variables(self.name, given))).unwrap()

    async def call(
        self,
        function: str,
        /,
        *args: Any,
        timeout: float | None = None,
        on_output: OnOutput | None = None,
        checkpoint: bool = False,
        **kwargs: Any,
    ) -> Result:
        """Calls a function that code has defined."""
        params = requests.call(self.name, function, args, kwargs, timeout, on_output is not None, checkpoint)
        return result_of(await self._postern._request("session.call", params, on_output))

    async def reset(self) -> None:
        """Makes the session what it was when it was new."""
        await self._postern._request("session.reset", requests.named(self.name))

    async def checkpoint(self) -> None:
        """Keeps the state, for the session to fall back to."""
        await self._postern._request("session.checkpoint", requests.named(self.name))

    async def fork(self, name: str | None = None) -> AsyncSession:
        """A second session with the same state."""
        return AsyncSession(self._postern, await self._postern._request("session.fork", requests.fork(self.name, name)))

    async def save(self) -> bytes:
        """The state, for ``AsyncPostern.restore``."""
        return requests.saved(await self._postern._request("session.save", requests.named(self.name)))

    async def close(self) -> None:
        """Ends the session."""
        try:
            await self._postern._request("session.close", requests.named(self.name))
        except PosternError:
            pass

    async def __aenter__(self) -> AsyncSession:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()
