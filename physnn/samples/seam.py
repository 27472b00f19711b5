"""What a seam, a line of bonds turned from J to -J, costs in a model or a trained network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn import rng
from physnn.analysis.order.ground import GroundCost, ground_cost, plane_of
from physnn.analysis.order.seam import SeamCost, seam_cost, stiffness
from physnn.bundled import resolve
from physnn.errors import InputError
from physnn.jobs.run import Progress, silent
from physnn.models.seam import Seam
from physnn.models.vectors import Shape, VectorModel
from physnn.samplers.seam import cooled, sample
from physnn.samples.named import identity, load_model
from physnn.store.commit import commit
from physnn.store.network_file import read_networks

COOLINGS = 2
"""States cooled from random ones, for each search of a ground state."""


@dataclass(frozen=True)
class SeamResult:
    """What a seam costs in one model, at one size, along one axis.

    Attributes
    ----------
    name : str
        The model's, or file and seed of the network.
    L : int
        Side of the lattice.
    bias : float
        |c|: where it is not 0 there is no symmetry x -> -x, and the cost is no wall's.
    ground : GroundCost
        At T = 0.
    thermal : mapping
        Free energy by temperature.
    """

    name: str
    L: int
    bias: float
    ground: GroundCost
    thermal: Mapping[float, SeamCost]

    def to_json(self) -> dict[str, Any]:
        """Return numbers and words as what JSON can hold."""
        g = self.ground
        found = {"name": self.name, "L": self.L, "axis": g.axis, "c": self.bias, "twist": g.twist}
        found["T0"] = {
            "cost": g.cost,
            "sharp": g.sharp,
            "spread": g.spread,
            "energy_periodic": g.periodic.energy,
            "energy_antiperiodic": g.antiperiodic.energy,
            "from": [g.periodic.start, g.antiperiodic.start],
        }
        found["T"] = [
            {"T": T, "cost": c.cost.as_json(), "ratio": c.ratio.as_json(), "tau": c.tau, "overlap": c.overlap}
            for T, c in self.thermal.items()
        ]
        return found


def models_of(networks: str | Path) -> dict[str, VectorModel]:
    """Return the networks of a file, or of a bundled ensemble, as models on a torus, by name.

    A name may end in ``/SEED``; errors are those of `physnn.samples.named.load_model`.
    """
    name = str(networks)
    try:
        seeds = read_networks(resolve(name)).seeds
    except InputError:
        found = [load_model(("network", name))]
    else:
        found = [load_model(("network", f"{name}/{seed}")) for seed in seeds]
    return {model.name: model for model in found}


def measure_seam(
    model: VectorModel,
    L: int,
    axis: int,
    T: Sequence[float] = (),
    *,
    twist: bool = False,
    measurements: int = 4000,
    interval: int = 2,
    seed: int = 0,
) -> SeamResult:
    """Return what a seam costs at T = 0 and at some temperatures.

    Parameters
    ----------
    model : VectorModel
        Periodic.
    L, axis : int
        Side of the lattice; 0: the seam lies between two rows, 1: between two columns.
    T : sequence of float
        Temperatures, in units of the coupling.
    twist : bool
        Whether both boundaries get the twist of least energy first, see `physnn.analysis.order.ground.ground_cost`.
    measurements, interval : int
        See `physnn.samplers.seam.sample`.
    seed : int
        Root seed.

    Raises
    ------
    InputError
        If a setting is not usable, or a run is too short.
    """
    words = ("seam", model.name, L, axis)

    def coolings(seam: Seam, shape: Shape) -> dict[str, np.ndarray]:
        sequences = [rng.seed_sequence(seed, "chain", *words, "cooled", seam.strength, k) for k in range(COOLINGS)]
        return {f"cooled {k}": cooled(seam, shape, sequence) for k, sequence in enumerate(sequences)}

    ground = ground_cost(model, (L, L), axis, rng.stream(seed, "chain", *words), twist, coolings)
    plane = plane_of(ground.periodic.x) if ground.twist else np.empty((0, 0))
    seam = Seam(model, axis, twist=ground.twist, plane=plane)
    thermal = {}
    for t in T:
        series = sample(seam, (L, L), t, rng.seed_sequence(seed, "chain", *words, t), measurements, interval)
        thermal[t] = seam_cost(t, series.strengths, series.crossing)
    return SeamResult(model.name, L, float(np.linalg.norm(model.bias)), ground, thermal)


def seams(
    models: Mapping[str, VectorModel],
    sizes: Sequence[int],
    T: Sequence[float] = (),
    axes: Sequence[int] = (0, 1),
    progress: Progress = silent,
    out: Path | None = None,
    **settings: Any,
) -> list[dict[str, Any]]:
    """Return `measure_seam` of all models, sizes and axes, as `SeamResult.to_json` has them.

    Parameters
    ----------
    models : mapping
        By name.
    sizes, T, axes : sequence
        L, temperatures and axes.
    progress : callable
        Called with (done, total, text).
    out : path, optional
        JSON file in which results are kept as they are found; a second call with it continues.
    **settings
        Of `measure_seam`.

    Raises
    ------
    InputError
        If ``out`` holds results of other models or settings.
    """
    jobs = [(model, L, axis) for model in models.values() for L in sizes for axis in axes]
    recipe = {"T": [float(t) for t in T]} | settings
    recipe |= {"models": {name: identity(model) for name, model in sorted(models.items())}}
    found = _kept(out, recipe)
    done = {(row["name"], row["L"], row["axis"]): row for row in found}
    for k, (model, L, axis) in enumerate(jobs):
        if (model.name, L, axis) not in done:
            done[model.name, L, axis] = measure_seam(model, L, axis, T, **settings).to_json()
            _keep(out, recipe, list(done.values()))
        progress(k + 1, len(jobs), f"{model.name}, L = {L}, axis {axis}")
    return [done[model.name, L, axis] for model, L, axis in jobs]


def stiffness_of(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return theta of Delta F ~ L^theta for each model, axis and temperature of some rows of `seams`."""
    found = []
    for name, axis in dict.fromkeys((row["name"], row["axis"]) for row in rows):
        own = [row for row in rows if (row["name"], row["axis"]) == (name, axis)]
        L, place = np.array([row["L"] for row in own], float), {"name": name, "axis": axis}
        thetas = {0.0: stiffness(L, np.array([row["T0"]["cost"] for row in own]))}
        for k, T in enumerate([at["T"] for at in own[0]["T"]]):
            costs = [row["T"][k]["cost"] for row in own]
            thetas[T] = stiffness(L, np.array([c["value"] for c in costs]), np.array([c["error"] for c in costs]))
        found += [place | {"T": T, "theta": theta.as_json() if theta else None} for T, theta in thetas.items()]
    return found


def _kept(out: Path | None, recipe: Mapping[str, Any]) -> list[dict[str, Any]]:
    if out is None or not out.exists():
        return []
    try:
        data = json.loads(out.read_text())
        rows, theirs = list(data["seams"]), data["recipe"]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise InputError(f"{out} is no file of seams ({type(error).__name__}); choose another --out") from None
    if theirs != recipe:
        raise InputError(f"{out} holds seams of other models or settings; choose another --out or remove it")
    return rows


def _keep(out: Path | None, recipe: Mapping[str, Any], rows: list[dict[str, Any]]) -> None:
    if out is not None:
        text = json.dumps({"format": "physnn-seams", "recipe": recipe, "seams": rows}, indent=1)
        commit(out, lambda path: path.write_text(text + "\n"))
