"""GPU kernels without a GPU: the tests of kernels/gpu in a process of its own, where Triton interprets kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
TESTS = sorted((Path(__file__).parent / "gpu").glob("test_*.py"))


@pytest.mark.skipif(os.environ.get("TRITON_INTERPRET") == "1", reason="they run in this process")
def test_kernels_in_the_interpreter():
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "-p", "no:cacheprovider", *map(str, TESTS)]
    env = os.environ | {"TRITON_INTERPRET": "1"}
    answer = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    print(answer.stdout[-20_000:], answer.stderr[-2000:])
    assert len(TESTS) >= 3 and answer.returncode == 0
    assert " passed" in answer.stdout
    assert "skipped" not in answer.stdout
