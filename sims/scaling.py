"""What a sweep costs besides its work: per task, per file, with more workers; how far that goes.

Question: which part of the machinery is the first to limit a sweep on many cores?  Each number is one of

* strong and weak scaling: the same chains with 1 and with 2 workers, and as many chains per worker; runs of half the
  length tell start-up and work apart;
* overhead of a task that sleeps for a second: (time - ideal) / ideal, on a pool of 2 processes and on Dask;
* time per task that does nothing;
* time and memory to put 10^4 and 10^5 parts together, in a process of its own.

Run: python sims/scaling.py [--parts 10000 100000] [--only scaling overhead parts] [--out FILE].  It prints the numbers
of docs/scaling.md as JSON.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import api
from physnn.jobs.executors import parse_engine
from physnn.jobs.run import run_tasks
from physnn.samples import files
from physnn.samples.files import merge
from physnn.samples.sample import work
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.parts import Parts, read_part, write_part

SECOND = 1.0
SLEEPERS = 20
"""Tasks of a second."""
IDLERS = 400
"""Tasks that do nothing."""
L, SWEEPS, CHAINS = 64, 200_000, 12
"""Chains of some seconds each, so that the start-up of workers, which scatters by a second, does not decide."""


@dataclass(frozen=True)
class Task:
    """A task that sleeps."""

    key: str
    cost: float = 1.0


def sleep(task: Task, path: Path, context: Mapping[str, Any]) -> None:
    """Sleep, and leave when that began and ended."""
    began = time.time()
    time.sleep(float(context["seconds"]))
    write_part(path, {"began": np.array(began), "ended": np.array(time.time())})


def span(parts: Parts) -> tuple[float, float]:
    """Return when the first task began, and when the last part was there."""
    files = list(parts.folder.glob("*.h5"))
    return min(float(read_part(f)["began"]) for f in files), max(f.stat().st_mtime for f in files)


def overhead(engine: str, seconds: float, count: int, jobs: int = 2) -> dict[str, float]:
    """Run tasks that sleep; return start-up and what a task costs besides its sleep, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        parts = Parts(Path(folder) / "s.h5")
        parts.begin({})
        tasks = [Task(f"{k:05d}") for k in range(count)]
        began = time.time()
        run_tasks(tasks, sleep, {"seconds": seconds}, parts, jobs, engine=parse_engine(engine))
        ended = time.time()
        first, last = span(parts)
    return {
        "startup": first - began,
        "per_task": (last - first) * jobs / count - seconds,
        "overhead": (last - first) / (seconds * count / jobs) - 1 if seconds else float("nan"),
        "stop": ended - last,
    }


def chains(jobs: int, count: int) -> dict[str, float]:
    """Run chains of a lattice model, compiled before; return the seconds that it takes, start-up included."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "s.h5"
        settings = {"L": (L,), "T": [2.2, 2.3], "sweeps": SWEEPS, "chains": count // 2, "algorithm": "metropolis"}
        recipe = api.recipe("temperature", out, **settings)
        sample = TemperatureSample(recipe)
        work(sample.tasks()[0], Path(folder) / "warm.h5", {"sample": sample})
        start = time.time()
        files.run(recipe, out, jobs=jobs)
        return {"jobs": jobs, "chains": count, "all": time.time() - start}


def assembling(count: int) -> dict[str, float]:
    """Put so many parts together, in a process of its own; seconds for each step, and memory in MB."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_assemble, (count,))


def _assemble(count: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "s.h5"
        sizes = {"L": tuple(range(8, 28, 2)), "T": [2.2 + 0.01 * k for k in range(10)]}
        recipe = api.recipe("temperature", out, **sizes, chains=count // 100, sweeps=20, algorithm="metropolis")
        parts, kept = Parts(out), {}
        parts.begin(recipe.canonical())
        sample = TemperatureSample(recipe)
        for task in sample.tasks():
            path = parts.path(task.key)
            if task.size not in kept:
                work(task, path, {"sample": sample})
                kept[task.size] = path.read_bytes()
            path.write_bytes(kept[task.size])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, used = time.perf_counter(), time.process_time()
        merge(out)
        elapsed = time.perf_counter() - began
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "parts": count,
            "seconds": elapsed,
            "cpu_seconds": time.process_time() - used,
            "more_megabytes": (after - before) / 1e3,
            "file_megabytes": out.stat().st_size / 1e6,
        }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--only", nargs="*", default=["scaling", "overhead", "parts"])
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    found: dict[str, Any] = {}
    if "scaling" in arguments.only:
        one, two, double = chains(1, CHAINS), chains(2, CHAINS), chains(2, 2 * CHAINS)
        # The same run with half the chains tells start-up and work apart.
        half = chains(2, CHAINS // 2)
        rate = (two["all"] - half["all"]) / (CHAINS / 2)
        single = (one["all"] - chains(1, CHAINS // 2)["all"]) / (CHAINS / 2)
        found["scaling"] = {
            "seconds_per_chain": {"1 worker": single, "2 workers": rate},
            "strong": {"start-up apart": single / rate, "all": one["all"] / two["all"]},
            "weak": {"all": one["all"] / double["all"]},
            "runs": [one, two, double],
        }
    if "overhead" in arguments.only:
        found["one second"] = {engine: overhead(engine, SECOND, SLEEPERS) for engine in ("process", "dask")}
        found["nothing"] = {engine: overhead(engine, 0.0, IDLERS) for engine in ("process", "dask")}
    if "parts" in arguments.only:
        found["assembling"] = [assembling(count) for count in arguments.parts]
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text)


if __name__ == "__main__":
    main()
