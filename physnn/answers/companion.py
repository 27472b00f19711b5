"""The memory sweep that goes with a noise sweep of networks, and what both say together."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.memory.contrast import at_time
from physnn.analysis.memory.forgetting import Forgetting, order_threshold, task_threshold
from physnn.answers.memory import names
from physnn.bundled import resolve
from physnn.errors import InputError
from physnn.samples.base import validated
from physnn.samples.memory.recipe import MemorySweep
from physnn.samples.memory.work import NOISELESS
from physnn.samples.noise.recipe import NoiseSweep, noise_values
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import SweepFile

ETA = (0.1, 0.8, 8)
"""Noise values of the companion (low, high, number)."""
LEAST = 4
"""The smallest side that holds a domain."""
REPLICAS, LONGEST = 4, 512
"""Its replicas and steps: about as much work as the default noise sweep."""


def companion_settings(recipe: NoiseSweep) -> dict[str, Any] | None:
    """Return settings of the memory sweep of the same networks, at the same sizes and half the smallest.

    None for networks of users, whose lift and states are their own, and for lattices that are too small.
    """
    if recipe.module:
        return None
    sizes = {L for L in recipe.L if L >= LEAST}
    half = min(recipe.L) // 2
    sizes |= {half + half % 2} if half >= LEAST else set()
    if not sizes:
        return None
    assert recipe.steps is not None
    side = min(int(read_networks(resolve(name)).recipe["L"]) for name in recipe.networks)
    longest = max(LONGEST, math.ceil(recipe.steps * max(sizes) / side))
    return {
        "L": tuple(sorted(sizes)),
        "eta": tuple(noise_values(*ETA)),
        "networks": recipe.networks,
        "network_ids": recipe.network_ids,
        "replicas": REPLICAS,
        "steps": recipe.steps,
        "longest": longest,
        "seed": recipe.seed,
    }


def companion_path(out: Path) -> Path:
    """Return where the companion of a noise sweep lies."""
    return out.with_name(f"{out.stem}-memory{out.suffix}")


def forgetting(task: SweepFile, memory: SweepFile) -> tuple[int, list[Forgetting]]:
    """Return the largest size that both sweeps have, and the thresholds of every network there.

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
