"""How long a call takes from code in the sandbox to a function in this process and back: median, and the best and worst of 20 runs of 500."""

import statistics
import time

from postern import Postern

POLICY = """
policy = 1
name = "roundtrip"
[limits]
host_calls = 1_000_000
[audit]
log = "none"
"""


def add(a: int, b: int = 1) -> int:
    return a + b


def fail(what: str) -> None: ...


with Postern(policy_text=POLICY, tools=[add, fail]) as postern, postern.session() as session:
    session.exec("for i in range(500): add(i)").unwrap()
    times = []
    for _ in range(20):
        began = time.perf_counter()
        session.exec("for i in range(500): add(i)").unwrap()
        times.append((time.perf_counter() - began) / 500 * 1e6)
    print(f"{statistics.median(times):.0f} us a call ({min(times):.0f} to {max(times):.0f})")
    times = []
    for _ in range(500):
        began = time.perf_counter()
        session.exec("1")
        times.append((time.perf_counter() - began) * 1e6)
    print(f"{statistics.median(times):.0f} us an exec")
