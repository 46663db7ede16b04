"""The program ``postern serve --stdio`` and what is said to it: docs/protocol.md."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from ._binary import find_binary
from ._errors import PosternError, ServerGone

Message = dict[str, Any]

_dumps = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode  # ASCII: lone surrogates survive as escapes


class Connection:
    """A running server. Its methods may be called by many threads at once."""

    def __init__(
        self,
        binary: str | os.PathLike[str] | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        self._process = subprocess.Popen(
            [find_binary(binary), "serve", "--stdio", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env=None if env is None else {**os.environ, **env},
            cwd=cwd,
        )
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, Callable[[Message], None]] = {}
        self._calls: dict[int, int] = {}  # of tools, to the requests whose code made them
        self._gone = False
        reader = threading.Thread(target=_read, args=(weakref.ref(self), self._process.stdout), name="postern", daemon=True)
        self._end = weakref.finalize(self, _end, self._process, reader)
        reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    def start(self, method: str, params: Message, deliver: Callable[[Message], None]) -> int:
        """Sends a request. What concerns it goes to deliver, in the reading thread: calls of tools by its code, output, and at last the answer."""
        number = next(self._ids)
        with self._lock:
            if self._gone:
                raise ServerGone("the server has ended")
            self._waiting[number] = deliver
        try:
            self._send({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
        except BaseException:
            with self._lock:
                self._waiting.pop(number, None)
            raise
        return number

    def cancel(self, number: int) -> None:
        """Gives up a request; nothing more is delivered."""
        with self._lock:
            given_up = self._waiting.pop(number, None)
        if given_up is not None:
            try:
                self._send({"jsonrpc": "2.0", "method": "$/cancel", "params": {"id": number}})
            except ServerGone:
                pass

    def answer(self, call: Message, answer: Message) -> None:
        """Answers a call of a tool with {"result": …} or {"error": …}."""
        with self._lock:
            self._calls.pop(call["id"], None)
        try:
            self._send({"jsonrpc": "2.0", "id": call["id"], **answer})
        except ServerGone:
            pass

    def _send(self, message: Message) -> None:
        line = (_dumps(message) + "\n").encode()
        pipe = self._process.stdin
        assert pipe is not None
        try:
            with self._lock:
                pipe.write(line)
                pipe.flush()
        except (OSError, ValueError) as error:
            raise ServerGone("the server has ended") from error

    def _receive(self, message: Message) -> None:
        method, deliver = message.get("method"), None
        with self._lock:
            if method is None:
                deliver = self._waiting.pop(message.get("id"), None)  # type: ignore[arg-type]
            elif method == "$/cancel":
                deliver = self._waiting.get(self._calls.pop(message["params"]["id"], 0))
            else:
                deliver = self._waiting.get(message["params"]["request"])
                if method == "tool.call" and deliver is not None:
                    self._calls[message["id"]] = message["params"]["request"]
        if deliver is not None:
            deliver(message)
        elif method == "tool.call":
            self.answer(message, {"error": {"code": 1, "message": "the call was given up"}})

    def _lose(self) -> None:
        """Tells everybody who waits that the server has ended."""
        with self._lock:
            self._gone = True
            waiting, self._waiting = self._waiting, {}
        for deliver in waiting.values():
            deliver({"gone": True})

    def close(self) -> None:
        """Ends the server, stopping what runs."""
        self._end()
        self._lose()


def _read(connection: weakref.ref[Connection], pipe: IO[bytes]) -> None:
    """Reads messages until the server ends. It keeps the connection only while it has one."""
    for line in pipe:
        c = connection()
        if c is None:
            break
        try:
            c._receive(json.loads(line))
        except Exception as error:  # not the protocol, so nothing after it can be relied on
            if isinstance(error, (ValueError, KeyError, TypeError)):
                break
            raise
        del c
    if (c := connection()) is not None:
        c._lose()


def _end(process: subprocess.Popen[bytes], reader: threading.Thread) -> None:
    """Ends a server: it stops when its stdin ends and nothing runs; what runs is killed."""
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.close()
    except OSError:
        pass  # it has ended already
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        process.terminate()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if reader is not threading.current_thread():
        reader.join(timeout=5)
    process.stdout.close()


def check(message: Message) -> Any:
    """The result that an answer has."""
    from ._errors import error_of

    if message.get("gone"):
        raise ServerGone("the server has ended")
    if "error" in message:
        raise error_of(message["error"])
    if "result" not in message:
        raise PosternError("the server's answer is not understood")
    return message["result"]
