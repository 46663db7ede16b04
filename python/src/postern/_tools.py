"""Python functions as tools of the sandbox."""

from __future__ import annotations

import builtins
import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class Tool:
    """A function that code in the sandbox can call, and that runs here.

    ``Tool.of(function)`` takes name, parameters, types and doc from the function itself.
    """

    name: str
    function: Callable[..., Any]
    doc: str = ""
    parameters: tuple[Mapping[str, Any], ...] = ()
    """As docs/protocol.md has them: name, type, kind, optional."""
    returns: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"a tool's name matches [a-z][a-z0-9_]*, which {self.name!r} does not")

    @classmethod
    def of(cls, function: Callable[..., Any], name: str | None = None) -> Tool:
        signature = inspect.signature(function)
        return cls(
            name=name or function.__name__,
            function=function,
            doc=inspect.getdoc(function) or "",
            parameters=tuple(map(_describe, signature.parameters.values())),
            returns=_type_text(signature.return_annotation),
        )

    def message(self) -> dict[str, Any]:
        return {"name": self.name, "doc": self.doc, "parameters": [dict(p) for p in self.parameters], "returns": self.returns}

    @property
    def is_async(self) -> bool:
        return inspect.iscoroutinefunction(self.function) or inspect.iscoroutinefunction(type(self.function).__call__)


Tools = Mapping[str, Callable[..., Any]] | Iterable["Tool | Callable[..., Any]"]


def tools_by_name(tools: Tools) -> dict[str, Tool]:
    """The tools of what a user gives: functions, Tools, or functions by name."""
    if isinstance(tools, Mapping):
        made = [tool if isinstance(tool, Tool) else Tool.of(tool, name) for name, tool in tools.items()]
    else:
        made = [tool if isinstance(tool, Tool) else Tool.of(tool) for tool in tools]
    found: dict[str, Tool] = {}
    for tool in made:
        if tool.name in found:
            raise ValueError(f"there are two tools {tool.name!r}")
        found[tool.name] = tool
    return found


def _describe(parameter: inspect.Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {"name": parameter.name, "kind": parameter.kind.name.lower()}
    if text := _type_text(parameter.annotation):
        described["type"] = text
    if parameter.default is not parameter.empty:
        described["optional"] = True
    return described


def _type_text(annotation: Any) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def describe_exception(error: BaseException) -> dict[str, Any]:
    """The error response for an exception that a tool raised: the nearest builtin class, and the message."""
    message = error.args[0] if isinstance(error, KeyError) and len(error.args) == 1 and isinstance(error.args[0], str) else str(error)
    for kind in type(error).__mro__:
        if kind in (Exception, BaseException):
            break
        if getattr(builtins, kind.__name__, None) is kind:
            if kind is not type(error):
                message = f"{type(error).__name__}: {message}"
            return {"code": 1, "message": message, "data": {"type": kind.__name__}}
    name = "" if type(error) is Exception else type(error).__name__ + ": "
    return {"code": 1, "message": name + message, "data": {"type": "RuntimeError"}}
