"""The tests run the real program: $POSTERN_BIN, or one that is built here."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

import postern

ROOT = Path(__file__).parents[2]

POLICY = """
policy = 1
name = "tests"
[limits]
wall_time = "20s"
host_calls = 100_000
[audit]
log = "none"
[python]
imports = ["math", "time", "re", "datetime", "decimal", "zoneinfo"]
"""

PRINTING = POLICY.replace("imports = [", 'imports = ["sys", ').replace("[limits]", '[limits]\noutput = "256KiB"')


@pytest.fixture(scope="session", autouse=True)
def binary(tmp_path_factory: pytest.TempPathFactory) -> str:
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    if not os.environ.get("POSTERN_BIN"):
        if shutil.which("go") is None:
            pytest.fail("set POSTERN_BIN, or install Go so that the program can be built")
        built = tmp_path_factory.mktemp("bin") / "postern"
        subprocess.run(["go", "build", "-o", built, "./cmd/postern"], cwd=ROOT, check=True)
        os.environ["POSTERN_BIN"] = str(built)
    # These tests have many policies, and the cache keeps what was made for a few dozen.
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    os.environ["XDG_CACHE_HOME"] = str(caches / "postern-tests" / "python")
    return postern.find_binary()
