"""What domains are written into: the coupling, step and two states of a trained network, or of a known coupling."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from physnn.bundled import resolve
from physnn.errors import InputError
from physnn.models.vectors import VectorModel
from physnn.samples.named import Words, identity, load_model
from physnn.samples.noise.recipe import bundled_names
from physnn.store.network_file import read_networks

IMAGES_FOR_PERIOD = 8
"""Images that show the period of a network whose file does not have it."""
STEP = 0.16
"""Default step for a known coupling, over the largest eigenvalue of J: as when an order is looked for."""
RELAXED = 8.0
"""Default time in which its walls form, in the same units."""


@dataclass(frozen=True, eq=False)
class Medium:
    """Something with two states.

    Attributes
    ----------
    model : VectorModel
        Coupling, constant and boundary.
    gamma : float
        Step size.
    lifts : ndarray, shape (2, N)
        What foreground and background are lifted to.
    steps, side : int or None
        Depth and side of the training, if there was one.
    """

    model: VectorModel
    gamma: float
    lifts: np.ndarray
    steps: int
    side: int | None


def split(name: str) -> tuple[str, int | None]:
    """Return file and seed of FILE or FILE/SEED."""
    head, _, tail = name.rpartition("/")
    return (head, int(tail)) if tail.isdigit() and head and not Path(name).exists() else (name, None)


def absolute(networks: Sequence[str]) -> Words:
    """Return network files by absolute path, bundled names as they are, so that a recipe works from any folder."""
    parts = [split(str(name)) for name in networks]
    return tuple(bundled_names([file])[0] + ("" if seed is None else f"/{seed}") for file, seed in parts)


def places(networks: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Return file and number in it of every network, by identity."""
    found: dict[str, tuple[str, int]] = {}
    for name in networks:
        path, seed = split(name)
        file = read_networks(resolve(path))
        if seed is not None and seed not in file.seeds:
            raise InputError(f"{name}: the seeds in this file are {', '.join(map(str, file.seeds))}")
        for k, own in enumerate(file.seeds):
            if seed in (None, own):
                found.setdefault(file.ids[k], (str(resolve(path)), k))
    return found


@functools.lru_cache(maxsize=4)
def network_medium(path: str, k: int) -> Medium:
    """Return a network of a file as a medium; kept for the next task."""
    from physnn.networks.kuramoto.lattice import lattice_model

    file = read_networks(path)
    return Medium(*lattice_model(path, k), int(file.recipe["steps"]), int(file.recipe["L"]))


@functools.lru_cache(maxsize=4)
def coupling_medium(words: Words, gamma: float | None) -> Medium:
    """Return a known coupling as a medium: its two states begin uniform, along the largest mode of J at k = 0."""
    model = load_model(words)
    vectors = np.linalg.eigh(model.spectrum((1, 1))[0, 0].real)[1]
    largest = float(np.abs(np.linalg.eigvalsh(model.spectrum((16, 16)))).max()) or 1.0
    step = gamma or float(f"{STEP / largest:.3g}")
    v = vectors[:, -1] * (1 if vectors[np.argmax(np.abs(vectors[:, -1])), -1] > 0 else -1)
    return Medium(model, step, np.stack([v, -v]), max(1, round(RELAXED / largest / step)), None)


def coupling_id(words: Words) -> str:
    """Return the content identity of a known coupling."""
    return identity(load_model(words))


def common_period(networks: Sequence[str]) -> int:
    """Return the number of steps after which all networks are where they were; those that never are do not count."""
    from physnn.samples.diagnosis import diagnose, stored_diagnosis

    files = dict.fromkeys(split(name)[0] for name in networks)
    found = [d for name in files for d in (stored_diagnosis(name) or diagnose(name, images=IMAGES_FOR_PERIOD))]
    return math.lcm(*(d.period for d in found if d.period))
