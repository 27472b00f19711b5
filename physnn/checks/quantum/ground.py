"""Speed of chains and trainings of wave functions on one core, as ratios against NetKet in its own environment."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from physnn import rng
from physnn.checks.bench import TimedRow, report
from physnn.checks.quantum import netket_peer
from physnn.checks.quantum.netket_peer import fastest
from physnn.jobs.run import Progress, silent
from physnn.machine import single_blas_thread
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.reconfiguration import StepRule, sampled_step
from physnn.networks.quantum.walkers import Walkers, WaveTables
from physnn.networks.quantum.wave import untrained_wave

NETKET = "NetKet (pip install netket==3.23.0 in an environment of its own, and name its python in PHYSNN_NETKET)"
PEER_VARIABLE = "PHYSNN_NETKET"
"""Variable with the python of an environment that has NetKet; without it this one is asked."""
STEP_SAMPLES = 512
"""Samples of an iteration."""
ROUNDS_OF_OURS = 30
"""Timed calls, of which the fastest counts."""
COLD_RUNS = 3
"""New processes, of which the fastest counts."""
PairDone = Callable[[str], None]
"""Function that is called before a piece of work, with its name."""
WAVE_CASES: tuple[dict[str, Any], ...] = tuple(
    {"name": name, "model": model, "N": N, "symmetric": symmetric, "alpha": alpha, "samples": STEP_SAMPLES}
    | {"proposals": proposals, "iteration": True}
    for name, model, N, symmetric, alpha, proposals in (
        ("N = 16, full", "tfim", 16, False, 1, True),
        ("N = 40, full", "tfim", 40, False, 1, True),
        ("N = 40, symmetric", "tfim", 40, True, 4, True),
        ("N = 16, symmetric", "tfim", 16, True, 4, False),
        ("N = 40, exchanges", "heisenberg", 40, True, 4, True),
    )
)
"""Machines that are timed: of chains, with alpha hidden units over sites or alpha features."""


def bench_ground(progress: Progress = silent) -> dict[str, Any]:
    """CPU seconds of a proposal, and of an iteration: samples, local energies and a step, on one thread.

    Chains are as many as there are samples, with N proposals between samples; NetKet has its best number of chains and
    the best of four settings.  Both have float32 weights without biases.  See `physnn.checks.bench.report`.
    """
    rows: list[TimedRow] = []
    missing: list[str] = []
    ours = sum(1 + case["proposals"] for case in WAVE_CASES)
    total, done = len(WAVE_CASES) + ours + COLD_RUNS, 0

    def step(text: str) -> None:
        nonlocal done
        progress(done, total, text)
        done += 1

    theirs = peer_seconds(missing, step)
    done = len(WAVE_CASES)
    ratios = {}
    with single_blas_thread():
        for case in WAVE_CASES:
            for name, seconds in _ours(case, step):
                unit, scale = ("ns", 1e9) if name.endswith("proposal") else ("ms", 1e3)
                rows.append({"name": f"ours, {name}", "value": seconds * scale, "unit": unit, "threads": 1})
                if name in theirs:
                    rows.append({"name": f"NetKet, {name}", "value": theirs[name] * scale, "unit": unit, "threads": 1})
                    ratios[f"{name}: NetKet / ours"] = theirs[name] / seconds
    first = _first_result(step)
    progress(total, total, "")
    rows.append({"name": "ours, cold command, first result", "value": first, "unit": "s", "threads": 1})
    if "first" in theirs:
        rows.append({"name": "NetKet, cold, first result", "value": theirs["first"], "unit": "s", "threads": 1})
        ratios["cold: NetKet / ours"] = theirs["first"] / first
    return report(rows, ratios, missing)


def _ours(case: dict[str, Any], step: PairDone) -> Iterator[tuple[str, float]]:
    """Seconds of a proposal and of an iteration, by name."""
    N = case["N"]
    model = (
        QuantumModel("heisenberg", (N,), marshall=True)
        if case["model"] == "heisenberg"
        else QuantumModel("tfim", (N,), h=1.0)
    )
    symmetry = "translations" if case["symmetric"] else "none"
    machine = untrained_wave((N,), case["alpha"], symmetry, rng.seed_sequence(0, "synthetic", "bench", "wave"))
    walkers = Walkers.begin(model, STEP_SAMPLES, rng.seed_sequence(0, "synthetic", "bench", "walkers"))
    walkers.settle(WaveTables.of(machine, walkers.moves))

    def iterate() -> None:
        nonlocal machine
        _, machine = sampled_step(machine, walkers, StepRule(0.01, 0.01))

    if case["proposals"]:
        step(f"{case['name']}: proposal")
        yield f"{case['name']}: proposal", fastest(lambda: walkers.walk(N), ROUNDS_OF_OURS) / (STEP_SAMPLES * N)
    step(f"{case['name']}: iteration")
    yield f"{case['name']}: iteration", fastest(iterate, ROUNDS_OF_OURS)


def peer_seconds(missing: list[str], step: PairDone) -> dict[str, float]:
    """Seconds that NetKet takes, by name; none, and its name in ``missing``, where there is no NetKet.

    It prints what it has after every case, and ``step`` is called before each.
    """
    python = os.environ.get(PEER_VARIABLE) or (sys.executable if importlib.util.find_spec("netket") else "")
    if not python:
        missing.append(NETKET)
        return {}
    command = [python, str(Path(netket_peer.__file__)), json.dumps(WAVE_CASES)]
    found: dict[str, float] = {}
    with (
        tempfile.TemporaryFile("w+") as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, text=True) as running,  # noqa: S603  (its own)
    ):
        assert running.stdout is not None
        names = iter(case["name"] for case in WAVE_CASES)
        step(f"NetKet, {next(names)}")
        for line in running.stdout:
            if line.startswith("{"):
                found = json.loads(line)
                if name := next(names, ""):
                    step(f"NetKet, {name}")
        if running.wait() or not found:
            said.seek(0)
            missing.append(f"{NETKET}: {(said.read().strip().splitlines() or ['no answer'])[-1]}")
    return found


COLD = """
import time
from physnn import rng
from physnn.models.quantum import QuantumModel
from physnn.networks.quantum.stages import GroundTraining, StageRule
from physnn.networks.quantum.wave import untrained_wave
machine = untrained_wave((16,), 1, "none", rng.seed_sequence(0, "synthetic"))
model, seeds = QuantumModel("tfim", (16,), h=1.0), rng.seed_sequence(0, "synthetic")
training = GroundTraining.begin(model, machine, StageRule(1, 512, 1, 0.01, 0.01), seeds, False)
training.train(1)
print(time.process_time())
"""
"""Program that imports, makes one step, and prints its CPU time: compiled code is kept from runs before."""


def _first_result(step: PairDone) -> float:
    """CPU seconds of a new process until its first step is made."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    runs = []
    for _ in range(COLD_RUNS):
        step("cold command")
        words = [sys.executable, "-c", COLD]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)  # noqa: S603  (its own)
        runs.append(float(done.stdout))
    return min(runs)
