"""Diagnosing trained networks: measuring them, and saying what they are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.diagnosis import Diagnosis, spectrum
from physnn.bundled import resolve
from physnn.errors import InputError
from physnn.networks.device import set_threads
from physnn.networks.diagnose import measure_damage, measure_depths, measure_walls
from physnn.networks.kuramoto import Architecture, KuramotoNetwork
from physnn.networks.tasks import Transmogrifier
from physnn.store.network_file import WEIGHTS, network_id, read_networks
from physnn.sweeps.run import Progress, silent

WINDOWS = 6
"""Windows of steps that noise is let into, one after the other."""
ETA = 0.02
"""Noise of these windows, Langevin convention: small, so that shares hardly depend on it."""


def diagnose(
    networks: str | Path,
    *,
    images: int = 32,
    L: int | None = None,
    eta: float = ETA,
    noise_steps: tuple[int, int] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Diagnosis, ...]:
    """Diagnose the networks of a file.

    Parameters
    ----------
    networks : path or str
        Network file, or the name of a bundled one.
    images, L : int
        Fresh images shown, and their side; by default the side of training.
    eta : float
        Noise of the damage profile, Langevin convention.
    noise_steps : (int, int), optional
        Noise acts in the steps A <= t < B instead of in each of six windows in turn.
    seed : int
        Seed of images and noise.
    progress : callable, optional
        Called with (done, total, text).

    Returns
    -------
    tuple of Diagnosis
        One per network.

    Raises
    ------
    InputError
        If the file or a setting is not usable.
    """
    path = resolve(str(networks))
    file = read_networks(path)
    found = []
    for k, file_seed in enumerate(file.seeds):
        weights = {name: values[k] for name, values in file.weights.items()}
        name = f"{path.stem}/{file_seed}"
        settings: dict[str, Any] = {"images": images, "L": L, "eta": eta, "noise_steps": noise_steps, "seed": seed}
        found.append(diagnose_weights(name, file.architecture, weights, file.recipe, **settings))
        progress(k + 1, len(file.seeds), name)
    return tuple(found)


def diagnose_weights(
    name: str,
    architecture: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    recipe: Mapping[str, Any],
    *,
    images: int = 32,
    L: int | None = None,
    eta: float = ETA,
    noise_steps: tuple[int, int] | None = None,
    seed: int = 0,
) -> Diagnosis:
    """Diagnose one network from its weights and the recipe it was trained by; settings as in `diagnose`."""
    weights = {key: values for key, values in weights.items() if key in WEIGHTS}
    steps, side = int(recipe["steps"]), L or int(recipe["L"])
    if images < 1 or eta < 0:
        raise InputError(f"a diagnosis needs at least one image and eta >= 0, not {images} and {eta}")
    windows = [noise_steps] if noise_steps else _windows(steps)
    if any(not 0 <= first < last <= steps for first, last in windows):
        raise InputError(f"noise steps A:B need 0 <= A < B <= {steps}, the network's depth, not {noise_steps}")
    network = KuramotoNetwork(Architecture(**architecture), dict(weights)).requires_grad_(False)
    task, identity = Transmogrifier(side, recipe["density"], int(recipe["radius"])), network_id(architecture, weights)
    drawn = [task.pair(rng.stream(seed, "image", identity, recipe["density"], side, k)) for k in range(images)]
    inputs, targets = np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
    keys = np.stack([rng.counter_key(seed, "noise", identity, k) for k in range(images)])
    before = set_threads(1)
    try:
        measured = measure_depths(network, inputs, targets, steps) | measure_walls(network, side, steps)
        measured |= measure_damage(network, inputs, keys, steps, eta, windows)
    finally:
        set_threads(before)
    return _diagnosis(name, network, weights, recipe, side, measured)


def stored_diagnosis(networks: str | Path) -> tuple[Diagnosis, ...]:
    """Return the diagnosis that a training left in a network file; none if it is older."""
    path = resolve(str(networks))
    file = read_networks(path)
    found = []
    for k, seed in enumerate(file.seeds if file.measured else ()):
        weights = {name: values[k] for name, values in file.weights.items()}
        network = KuramotoNetwork(Architecture(**file.architecture), weights).requires_grad_(False)
        measured = {name: values[k] for name, values in file.measured.items()}
        name = f"{path.stem}/{seed}"
        found.append(_diagnosis(name, network, weights, file.recipe, int(file.recipe["L"]), measured))
    return tuple(found)


def _diagnosis(
    name: str,
    network: KuramotoNetwork,
    weights: Mapping[str, np.ndarray],
    recipe: Mapping[str, Any],
    side: int,
    measured: Mapping[str, np.ndarray],
) -> Diagnosis:
    J = network.symmetric_coupling().numpy()
    c = float(np.linalg.norm(weights["bias"])) if network.architecture.broken else 0.0
    family, gamma = str(recipe.get("family", "paper")), network.architecture.gamma
    return Diagnosis(name, family, gamma, int(recipe["steps"]), c, spectrum(J, weights["lift"], side), measured)


def _windows(steps: int) -> list[tuple[int, int]]:
    edges = np.unique(np.linspace(0, steps, min(WINDOWS, steps) + 1).round().astype(int)).tolist()
    return list(pairwise(edges))
