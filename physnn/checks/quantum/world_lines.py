"""Speed of world lines of quantum Ising spins, as ratios against array operations and the package ALPS."""

from __future__ import annotations

import functools
import importlib.util
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from physnn import rng
from physnn.checks.bench import Case, report, timed
from physnn.jobs.run import Progress, silent
from physnn.models.quantum import QuantumModel
from physnn.samplers.quantum.world_lines import WorldLines, lines_begin, move_lines

BY_ARRAYS = "numpy and scipy"
"""Name of the rows whose updates are array operations."""
AT_CRITICALITY = (((64,), 1.0, 64.0), ((12, 12), 3.044, 6.0))
"""Sides, field and inverse temperature: lattices at their critical points."""
OF_ALPS = {"LATTICE": "chain lattice", "MODEL": "spin", "local_S": 0.5, "Jxy": 0, "ALGORITHM": "loop"}
"""What ALPS is told besides sizes; its spins are S = sigma / 2."""


def plain_update(model: QuantumModel, beta: float, state: WorldLines, generator: np.random.Generator) -> None:
    """Update all clusters of world lines in place, as `physnn.kernels.quantum.world_lines` does, by array operations.

    Lines lie one behind the other: site i has the times from ``i beta`` to ``(i + 1) beta``.
    """
    N, bonds = model.N, model.terms.bonds
    site = np.repeat(np.arange(N), np.diff(state.offsets))
    begins, kinks = beta * np.arange(N), state.kinks[: len(site)] + beta * site
    cuts = beta * N * generator.random(generator.poisson(beta * N * model.h))
    starts = np.concatenate([begins, kinks, cuts])
    order = np.argsort(starts)
    turns = np.zeros(len(starts), bool)
    turns[N : N + len(kinks)] = True
    starts, turns = starts[order], turns[order]
    first = np.searchsorted(starts, begins)
    last = np.append(first[1:], len(starts)) - 1
    line = np.repeat(np.arange(N), last - first + 1)
    spin = state.spins[line] * (1 - 2 * (np.cumsum(turns) % 2))
    bond = generator.integers(len(bonds), size=generator.poisson(2 * beta * len(bonds)))
    t = beta * generator.random(len(bond))
    one, other = (np.searchsorted(starts, beta * bonds[bond, k] + t, "right") - 1 for k in (0, 1))
    alike = spin[one] == spin[other]
    ends = np.concatenate([one[alike], first]), np.concatenate([other[alike], last])
    joined = coo_array((np.ones(len(ends[0]), bool), ends), (len(starts), len(starts)))
    count, label = connected_components(joined, directed=False)
    spin = spin * (1 - 2 * generator.integers(2, size=count))[label]
    kept = np.flatnonzero((spin[1:] != spin[:-1]) & (line[1:] == line[:-1])) + 1
    state.spins = spin[first].astype(np.int8)
    state.offsets = np.searchsorted(line[kept], np.arange(N + 1))
    state.kinks = starts[kept] - beta * line[kept]


def bench_world_lines(progress: Progress = silent) -> dict[str, Any]:
    """Nanoseconds of an update of all clusters per site and unit of imaginary time (1/J), on one thread.

    Ours measures after every update, as ALPS does; array operations measure nothing.  See
    `physnn.checks.bench.report`; ratios are times of the others over ours.
    """
    spec = importlib.util.find_spec("pyalps")
    loop = Path(spec.origin).parent / "bin" / "loop" if spec and spec.origin else None
    groups = [_cases(model, beta, loop) for model, beta in _models()]
    rows = timed([case for group in groups for case in group], progress)
    ratios: dict[str, float] = {}
    k = 0
    for group in groups:
        ours, others = rows[k], rows[k + 1 : k + len(group)]
        ratios |= {f"{row['name']} / world lines": row["value"] / ours["value"] for row in others}
        k += len(group)
    return report(rows, ratios, [] if loop else ["pyalps"])


def _models() -> list[tuple[QuantumModel, float]]:
    return [(QuantumModel("tfim", sides, h=h), beta) for sides, h, beta in AT_CRITICALITY]


def _cases(model: QuantumModel, beta: float, loop: Path | None) -> list[Case]:
    sequence = rng.seed_sequence(0, "synthetic", "bench", "world lines", str(model.sides))
    ours, plain = lines_begin(model, sequence), lines_begin(model, sequence)
    move_lines(model, beta, ours, 1, 50)
    plain.spins, plain.offsets, plain.kinks = ours.spins.copy(), ours.offsets.copy(), ours.kinks.copy()
    generator, name = rng.generator(rng.child(sequence)), " x ".join(map(str, model.sides))

    def updates(n: int) -> None:
        for _ in range(n):
            plain_update(model, beta, plain, generator)

    value, unit = lambda seconds, _: 1e9 * seconds / (model.N * beta), "ns J/site"
    found = [
        Case(f"world lines, {name}", unit, lambda n: move_lines(model, beta, ours, n), value, clock=time.thread_time),
        Case(f"{BY_ARRAYS}, {name}", unit, updates, value, clock=time.thread_time),
    ]
    if loop:
        run = functools.partial(_alps, loop, model, beta)
        found.append(Case(f"ALPS loop, {name}", unit, run, value, pieces=1000, rounds=3, clock=_children_time))
    return found


def _children_time() -> float:
    import resource  # which Windows does not have

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _alps(loop: Path, model: QuantumModel, beta: float, sweeps: int) -> None:
    """Run the loop algorithm of ALPS, in a folder that is removed."""
    told: dict[str, object] = OF_ALPS | {"Jz": -4, "Gamma": 2 * model.h, "T": 1 / beta, "L": model.sides[0]}
    told |= {"LATTICE": "square lattice", "W": model.sides[1]} if len(model.sides) == 2 else {}
    told |= {f"{kind}_LIBRARY": loop.parent.parent / "xml" / f"{kind.lower()}s.xml" for kind in ("LATTICE", "MODEL")}
    told |= {"SWEEPS": sweeps, "THERMALIZATION": 50, "SEED": 7}
    parameters = "\n".join(f'<PARAMETER name="{name}">{value}</PARAMETER>' for name, value in told.items())
    space = (
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="http://xml.comp-phys.org'
    )
    job = (
        f'<JOB {space}/2003/8/job.xsd">\n<OUTPUT file="job.out.xml"/>\n<TASK status="new">'
        '<INPUT file="job.task1.in.xml"/><OUTPUT file="job.task1.out.xml"/></TASK>\n</JOB>\n'
    )
    task = f'<SIMULATION {space}/2002/10/ALPS.xsd">\n<PARAMETERS>\n{parameters}\n</PARAMETERS>\n</SIMULATION>\n'
    head = '<?xml version="1.0" encoding="UTF-8"?>\n<?xml-stylesheet type="text/xsl" href="ALPS.xsl"?>\n'
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "job.in.xml").write_text(head + job)
        Path(folder, "job.task1.in.xml").write_text(head + task)
        own = os.environ | {"OMP_NUM_THREADS": "1"}
        words = [str(loop), "job.in.xml"]  # of a package that is installed here
        subprocess.run(words, cwd=folder, env=own, check=True, capture_output=True)  # noqa: S603
