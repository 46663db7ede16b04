"""What can go wrong, as exceptions."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._results import ErrorInfo


class PosternError(Exception):
    """The base of all exceptions of this package."""


class ServerGone(PosternError, ConnectionError):
    """The program ``postern`` has ended, or was closed."""


class ProtocolError(PosternError):
    """The server answered with an error. ``code`` and ``data`` are those of docs/protocol.md."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class SessionLost(ProtocolError):
    """The session's state is gone, because its code had to be stopped by force: only ``reset`` and ``close`` are left."""


class Canceled(ProtocolError):
    """The request was given up."""


class DeadlineExceeded(ProtocolError, TimeoutError):
    """``timeout`` was over. ``lost`` says whether the session's state is gone."""

    @property
    def lost(self) -> bool:
        return isinstance(self.data, dict) and self.data.get("lost") is True


@dataclass(frozen=True)
class Mistake:
    """One mistake of a policy, at its place. Lines and columns begin at 1; a line of 0 means the file as a whole.

    ``hint`` says what to do about it; it may be empty.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str = ""


class PolicyError(ProtocolError):
    """The policy is invalid, or the server does not let clients bring one."""

    @property
    def mistakes(self) -> list[Mistake]:
        """All of them, in the order of the file."""
        data = self.data if isinstance(self.data, dict) else {}
        known = {field.name for field in fields(Mistake)}
        return [Mistake(**{key: value for key, value in mistake.items() if key in known}) for mistake in data.get("mistakes", ())]


class CodeError(PosternError):
    """The code in the sandbox raised. Its words come from the code: do not trust them.

    ``info`` has the class, message, traceback and line; ``stdout`` and ``stderr`` what was printed before.
    """

    def __init__(self, info: ErrorInfo, stdout: str = "", stderr: str = "") -> None:
        super().__init__(f"{info.type}: {info.message}" if info.message else info.type)
        self.info = info
        self.stdout = stdout
        self.stderr = stderr


class Denied(CodeError):
    """The code did something that the policy does not grant, and did not catch the denial."""


class LimitExceeded(CodeError):
    """A limit of the policy was exceeded; ``info.limit`` names it."""


_BY_CODE: dict[int, type[ProtocolError]] = {
    -32002: PolicyError,
    -32005: SessionLost,
    -32800: Canceled,
    -32801: DeadlineExceeded,
}


def error_of(answer: dict[str, Any]) -> ProtocolError:
    """The exception for an error response."""
    code = answer.get("code", 0)
    return _BY_CODE.get(code, ProtocolError)(code, str(answer.get("message", "")), answer.get("data"))
