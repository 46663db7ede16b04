from __future__ import annotations

import subprocess
import sys

import pytest
from conftest import ROOT


def test_smolagents() -> None:
    pytest.importorskip("smolagents")
    done = subprocess.run([sys.executable, ROOT / "examples/smolagents/agent.py"], stdout=subprocess.PIPE, text=True, check=True, timeout=120)
    lines = done.stdout.splitlines()
    assert lines[-2:] == ["noted by process of the agent: it is 11.180", "The square root of 125 is 11.180339887498949"]
    assert "Import of socket is not allowed" in " ".join(line.strip() for line in lines[:-2])
