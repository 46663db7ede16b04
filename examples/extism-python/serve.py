"""Runs Python code in a guest that `postern link --self-contained` has written, from Extism's Python SDK.

    python serve.py agent.wasm agent.py

The functions that the policy grants are the guest's only imports besides Extism's own. They are served here: what one of them permits, and whether anybody
records it, is up to this program.
"""

from __future__ import annotations

import json
import math
import sys

import extism
from extism.extism import CompiledPlugin

TIMEOUT = 5_000  # milliseconds that one call may take; the guest itself counts its fuel, its memory and its calls


class Denied(Exception):
    """Raised by a function that will not do what it is asked for. The agent's code sees a postern.Denied."""


def serve(symbol: str):
    """Make a Python function the host function of that name. Requests and answers are those of docs/abi.md, "A host call"."""
    capability = symbol.replace("_", ".", 1)

    def decorate(function):
        def answer(request: str) -> str:
            call = json.loads(request)
            try:
                return json.dumps({"ok": function(*call["args"], **call["kwargs"])}, allow_nan=False)
            except Denied as denied:
                message = f"{capability} is denied: {denied}"
                return json.dumps({"denied": {"capability": capability, "reason": str(denied), "rule": "", "position": "", "message": message}})
            except (ValueError, TypeError, OverflowError) as error:
                return json.dumps({"error": {"type": type(error).__name__, "message": str(error)}})

        extism.host_fn(name=symbol, namespace="extism:host/user")(answer)
        return function

    return decorate


@serve("math_sqrt")
def sqrt(x):
    if x >= 1e6:
        raise Denied("numbers of a million and more are not served here")
    if x < 0:
        raise ValueError("math domain error")
    return math.sqrt(x)


@serve("math_floor")
def floor(x):
    return math.floor(x)


@serve("log_info")
def info(message, **fields):
    print("agent:", message, fields, file=sys.stderr)


class Sandbox:
    """An interpreter whose variables stay from run to run. After a run that was stopped by force, a new one takes its place."""

    def __init__(self, module: str):
        # Compiled once; an instance of it starts in milliseconds.
        self.compiled = CompiledPlugin({"wasm": [{"path": module}], "timeout_ms": TIMEOUT})
        self.instance = None

    def run(self, code: str, filename: str = "agent.py") -> dict:
        """Run code; the answer is that of docs/abi.md, "The result". An extism.Error means that the instance is gone, and its variables with it."""
        if self.instance is None:
            self.instance = extism.Plugin(self.compiled)
        try:
            return json.loads(self.instance.call("exec", json.dumps({"code": code, "filename": filename})))
        except extism.Error:
            self.instance = None  # it was stopped in the middle of something: never use it again
            raise


def main(module: str, program: str) -> int:
    with open(program, encoding="utf-8") as file:
        code = file.read()
    try:
        answer = Sandbox(module).run(code, program)
    except extism.Error as error:
        print("stopped:", str(error).splitlines()[0], file=sys.stderr)
        return 4
    sys.stdout.write(answer["stdout"])
    sys.stderr.write(answer["stderr"])
    if answer["error"]:
        sys.stderr.write(answer["error"]["traceback"])
    return 0 if answer["ok"] else 1


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python serve.py MODULE.wasm PROGRAM.py")
    sys.exit(main(*sys.argv[1:]))
