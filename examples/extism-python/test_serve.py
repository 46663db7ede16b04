"""Runs the example with the real SDK: POSTERN_BIN=postern pytest examples/extism-python"""

import os
import pathlib
import subprocess
import sys

import pytest

FOLDER = pathlib.Path(__file__).parent

try:
    import extism
except ImportError:
    if os.environ.get("CI"):
        raise
    pytest.skip("the package extism is not installed", allow_module_level=True)


@pytest.fixture(scope="session")
def module(tmp_path_factory):
    path = tmp_path_factory.mktemp("guest") / "agent.wasm"
    postern = os.environ.get("POSTERN_BIN", "postern")
    subprocess.run([postern, "link", "--policy", "policy.toml", "--self-contained", "-o", path], cwd=FOLDER, check=True)
    return str(path)


def test_program(module):
    done = subprocess.run([sys.executable, "serve.py", module, "agent.py"], cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert done.stdout.splitlines() == [
        "the diagonal is 5.0 and the mean side 3.5",
        "math: math domain error",
        "refused: math.sqrt is denied: numbers of a million and more are not served here",
        "refused: import of 'socket' is not authorized by policy 'extism-python'",
    ]
    assert done.stderr == "agent: measured {'diagonal': 5.0}\n"
    assert done.returncode == 0


def test_state_and_stops(module, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    import serve

    monkeypatch.setattr(serve, "TIMEOUT", 2_000)
    sandbox = serve.Sandbox(module)
    sandbox.run("x = 41")
    assert sandbox.run("x + 1")["value"] == 42
    assert sandbox.run("1 / 0")["error"]["type"] == "ZeroDivisionError"
    assert sandbox.run("x")["value"] == 41
    with pytest.raises(extism.Error):
        sandbox.run("while True: pass")
    # A new interpreter, which knows nothing of it.
    assert sandbox.run("x")["error"]["type"] == "NameError"
    assert sandbox.run("import math\n[math.floor(2.5), math.sqrt(16)]")["value"] == [2, 4.0]
