"""Answers of memory sweeps: lifetimes, m after times that grow with L, and the noise at which networks forget."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.memory.contrast import Memories, MemoryAnswer, at_time, domain_lifetimes
from physnn.analysis.memory.forgetting import Forgetting, order_threshold, task_threshold
from physnn.errors import InputError
from physnn.samples.base import validated
from physnn.samples.memory.recipe import MemorySweep
from physnn.samples.memory.work import NOISELESS
from physnn.samples.noise.recipe import NoiseSweep, noise_values
from physnn.shipped import resolve
from physnn.store.hdf5 import Variable
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import SweepFile


def memory_of(sweep: SweepFile) -> MemoryAnswer | None:
    """Lifetimes of domains and their growth with L, from a memory sweep; None for other sweeps."""
    if sweep.recipe.get("kind") != "memory" or not sweep.sizes:
        return None
    group = next(iter(sweep.sizes.values()))
    return domain_lifetimes(
        group["eta"].values.tolist(), names(group["network"]), group["gamma"].values.tolist(), memories(sweep)
    )


def names(variable: Variable) -> list[str]:
    """Names that a variable of a file holds."""
    return [v.decode() if isinstance(v, bytes) else str(v) for v in variable.values.tolist()]


def memories(sweep: SweepFile) -> dict[int, Memories]:
    """Measurements of a memory sweep by L."""
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
    """Memory sweep whose ``memory`` is m at t = steps (L / side)^scaling, steps those of the recipe if None.

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


def memory_curve_rows(sweep: SweepFile) -> list[tuple[int, float, int, float, float]]:
    """Rows (L, eta, t in steps, m, error) over all networks and replicas, t > 0, for a dynamic fit.

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


COMPANION_ETA = (0.1, 0.8, 8)
"""Noise values of the companion (low, high, number): the range over which the bundled networks forget."""
LEAST_DOMAIN = 4
"""Least side that holds a domain, in sites."""
COMPANION_REPLICAS = 4
"""Replicas of the companion; with `COMPANION_STEPS` about as much work as the default noise sweep."""
COMPANION_STEPS = 512
"""Steps of the companion, or more where the largest lattice needs them."""
COMPANION_FEWEST = 2
"""Its replicas where images are few: one that begins with each of the two states, or a preference looks like a loss."""


def companion_settings(recipe: NoiseSweep) -> dict[str, Any] | None:
    """Settings of the memory sweep of the same networks, at the same sizes and half the smallest.

    With fewer images than a noise sweep has by default it has `COMPANION_FEWEST` replicas.  None for networks of
    users, whose lift and states are their own, and for lattices that are too small.
    """
    if recipe.module:
        return None
    sizes = {L for L in recipe.L if L >= LEAST_DOMAIN}
    half = min(recipe.L) // 2
    sizes |= {half + half % 2} if half >= LEAST_DOMAIN else set()
    if not sizes:
        return None
    assert recipe.steps is not None
    few = recipe.images < NoiseSweep.model_fields["images"].default
    side = min(int(read_networks(resolve(name)).recipe["L"]) for name in recipe.networks)
    longest = max(COMPANION_STEPS, math.ceil(recipe.steps * max(sizes) / side))
    return {
        "L": tuple(sorted(sizes)),
        "eta": tuple(noise_values(*COMPANION_ETA)),
        "networks": recipe.networks,
        "network_ids": recipe.network_ids,
        "replicas": COMPANION_FEWEST if few else COMPANION_REPLICAS,
        "steps": recipe.steps,
        "longest": longest,
        "seed": recipe.seed,
    }


def companion_path(out: Path) -> Path:
    """Path of the companion of a noise sweep."""
    return out.with_name(f"{out.stem}-memory{out.suffix}")


def forgetting(task: SweepFile, memory: SweepFile) -> tuple[int, list[Forgetting]]:
    """Largest size that both sweeps have, and the noise thresholds of every network there.

    Raises
    ------
    InputError
        If they share no size or no network, or are sweeps of other kinds.
    """
    if task.recipe.get("kind") != "noise" or memory.recipe.get("kind") != "memory":
        raise InputError("when a network forgets is told by a noise sweep and a memory sweep of it")
    common = sorted(set(task.sizes) & set(memory.sizes))
    if not common:
        raise InputError("the noise sweep and the memory sweep have no size in common")
    L = common[-1]
    one, other = task.sizes[L], memory.sizes[L]
    if len(one["eta"].values) < 2:
        raise InputError("one noise value alone does not show where the task is lost")
    ids, known = (names(group["network"]) for group in (one, other))
    eta = np.asarray(one["eta"].values, float)
    squared = (one["se_near"].values + one["se_far"].values) / L**2
    foreground, m = one["target_sq"].values / L**2, other["memory"].values
    t = validated(MemorySweep, memory.recipe).time(L)
    noiseless = np.mean([at_time(other["time"].values, other[name].values, t) for name in NOISELESS], axis=0)
    found = []
    for n, name in enumerate(ids):
        if name not in known:
            continue
        generator = rng.stream(0, "bootstrap", "forgetting", name)
        at = known.index(name)
        order = order_threshold(np.asarray(other["eta"].values, float), m[:, at], float(noiseless[at]), generator)
        found.append(Forgetting(name, task_threshold(eta, squared[:, n], foreground[n], generator), order))
    if not found:
        raise InputError("the noise sweep and the memory sweep have no network in common")
    return L, found
