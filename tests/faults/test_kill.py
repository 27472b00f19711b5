"""Kill -9 at any moment, rerun: the same data; nothing is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.processes import descendants, survivors, workers

WORDS = ["sweep-noise", "--L", "20", "32", "--eta-range", "0", "0.4", "9", "--images", "10", "--batch", "2", "--quiet"]
WORDS.append("--no-memory")


def start(networks: Path, out: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "physnn", *WORDS, "--networks", str(networks), "--out", str(out), "--json", *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=out.parent)


def finish(networks: Path, out: Path, *more: str) -> dict:
    process = start(networks, out, *more)
    text, error = process.communicate(timeout=300)
    assert process.returncode == 0, error
    return json.loads(text)


def parts(out: Path) -> int:
    return len(list(out.with_name(out.name + ".parts").glob("*.h5")))


def kill_when(process: subprocess.Popen, out: Path, count: int, whole_tree: bool) -> None:
    """Kill the run once it has left ``count`` parts, and check that nothing of it stays alive."""
    while parts(out) < count:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.01)
    children = descendants(process.pid)
    for pid in [process.pid, *(children if whole_tree else [])]:
        os.kill(pid, signal.SIGKILL)
    process.communicate()
    assert not survivors(children), "workers outlive their parent"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_three_kills_and_a_rerun_give_the_uninterrupted_data(network_file, tmp_path, jobs):
    whole = finish(network_file, tmp_path / "whole.h5", "--jobs", "1")
    assert whole["tasks_run"] == 2 * 9 * 2 * 5
    out = tmp_path / "killed.h5"
    for k, count in enumerate((20, 80, 130)):
        process = start(network_file, out, "--jobs", jobs)
        kill_when(process, out, count, whole_tree=k == 1)
        assert not out.exists(), "the kill came before the end"
    assert parts(out) >= 130
    kept = parts(out)
    again = finish(network_file, out, "--jobs", jobs)
    assert again["digest"] == whole["digest"]
    assert again["tasks_run"] == whole["tasks_run"] - kept > 0
    assert sorted(f.name for f in tmp_path.glob("killed*")) == ["killed.h5", "killed.png"]


@pytest.mark.slow
def test_a_worker_killed_alone_is_replaced(network_file, tmp_path):
    whole = finish(network_file, tmp_path / "whole.h5", "--jobs", "1")
    out = tmp_path / "s.h5"
    process = start(network_file, out, "--jobs", "2")
    while parts(out) < 30:
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    text, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    assert json.loads(text)["digest"] == whole["digest"]


@pytest.mark.slow
def test_a_killed_training_continues_to_the_same_networks(tmp_path):
    command = [sys.executable, "-m", "physnn", "train", "kuramoto", "--L", "20", "--steps", "2", "--epochs", "40"]
    command += ["--pairs-per-epoch", "64", "--batch", "4", "--seeds", "0", "1", "--jobs", "2", "--json"]

    def train(out: Path) -> subprocess.Popen:
        return subprocess.Popen(
            [*command, "--out", str(out)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    whole = json.loads(train(tmp_path / "whole.h5").communicate(timeout=300)[0])
    out = tmp_path / "cut.h5"
    for count in (1, 2):
        kill_when(train(out), out, count, whole_tree=False)
        assert not out.exists()
    process = train(out)
    cut = json.loads(process.communicate(timeout=300)[0])
    assert [n["id"] for n in cut["networks"]] == [n["id"] for n in whole["networks"]]
    assert [n["loss"] for n in cut["networks"]] == [n["loss"] for n in whole["networks"]]
