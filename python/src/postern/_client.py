"""The client for programs without an event loop."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Mapping
from typing import Any

from . import _requests as requests
from ._base import Client, OnOutput
from ._connection import Message, check
from ._errors import PosternError, ServerGone
from ._results import Result, ServerInfo, result_of, server_info
from ._tools import Tool, Tools, describe_exception
from ._values import decode, encode


class Postern(Client):
    """A running sandbox with one policy, for any number of sessions. It may be used by many threads; tools run in the thread whose code calls them.

    ``policy`` is a file, ``policy_text`` the policy itself, whose relative paths are those of the current folder; without either, the
    server's own holds. ``tools`` are functions that code can call: those that the policy's ``[grant.tools]`` lists, or all of them if
    it has none and ``grant_tools`` is true.
    ``binary`` is the program ``postern``; without it, ``$POSTERN_BIN``, ``PATH`` and the package's folder are searched. ``args`` are
    more arguments for ``postern serve``; ``env`` is added to the environment; ``stderr`` is where its messages go.

    The server starts with the first use, and ends with ``close``, with the block of a ``with``, or with this process.
    """

    _info: ServerInfo | None = None

    def _configure(self, policy: str | os.PathLike[str] | None, policy_text: str | None, tools: Tools, grant_tools: bool = True) -> None:
        super()._configure(policy, policy_text, tools, grant_tools)
        for tool in self._tools.values():
            if tool.is_async:
                raise TypeError(f"tool {tool.name!r} is a coroutine function: use AsyncPostern")

    @property
    def info(self) -> ServerInfo:
        """What holds in the sandbox: policy, imports, granted functions, limits. Raises ``PolicyError`` if the policy is invalid."""
        with self._lock:
            if self._info is None:
                self._info = server_info(self._request("initialize", self._initialize, started=False))
            return self._info

    def describe(self) -> dict[str, Any]:
        """What a policy could name: the result of ``server.describe``."""
        described: dict[str, Any] = self._request("server.describe", {}, started=False)
        return described

    def session(self, name: str | None = None) -> Session:
        """A new session."""
        return Session(self, self._request("session.new", requests.named(name)))

    def restore(self, data: bytes, name: str | None = None) -> Session:
        """A session that goes on where the one was saved: ``Session.save``."""
        return Session(self, self._request("session.restore", requests.restore(data, name)))

    def close(self) -> None:
        """Stops what runs and ends the server. Closing again does nothing."""
        connection = self._disconnect()
        if connection is not None:
            try:
                connection.start("shutdown", {}, lambda message: None)
            except ServerGone:
                pass
            connection.close()

    def __enter__(self) -> Postern:
        try:
            self.info
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _request(self, method: str, params: Message, on_output: OnOutput | None = None, started: bool = True) -> Any:
        """Sends a request and waits for the answer, running the tools that its code calls."""
        if started:
            self.info
        connection = self._connect()
        messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        number = connection.start(method, params, messages.put)
        try:
            while True:
                message = messages.get()
                called = message.get("method")
                if called is None:
                    return check(message)
                if called == "tool.call":
                    connection.answer(message, _use(self._tools, message["params"]))
                elif called == "session.output" and on_output is not None:
                    on_output(message["params"]["stream"], message["params"]["text"])
        except BaseException:
            connection.cancel(number)
            raise


def _use(tools: Mapping[str, Tool], params: Message) -> Message:
    """The answer to a call of a tool."""
    try:
        tool = tools[params["tool"]]
        args, kwargs = decode(params["args"]), {name: decode(value) for name, value in params["kwargs"].items()}
        return {"result": {"value": encode(tool.function(*args, **kwargs))}}
    except Exception as error:
        return {"error": describe_exception(error)}


class Session:
    """One interpreter: what one call leaves behind, the next one finds. It serves one call at a time; others wait."""

    def __init__(self, postern: Postern, opened: Mapping[str, str]) -> None:
        self._postern = postern
        self.name = opened["session"]
        self.id = opened["id"]  # in audit records
        self._turn = threading.RLock()
        self._busy = False

    def exec(
        self,
        code: str,
        *,
        filename: str | None = None,
        timeout: float | None = None,
        on_output: OnOutput | None = None,
        checkpoint: bool = False,
    ) -> Result:
        """Runs code. What it raises is in the result; ``result.unwrap()`` gives the value or raises.

        ``timeout`` is in seconds: ``DeadlineExceeded`` says that it was over. ``checkpoint`` keeps the state afterwards, for the session to fall
        back to if later code has to be stopped by force.

        ``on_output(stream, text)`` is called with what the code prints, while it runs: in this thread, in the order in which it was printed,
        and before a tool that the code calls after it. All texts of a stream are what the result has of it. What it raises stops the code.
        """
        params = requests.execute(self.name, code, filename, timeout, on_output is not None, checkpoint)
        return result_of(self._ask("session.exec", params, on_output))

    def set(self, variables: Mapping[str, Any] | None = None, /, **more: Any) -> None:
        """Gives values to global variables. A TypeError says that a value cannot cross."""
        given = {**(variables or {}), **more}
        result_of(self._ask("session.set", requests.set_variables(self.name, given))).unwrap()

    def call(
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
        return result_of(self._ask("session.call", params, on_output))

    def reset(self) -> None:
        """Makes the session what it was when it was new. It works on a lost session, too."""
        self._ask("session.reset", requests.named(self.name))

    def checkpoint(self) -> None:
        """Keeps the state, for the session to fall back to if later code has to be stopped by force."""
        self._ask("session.checkpoint", requests.named(self.name))

    def fork(self, name: str | None = None) -> Session:
        """A second session with the same state; both go on by themselves."""
        return Session(self._postern, self._ask("session.fork", requests.fork(self.name, name)))

    def save(self) -> bytes:
        """The state, for ``Postern.restore`` under the same policy and guest."""
        return requests.saved(self._ask("session.save", requests.named(self.name)))

    def close(self) -> None:
        """Ends the session. Closing one that is gone does nothing."""
        try:
            self._ask("session.close", requests.named(self.name))
        except PosternError:
            pass

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _ask(self, method: str, params: Message, on_output: OnOutput | None = None) -> Any:
        with self._turn:
            if self._busy:
                raise PosternError("a tool or on_output cannot use the session whose code has called it")
            self._busy = True
            try:
                return self._postern._request(method, params, on_output)
            finally:
                self._busy = False
