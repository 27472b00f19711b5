"""What the file of a memory sweep says: the answer, and m after times that grow with L."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from physnn.analysis.memory.contrast import Memories, MemoryAnswer, at_time, memory_answer
from physnn.errors import InputError
from physnn.samples.memory.work import NOISELESS
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import SweepFile


def memory_of(sweep: SweepFile) -> MemoryAnswer | None:
    """Return how long domains last, from a memory sweep; None for other sweeps."""
    if sweep.recipe.get("kind") != "memory" or not sweep.sizes:
        return None
    group = next(iter(sweep.sizes.values()))
    return memory_answer(
        group["eta"].values.tolist(), names(group["network"]), group["gamma"].values.tolist(), memories(sweep)
    )


def names(variable: Variable) -> list[str]:
    """Return the names that a variable of a file holds."""
    return [v.decode() if isinstance(v, bytes) else str(v) for v in variable.values.tolist()]


def memories(sweep: SweepFile) -> dict[int, Memories]:
    """Return what a memory sweep measured, by L."""
    return {
        L: Memories(
            group["time"].values,
            group["memory_curve"].values,
            np.stack([group[name].values for name in NOISELESS], axis=1),
            group["written"].values,
            group["preference"].values,
            group["roughness"].values if "roughness" in group else None,
        )
        for L, group in sweep.sizes.items()
    }


def after(sweep: SweepFile, scaling: float, steps: float | None = None) -> SweepFile:
    """Return a memory sweep whose ``memory`` is m at t = steps (L / side)^scaling, steps those of the recipe if None.

    Raises
    ------
    InputError
        If runs ended before at the largest size.
    """
    c, side = steps or float(sweep.recipe["steps"]), float(sweep.recipe["side"])
    sizes = {}
    for L, group in sweep.sizes.items():
        t, times = c * (L / side) ** scaling, group["time"].values
        if t > times[-1]:
            raise InputError(f"at L = {L} that is after {t:.4g} steps, and runs have {times[-1]}: take --longest more")
        m = replace(group["memory"], values=at_time(times, group["memory_curve"].values, t))
        sizes[L] = group | {"memory": m}
    return replace(sweep, sizes=sizes)


def curve_rows(sweep: SweepFile) -> list[tuple[int, float, int, float, float]]:
    """Return rows (L, eta, t in steps, m, error) over all networks and replicas, t > 0, for a dynamic fit.

    The error is that of the mean over networks, or over replicas where there is one; rows without one are left out.
    """
    rows = []
    for L, one in memories(sweep).items():
        curve = one.curve if one.curve.shape[1] > 1 else one.curve.swapaxes(1, 2)
        draws = curve.mean(2)
        error = draws.std(1, ddof=1) / draws.shape[1] ** 0.5
        for e, eta in enumerate(sweep.sizes[L]["eta"].values.tolist()):
            for t, m, s in zip(one.times[1:].tolist(), draws[e].mean(0)[1:], error[e][1:], strict=True):
                if s > 0:
                    rows.append((L, eta, int(t), float(m), float(s)))
    return rows
