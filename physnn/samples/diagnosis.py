"""Diagnosing trained networks: measuring them, and saying what they are."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.order.diagnosis import Diagnosis
from physnn.analysis.order.spectrum import spectrum
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.networks.brought import BroughtNetwork, probe
from physnn.networks.device import single_thread
from physnn.networks.dynamics import Dynamics
from physnn.networks.kuramoto.architecture import Architecture
from physnn.networks.kuramoto.diagnose import measure_damage, measure_depths, measure_walls
from physnn.networks.kuramoto.network import KuramotoNetwork
from physnn.networks.source import Source, located, module_digest, sources
from physnn.networks.tasks.transmogrifier import Transmogrifier
from physnn.shipped import resolve
from physnn.store.network_file import WEIGHTS, network_id, read_networks

WINDOWS = 6
"""Windows of steps that noise is let into, one after the other."""
ETA = 0.02
"""Noise of these windows, Langevin convention: small, so that shares hardly depend on it."""
BROUGHT_SIDE = 32
"""Side of the images shown to networks that are brought."""


def diagnose(
    networks: str | Path | None = None,
    *,
    module: str | None = None,
    steps: int | None = None,
    images: int = 32,
    L: int | None = None,
    eta: float = ETA,
    noise_steps: tuple[int, int] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Diagnosis, ...]:
    """Diagnose the networks of a file, or networks of a class that is brought.

    Parameters
    ----------
    networks : path or str
        Network file, or the name of a bundled one; with ``module`` a file of weights, or none.
    module : str, optional
        Class of the networks, ``FILE.py:CLASS`` or ``PACKAGE.MODULE:CLASS``, see `physnn.networks.brought`.  Its code
        is run.
    steps : int, optional
        Depth T; by default that of training, or what the class says.
    images, L : int
        Fresh images shown, and their side; by default the side of training, 32 for networks that are brought.
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
        If the file, the class or a setting is not usable.
    """
    settings: dict[str, Any] = {"images": images, "eta": eta, "noise_steps": noise_steps, "seed": seed}
    found = []
    if module is not None:
        place = located(module)
        brought = sources(place, module_digest(place), (str(networks),) if networks else ())
        for k, (identity, source) in enumerate(brought.items()):
            found.append(diagnose_brought(source, identity, L=L or BROUGHT_SIDE, steps=steps, **settings))
            progress(k + 1, len(brought), found[-1].name)
        return tuple(found)
    if networks is None:
        raise InputError("name a network file or a bundled ensemble, or a class with --module")
    path = resolve(str(networks))
    file = read_networks(path)
    recipe = file.recipe | ({"steps": steps} if steps else {})
    for k, file_seed in enumerate(file.seeds):
        weights = {name: values[k] for name, values in file.weights.items()}
        name = f"{path.stem}/{file_seed}"
        found.append(diagnose_weights(name, file.architecture, weights, recipe, L=L, **settings))
        progress(k + 1, len(file.seeds), name)
    return tuple(found)


def diagnose_weights(
    name: str,
    architecture: Mapping[str, Any],
    weights: Mapping[str, np.ndarray],
    recipe: Mapping[str, Any],
    *,
    L: int | None = None,
    **settings: Any,
) -> Diagnosis:
    """Diagnose one network from its weights and the recipe it was trained by; settings as in `diagnose`."""
    weights = {key: values for key, values in weights.items() if key in WEIGHTS}
    steps, side = int(recipe["steps"]), L or int(recipe["L"])
    network = KuramotoNetwork(Architecture(**architecture), dict(weights)).requires_grad_(False)
    if network.layers > steps:
        raise InputError(
            f"a network with {network.layers} layers of its own is diagnosed at its end; leave --steps out"
        )
    network.check_depth(steps)
    task = Transmogrifier(side, recipe["density"], int(recipe["radius"]))
    measured = _measure(network, network_id(architecture, weights), task, steps, **settings)
    return _diagnosis(name, network, weights, recipe, side, measured)


def diagnose_brought(source: Source, identity: str, *, L: int, steps: int | None, **settings: Any) -> Diagnosis:
    """Diagnose one network that was brought; settings as in `diagnose`."""
    facts, network = probe(source, L), BroughtNetwork(source)
    depth = steps or facts.steps
    if depth is None:
        raise InputError(f"{source.module} does not say for which depth it is; give it with --steps")
    measured = _measure(network, identity, Transmogrifier(L), depth, **settings)
    return Diagnosis(network.name, "brought", facts.gamma, depth, None, None, measured, None)


def _measure(
    network: Dynamics,
    identity: str,
    task: Transmogrifier,
    steps: int,
    *,
    images: int = 32,
    eta: float = ETA,
    noise_steps: tuple[int, int] | None = None,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Return everything that is measured of a network, on one thread."""
    if images < 1 or eta < 0:
        raise InputError(f"a diagnosis needs at least one image and eta >= 0, not {images} and {eta}")
    windows = [noise_steps] if noise_steps else _windows(steps)
    if any(not 0 <= first < last <= steps for first, last in windows):
        raise InputError(f"noise steps A:B need 0 <= A < B <= {steps}, the network's depth, not {noise_steps}")
    drawn = [task.pair(rng.stream(seed, "image", identity, task.density, task.L, k)) for k in range(images)]
    inputs, targets = np.stack([d[0] for d in drawn]), np.stack([d[1] for d in drawn])
    keys = np.stack([rng.counter_key(seed, "noise", identity, k) for k in range(images)])
    with single_thread():
        measured = measure_depths(network, inputs, targets, steps) | measure_walls(network, task.L, steps)
        return measured | measure_damage(network, inputs, keys, steps, eta, windows)


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
    shape, lift = network.architecture, weights["lift"]
    if shape.symmetry == "U1":
        lift = network.lift_plane()
    bands = None if shape.layers else spectrum(network.symmetric_coupling().numpy(), lift, side)
    c = float(np.linalg.norm(weights["bias"], axis=-1).max()) if shape.broken else 0.0
    family, steps = str(recipe.get("family", "paper")), int(recipe["steps"])
    return Diagnosis(name, family, shape.gamma, steps, c, bands, measured, shape.symmetry)


def _windows(steps: int) -> list[tuple[int, int]]:
    edges = np.unique(np.linspace(0, steps, min(WINDOWS, steps) + 1).round().astype(int)).tolist()
    return list(pairwise(edges))
