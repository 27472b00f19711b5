"""Ctrl-C in commands that write nothing until they end: status 130 within a second, one line, and no process left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.faults.processes import descendants, survivors

ALLOWED = 3.0
"""Seconds to stop on a machine with other things to do; an idle one takes less than one."""
LONG = {
    "fit": "fit table.txt --resamples 100000",
    "count by walkers": "count signs --layers 1 6 6 1 --method sampling --moves 1000000000",
    "count by brute force": "count signs --layers 1 6 4 1 --method brute-force",
    "count while it compiles": "count signs --layers 1 6 4 1 --method brute-force",
    "diagnose": "diagnose networks.h5 --L 512",
    "bench ising": "bench ising",
    "bench kuramoto": "bench kuramoto",
    "selftest": "selftest",
}
"""Commands that take many seconds."""
WORK = {"fit": 2.0}
"""CPU seconds a command is left to work where they are not 4; the fit needs 8 in all."""
QUICK = ("fit",)


def table(folder: Path) -> None:
    rows = [f"{L} {x:.4f} {np.tanh((x - 0.5) * L**0.5):.5f} 0.01" for L in (4, 8, 16) for x in np.linspace(0, 1, 50)]
    (folder / "table.txt").write_text("\n".join(rows))


def seconds_of_work(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start(folder: Path, words: list[str]) -> subprocess.Popen:
    command = [sys.executable, "-m", "physnn", *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def interrupted(folder: Path, words: list[str], work: float) -> None:
    """Let a command work for some seconds, send Ctrl-C once, and check how it ends."""
    process = start(folder, words)
    try:
        while process.poll() is None and seconds_of_work(process.pid) < work:
            time.sleep(0.02)
        assert process.poll() is None, f"it was over: {process.communicate()}"
        family = descendants(process.pid)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
        elapsed = time.monotonic() - began
    finally:
        process.kill()
    print(f"{words[:2]}: {elapsed:.2f} s")
    assert process.returncode == 130 and elapsed < ALLOWED
    assert "interrupted" in error.strip().splitlines()[-1] and "Traceback" not in error
    assert json.loads(out)["status"] == "interrupted"
    assert not survivors(family)


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in LONG])
def test_ctrl_c_ends_a_command_at_once(tmp_path, monkeypatch, network_file, name):
    table(tmp_path)
    (tmp_path / "networks.h5").write_bytes(network_file.read_bytes())
    if name == "count while it compiles":
        monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path.with_name("cache of " + tmp_path.name)))
    before = sorted(f.name for f in tmp_path.iterdir())
    words = [*LONG[name].split(), "--json", *([] if name == "fit" else ["--quiet"])]
    interrupted(tmp_path, words, WORK.get(name, 4.0))
    assert sorted(f.name for f in tmp_path.iterdir()) == before


@pytest.mark.slow
def test_an_interrupted_count_and_fit_run_again_say_the_same(tmp_path):
    table(tmp_path)
    for words in ("fit table.txt --resamples 3000 --json", "count signs --method sampling --moves 1000000 --json"):
        whole, _ = start(tmp_path, words.split()).communicate(timeout=600)
        process = start(tmp_path, words.split())
        while process.poll() is None and seconds_of_work(process.pid) < 3:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        again, error = start(tmp_path, words.split()).communicate(timeout=600)
        assert json.loads(again) == json.loads(whole), error
