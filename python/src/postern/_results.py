"""What the server answers, as objects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ._errors import CodeError, Denied, LimitExceeded
from ._values import decode


@dataclass(frozen=True)
class ErrorInfo:
    """An uncaught exception, a limit, or a crash. All but what is ``from_host`` is what the code says of itself."""

    type: str
    message: str
    traceback: str
    line: int | None
    denied: bool
    from_host: bool
    limit: str | None = None


@dataclass(frozen=True)
class Usage:
    """What a run consumed: loop iterations and function calls, milliseconds, bytes of memory at the end, calls of tools."""

    fuel: int
    wall_ms: float
    memory_bytes: int
    host_calls: int


@dataclass(frozen=True)
class Withheld:
    """Something that the code tried and has no grant for: ``kind`` is "import" or "call"."""

    kind: str
    name: str


@dataclass(frozen=True)
class Result:
    """What came of running code."""

    ok: bool
    value: Any
    """Of the last expression, or of ``final_answer(x)``."""
    repr: str | None
    """``repr()`` of the value; None if there is none."""
    is_final_answer: bool
    stdout: str
    stderr: str
    error: ErrorInfo | None
    usage: Usage
    policy: str
    guest: str
    restored: bool
    """The code was stopped by force, and the session has fallen back to what was kept last."""
    lost: bool
    """The code was stopped by force, and the session's state is gone."""
    withheld: tuple[Withheld, ...] = field(default=())

    def unwrap(self) -> Any:
        """The value; or else a ``CodeError``, which is a ``Denied`` or ``LimitExceeded`` if that is what happened."""
        if self.error is None:
            return self.value
        kind = LimitExceeded if self.error.limit else Denied if self.error.denied else CodeError
        raise kind(self.error, self.stdout, self.stderr)


def result_of(answer: dict[str, Any]) -> Result:
    answer = dict(answer)
    error = answer["error"]
    answer["value"] = decode(answer["value"])
    answer["error"] = None if error is None else ErrorInfo(**error)
    answer["usage"] = Usage(**answer["usage"])
    answer["withheld"] = tuple(Withheld(**one) for one in answer["withheld"])
    return Result(**answer)


@dataclass(frozen=True)
class Function:
    """A function that code in the sandbox can call: ``name`` is "math.sqrt"."""

    name: str
    signature: str
    doc: str
    effects: str


@dataclass(frozen=True)
class ServerInfo:
    """What holds in the sandbox."""

    version: str
    policy: str
    policy_digest: str
    warnings: tuple[str, ...]
    guest: str
    imports: tuple[str, ...]
    granted: tuple[Function, ...]
    limits: dict[str, float]


def server_info(answer: dict[str, Any]) -> ServerInfo:
    policy = answer["policy"]
    return ServerInfo(
        version=answer["server"]["version"],
        policy=policy["name"],
        policy_digest=policy["digest"],
        warnings=tuple(policy["warnings"]),
        guest=answer["guest"],
        imports=tuple(answer["imports"]),
        granted=tuple(Function(**one) for one in answer["granted"]),
        limits=dict(answer["limits"]),
    )
