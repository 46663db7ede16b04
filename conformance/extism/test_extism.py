"""The programs of programs.txtar answer the same under Postern's host and in a sealed guest under Extism's Python SDK.

What is expected is what Postern answers in the same run: nothing here is written down by hand.

    POSTERN_BIN=postern pytest conformance/extism
"""

import json
import math
import os
import pathlib
import re
import subprocess

import pytest

FOLDER = pathlib.Path(__file__).parent
POSTERN = os.environ.get("POSTERN_BIN", "postern")

try:
    import extism
    from extism.extism import CompiledPlugin
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("the package extism is not installed", allow_module_level=True)


def postern(*arguments, **options):
    return subprocess.run([POSTERN, *arguments], cwd=FOLDER, check=True, stdout=subprocess.PIPE, **options).stdout


def programs():
    parts = re.split(r"^-- (.*) --\n", (FOLDER / "programs.txtar").read_text("utf-8"), flags=re.MULTILINE)
    found = dict(zip(parts[1::2], parts[2::2]))
    assert len(found) >= 70
    return found


PROGRAMS = programs()


# --- the granted functions, in Python ---------------------------------------------------------------------------------


def serve(name):
    """Make a function a host function: its request and its answer are those of docs/abi.md."""

    def decorate(function):
        def call(request: str) -> str:
            asked = json.loads(request)
            try:
                return json.dumps({"ok": function(*asked["args"], **asked["kwargs"])}, ensure_ascii=False)
            except json.JSONDecodeError as error:
                attributes = {"msg": error.msg, "doc": error.doc, "pos": error.pos, "lineno": error.lineno, "colno": error.colno}
                return json.dumps({"error": {"type": "json.JSONDecodeError", "message": str(error), "attributes": attributes}})
            except ValueError:
                return json.dumps({"error": {"type": "ValueError", "message": "math domain error"}})

        return extism.host_fn(name=name, namespace="extism:host/user")(call)

    return decorate


serve("math_sqrt")(math.sqrt)
serve("math_floor")(math.floor)
serve("math_pow")(math.pow)
serve("json_dumps")(json.dumps)
serve("json_loads")(json.loads)


# --- the same programs on both sides ------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def here():
    """What the programs answer under Postern."""
    lines = "".join(json.dumps({"id": name, "code": code}) + "\n" for name, code in PROGRAMS.items())
    answers = postern("batch", "--policy", "policy.toml", "-", input=lines.encode())
    return {answer["id"]: answer for answer in map(read, answers.splitlines())}


@pytest.fixture(scope="session")
def sealed(tmp_path_factory):
    module = tmp_path_factory.mktemp("sealed") / "agent.wasm"
    postern("link", "--policy", "policy.toml", "--self-contained", "-o", str(module))
    return CompiledPlugin({"wasm": [{"path": str(module)}]})


def read(text):
    """JSON in which numbers stay as they are written."""
    return json.loads(text, parse_float=str, parse_int=str)


def without_figures(error):
    """Postern's host adds to the words of the guest how much of a limit was used; the guest does not know."""
    if error and error.get("limit") in ("memory", "recursion", "result"):
        error["message"] = re.sub(r"( \()?limits\.\w+ exceeded: [^)]*\)?$", "", error["message"])
    return error


COMMON = ("ok", "value", "repr", "is_final_answer", "stdout", "stderr")
COMMON_OF_ERRORS = ("type", "message", "traceback", "line")


@pytest.mark.parametrize("name", PROGRAMS)
def test_same_answer(name, here, sealed):
    expected = here[name]
    plugin = extism.Plugin(sealed)
    answer = read(plugin.call("exec", json.dumps({"code": PROGRAMS[name]})))
    assert {key: answer[key] for key in COMMON} == {key: expected[key] for key in COMMON}
    error, expected_error = answer["error"], without_figures(expected["error"])
    if expected_error is None:
        assert error is None
        return
    assert {key: error[key] for key in COMMON_OF_ERRORS} == {key: expected_error[key] for key in COMMON_OF_ERRORS}
    assert error["limit"] == expected_error.get("limit")


def test_stopped_instances_stay_stopped(tmp_path):
    policy = tmp_path / "short.toml"
    policy.write_text('policy = 1\nname = "short"\n[limits]\nfuel = 20_000_000\n')
    module = tmp_path / "agent.wasm"
    postern("link", "--policy", str(policy), "--self-contained", "-o", str(module))
    plugin = extism.Plugin({"wasm": [{"path": str(module)}]})
    assert json.loads(plugin.call("exec", '{"code": "6 * 7"}'))["value"] == 42
    with pytest.raises(extism.Error, match="wasm"):
        plugin.call("exec", '{"code": "while True: pass"}')
    with pytest.raises(extism.Error, match="limits.fuel exceeded: an earlier call of this instance used up its 20000000"):
        plugin.call("exec", '{"code": "6 * 7"}')


def test_stubs(tmp_path):
    """A second module serves the granted functions, by the name that the first imports them from."""
    agent, stubs = tmp_path / "agent.wasm", tmp_path / "stubs.wasm"
    postern("link", "--policy", "policy.toml", "--self-contained", "-o", str(agent), "--stubs", str(stubs), "--answer", "math.sqrt=11.18")
    manifest = {"wasm": [{"path": str(stubs), "name": "extism:host/user"}, {"path": str(agent), "name": "main"}]}
    plugin = extism.Plugin(manifest, functions=[])
    assert json.loads(plugin.call("exec", '{"code": "import math; math.sqrt(125)"}'))["value"] == 11.18
    denied = json.loads(plugin.call("exec", '{"code": "math.floor(1.5)"}'))["error"]
    assert denied["denied"]
    assert denied["message"] == "math.floor is denied: no answer was given for this function when the stubs were made"
