"""Speed of chains and trainings of wave functions on one core, as ratios against NetKet in its own environment."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
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
    theirs = peer_seconds(missing)
    ratios = {}
    with single_blas_thread():
        for k, case in enumerate(WAVE_CASES):
            progress(k, len(WAVE_CASES), case["name"])
            for name, seconds in _ours(case).items():
                unit, scale = ("ns", 1e9) if name.endswith("proposal") else ("ms", 1e3)
                rows.append({"name": f"ours, {name}", "value": seconds * scale, "unit": unit, "threads": 1})
                if name in theirs:
                    rows.append({"name": f"NetKet, {name}", "value": theirs[name] * scale, "unit": unit, "threads": 1})
                    ratios[f"{name}: NetKet / ours"] = theirs[name] / seconds
    progress(len(WAVE_CASES), len(WAVE_CASES), "")
    first = _first_result()
    rows.append({"name": "ours, cold command, first result", "value": first, "unit": "s", "threads": 1})
    if "first" in theirs:
        rows.append({"name": "NetKet, cold, first result", "value": theirs["first"], "unit": "s", "threads": 1})
        ratios["cold: NetKet / ours"] = theirs["first"] / first
    return report(rows, ratios, missing)


def _ours(case: dict[str, Any]) -> dict[str, float]:
    """Seconds of a proposal and of an iteration."""
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

    found = {}
    if case["proposals"]:
        found["proposal"] = fastest(lambda: walkers.walk(N), ROUNDS_OF_OURS) / (STEP_SAMPLES * N)
    found["iteration"] = fastest(iterate, ROUNDS_OF_OURS)
    return {f"{case['name']}: {name}": seconds for name, seconds in found.items()}


def peer_seconds(missing: list[str]) -> dict[str, float]:
    """Seconds that NetKet takes, by name; none, and its name in ``missing``, where there is no NetKet."""
    python = os.environ.get(PEER_VARIABLE) or (sys.executable if importlib.util.find_spec("netket") else "")
    if not python:
        missing.append(NETKET)
        return {}
    command = [python, str(Path(netket_peer.__file__)), json.dumps(WAVE_CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  (its own program)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        missing.append(f"{NETKET}: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no answer'}")
    found: dict[str, float] = json.loads(lines[-1]) if lines else {}
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


def _first_result() -> float:
    """CPU seconds of a new process until its first step is made."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    runs = []
    for _ in range(3):
        words = [sys.executable, "-c", COLD]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=environment)  # noqa: S603  (its own)
        runs.append(float(done.stdout))
    return min(runs)
