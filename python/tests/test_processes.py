"""Whoever is killed, nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from conftest import POLICY

from postern import Postern, ServerGone

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals")

CLIENT = """
import sys, threading, time
from postern import Postern

def add(a: int, b: int = 1) -> int:
    print("in the tool", flush=True)
    time.sleep(600)

def fail(what: str): ...

p = Postern(policy_text=sys.argv[1], tools=[add, fail])
print(p.pid, flush=True)
when = sys.argv[2]
if when != "before":
    s = p.session()
    print("ready", flush=True)
    s.exec({"code": "while True: pass", "c": "sum(range(10**15))", "tool": "add(1)", "idle": "1"}[when])
time.sleep(600)
"""


def wait_until_gone(pid: int, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(pid, 0)
            with open(f"/proc/{pid}/stat") as stat:  # a zombie is gone, and waits for its new parent
                if stat.read().rpartition(")")[2].split()[0] == "Z":
                    return
        except (ProcessLookupError, FileNotFoundError):
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail(f"process {pid} is still there")


@pytest.mark.parametrize("when", ["before", "idle", "code", "c", "tool"])
def test_killed_client(when: str) -> None:
    policy = POLICY.replace("20s", "1h")
    client = subprocess.Popen([sys.executable, "-c", CLIENT, policy, when], stdout=subprocess.PIPE, text=True)
    assert client.stdout is not None
    server = int(client.stdout.readline())
    if when != "before":
        client.stdout.readline()
    if when == "tool":
        client.stdout.readline()
    time.sleep(0.2)
    client.kill()
    client.wait()
    client.stdout.close()
    wait_until_gone(server)


@pytest.mark.parametrize("code", [None, "while True: pass", "add(1)"])
def test_killed_server(code: str | None) -> None:
    called = threading.Event()

    def add(a: int, b: int = 1) -> int:
        called.set()
        os.kill(p.pid, signal.SIGKILL)
        return 1

    def fail(what: str) -> None: ...

    with Postern(policy_text=POLICY, tools=[add, fail]) as p:
        s = p.session()
        pid = p.pid
        if code is None:
            os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        elif code.startswith("while"):
            threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()
        with pytest.raises(ServerGone):
            s.exec(code or "1")
        assert called.is_set() == (code == "add(1)")
    wait_until_gone(pid)


def test_forgotten_client() -> None:
    """A Postern that nobody closed ends its server when it is collected."""
    p = Postern(policy_text=POLICY)
    p.session()
    pid = p.pid
    del p
    wait_until_gone(pid)


def test_server_ends_with_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import sys, postern\np = postern.Postern(policy_text=sys.argv[1])\np.session().exec('1')\nprint(p.pid)", POLICY],
        stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip
    wait_until_gone(int(done.stdout))
