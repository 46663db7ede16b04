"""What both clients are made with."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from . import _requests as requests
from ._connection import Connection
from ._errors import ServerGone
from ._tools import Tools, tools_by_name

OnOutput = Callable[[str, str], object]
"""Called with "stdout" or "stderr" and some of what code has printed there, while the code runs."""


class Client:
    """A server that starts with its first use."""

    def __init__(
        self,
        policy: str | os.PathLike[str] | None = None,
        *,
        policy_text: str | None = None,
        tools: Tools = (),
        grant_tools: bool = True,
        binary: str | os.PathLike[str] | None = None,
        args: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        cwd: str | os.PathLike[str] | None = None,
        stderr: int | IO[Any] | None = None,
    ) -> None:
        self._configure(policy, policy_text, tools, grant_tools)
        self._start: Callable[[], Connection] = lambda: Connection(binary, args, env, cwd, stderr)
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._closed = False

    def _configure(self, policy: str | os.PathLike[str] | None, policy_text: str | None, tools: Tools, grant_tools: bool = True) -> None:
        """Says what the server is to be told when it starts."""
        self._tools = tools_by_name(tools)
        self._initialize = requests.initialize(policy, policy_text, self._tools, grant_tools)

    def _connect(self) -> Connection:
        with self._lock:
            if self._closed:
                raise ServerGone("closed")
            if self._connection is None:
                self._connection = self._start()
            return self._connection

    def _disconnect(self) -> Connection | None:
        """Closes the client, and gives the connection that is to be closed, if there is one."""
        with self._lock:
            connection, self._connection, self._closed = self._connection, None, True
            return connection

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._connect().pid
