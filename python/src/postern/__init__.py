"""Run an agent's Python in a sandbox that can call what a policy grants, and nothing else.

    from postern import Postern

    def search(query: str) -> list[str]:
        '''Searches the web.'''
        return [...]

    with Postern(tools=[search]) as postern, postern.session() as session:
        print(session.exec("search('wasm')[0]").unwrap())

The sandbox is the program ``postern``, which this package starts (``postern serve --stdio``). ``search`` runs here, in this
process, each time that the code in the sandbox calls it and the policy allows the call.
"""

from ._async import AsyncPostern, AsyncSession
from ._binary import BinaryNotFound, find_binary
from ._client import Postern, Session
from ._errors import (
    Canceled,
    CodeError,
    DeadlineExceeded,
    Denied,
    LimitExceeded,
    Mistake,
    PolicyError,
    PosternError,
    ProtocolError,
    ServerGone,
    SessionLost,
)
from ._results import ErrorInfo, Function, Result, ServerInfo, Usage, Withheld
from ._tools import Tool
from ._values import Repr

__all__ = [
    "AsyncPostern",
    "AsyncSession",
    "BinaryNotFound",
    "Canceled",
    "CodeError",
    "DeadlineExceeded",
    "Denied",
    "ErrorInfo",
    "Function",
    "LimitExceeded",
    "Mistake",
    "PolicyError",
    "Postern",
    "PosternError",
    "ProtocolError",
    "Repr",
    "Result",
    "ServerGone",
    "ServerInfo",
    "Session",
    "SessionLost",
    "Tool",
    "Usage",
    "Withheld",
    "find_binary",
]
