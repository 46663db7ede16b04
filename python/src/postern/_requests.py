"""The parameters of requests, for both kinds of clients."""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Any

from ._tools import Tool
from ._values import encode

Params = dict[str, Any]


def initialize(policy: str | os.PathLike[str] | None, policy_text: str | None, tools: Mapping[str, Tool], grant_tools: bool) -> Params:
    if policy is not None and policy_text is not None:
        raise ValueError("policy and policy_text are both given")
    params: Params = {"protocol": 1, "client": {"name": "postern-python"}}
    if policy is not None:
        params["policy"] = {"file": os.fspath(policy)}
    if policy_text is not None:
        params["policy"] = {"text": policy_text}
    if tools:
        params["tools"] = [tool.message() for tool in tools.values()]
        params["grant_tools"] = grant_tools
    return params


def execute(session: str, code: str, filename: str | None, timeout: float | None, stream: bool, checkpoint: bool) -> Params:
    params: Params = {"session": session, "code": code, **_options(timeout, stream, checkpoint)}
    if filename is not None:
        params["filename"] = filename
    return params


def set_variables(session: str, variables: Mapping[str, Any]) -> Params:
    encoded = {}
    for name, value in variables.items():
        try:
            encoded[name] = encode(value)
        except (TypeError, ValueError) as error:
            raise type(error)(f"variable {name!r}: {error}") from None
    return {"session": session, "variables": encoded}


def call(session: str, function: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], timeout: float | None, stream: bool, checkpoint: bool) -> Params:
    return {
        "session": session,
        "function": function,
        "args": [encode(argument) for argument in args],
        "kwargs": {name: encode(argument) for name, argument in kwargs.items()},
        **_options(timeout, stream, checkpoint),
    }


def _options(timeout: float | None, stream: bool, checkpoint: bool) -> Params:
    options: Params = {}
    if timeout is not None:
        options["timeout_ms"] = timeout * 1000
    if stream:
        options["stream"] = True
    if checkpoint:
        options["checkpoint"] = True
    return options


def named(session: str | None) -> Params:
    return {} if session is None else {"session": session}


def fork(session: str, to: str | None) -> Params:
    return {"session": session} if to is None else {"session": session, "to": to}


def restore(data: bytes, session: str | None) -> Params:
    return {"data": base64.b64encode(data).decode(), **named(session)}


def saved(answer: Mapping[str, Any]) -> bytes:
    return base64.b64decode(answer["data"], validate=True)
