"""Kill a worker, the parent or the whole tree of a sweep at random moments, again and again, until it completes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from physnn import api, rng
from physnn.samples import files
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.hdf5 import content_digest
from physnn.store.parts import Parts, read_part
from tests.faults.processes import descendants, survivors, workers

TEMPERATURES = (2.0, 2.1, 2.2, 2.3, 2.4, 2.5)
KILLS = ("worker", "parent", "tree")
OF_WORKERS = 2
"""Kills of workers in one run: a task that was on a third one that died would count as failed, and rightly."""
Results = Mapping[str, Mapping[str, np.ndarray]]


def start(out: Path, L: int, sweeps: int, chains: int) -> subprocess.Popen:
    words = ["sweep-temperature", "--L", str(L), "--T", *map(str, TEMPERATURES), "--sweeps", str(sweeps)]
    words += ["--chains", str(chains), "--algorithm", "metropolis", "--jobs", "2", "--quiet", "--json"]
    command = [sys.executable, "-m", "physnn", *words, "--out", str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=out.parent)


def reference(folder: Path, L: int, sweeps: int, chains: int) -> tuple[str, Results]:
    """The digest and the parts of an uninterrupted run in this process."""
    out = folder / "whole.h5"
    settings = {"L": (L,), "T": TEMPERATURES, "sweeps": sweeps, "chains": chains, "algorithm": "metropolis"}
    recipe = api.recipe("temperature", out, **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parts, "remove", lambda _: None)
        files.run(recipe, out, jobs=1)
    parts = Parts(out)
    return content_digest(out), {
        task.key: read_part(parts.path(task.key)) for task in TemperatureSample(recipe).tasks()
    }


def finished(out: Path, wanted: Results) -> set[str]:
    """The keys of finished tasks, each checked to have the numbers it should have."""
    found = set()
    for path in Parts(out).folder.glob("*.h5"):
        arrays = read_part(path)
        assert not int(arrays["unfinished"])
        assert all(np.array_equal(arrays[name], values) for name, values in wanted[path.stem].items())
        found.add(path.stem)
    return found


def at_work(process: subprocess.Popen, out: Path, since: float) -> bool:
    """Wait until a run has finished a task, and say whether it got so far without ending."""
    folder = Parts(out).folder
    while process.poll() is None:
        with suppress(OSError):
            if any(f.stat().st_mtime > since for f in folder.glob("*.h5")):
                return True
        time.sleep(0.01)
    return False


def kill(process: subprocess.Popen, out: Path, kind: str) -> bool:
    """Kill, and return whether the run was unfinished; nobody may outlive the parent."""
    family = descendants(process.pid)
    victims = workers(process.pid)[:1] if kind == "worker" else [process.pid, *(family if kind == "tree" else [])]
    if not victims or process.poll() is not None:
        return False
    for pid in victims:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if kind == "worker":
        return not out.exists()
    assert process.wait(60) in (-signal.SIGKILL, 0)
    assert not survivors(family), "workers outlive their parent"
    return process.returncode != 0 and not out.exists()


def campaign(folder: Path, count: int, L: int, sweeps: int, chains: int, delay: float) -> Counter[str]:
    """Kill ``count`` times, completing a sweep whenever one gets to its end, and return what happened how often."""
    generator = rng.stream(0, "synthetic", "random kills", count)
    digest, wanted = reference(folder, L, sweeps, chains)
    happened: Counter[str] = Counter()
    order = [KILLS[k % len(KILLS)] for k in range(count)]
    generator.shuffle(order)
    out, known = folder / "killed.h5", set()
    while order or not happened["completed"] or known:
        since, begun, of_workers = time.time() - 0.01, len(known), 0
        process = start(out, L, sweeps, chains)
        happened["started"] += 1
        assert happened["started"] < 2 * count + 10, "most kills come too late"
        try:
            while order and at_work(process, out, since):
                if order[-1] == "worker" and of_workers == OF_WORKERS:
                    break
                time.sleep(float(generator.uniform(0, delay)))
                if not kill(process, out, order[-1]):
                    break
                of_workers += order[-1] == "worker"
                happened[order.pop()] += 1
                now = finished(out, wanted)
                assert known <= now, "finished tasks are lost"
                known, since = now, time.time()
            text, error = process.communicate(timeout=600)
        finally:
            process.kill()
        if process.returncode == -signal.SIGKILL:
            continue
        assert process.returncode == 0, error
        answer = json.loads(text)
        assert answer["digest"] == digest == content_digest(out)
        assert answer["tasks_run"] <= len(wanted) - begun, "finished tasks are not run again"
        assert sorted(f.name for f in folder.glob("killed*")) in (["killed.h5"], ["killed.h5", "killed.png"])
        happened["completed"] += 1
        out.unlink()
        known = set()
    print(dict(happened))
    return happened


def test_a_few_random_kills_change_and_lose_nothing(tmp_path):
    happened = campaign(tmp_path, 3, L=32, sweeps=6_000, chains=4, delay=0.2)
    assert [happened[kind] for kind in KILLS] == [1, 1, 1] and happened["completed"] >= 1


@pytest.mark.slow
@pytest.mark.timeout(14400)
def test_200_random_kills_change_and_lose_nothing(tmp_path):
    """A sweep of 60 tasks of about 0.2 s."""
    happened = campaign(tmp_path, 200, L=64, sweeps=6000, chains=10, delay=1.5)
    assert sum(happened[kind] for kind in KILLS) == 200 and happened["completed"] >= 5
