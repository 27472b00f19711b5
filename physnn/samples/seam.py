"""What a seam, a line of bonds turned from J to -J, costs in a model or a trained network."""

from __future__ import annotations

import functools
import itertools
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator

from physnn import rng
from physnn.analysis.order.ground import GroundCost, ground_cost, plane_of
from physnn.analysis.order.seam import SeamCost, seam_cost, stiffness
from physnn.errors import InputError
from physnn.machine import Footprint
from physnn.models.seam import Seam
from physnn.models.vectors import Shape, VectorModel
from physnn.samplers.seam import cooled, seam_series
from physnn.samples import files
from physnn.samples.base import Growth, Recipe, more, validated
from physnn.samples.named import Words, canonical_words, checked_model, identity, load_model
from physnn.samples.sample import Sample
from physnn.samples.tasks import Arrays, Axis, Checkpoint, Measured, Resources, Task
from physnn.shipped import resolve
from physnn.store.commit import commit
from physnn.store.network_file import read_networks
from physnn.store.parts import Parts
from physnn.store.sweep_file import SweepFile, read_sweep

COOLINGS = 2
"""States cooled from random ones, for each search of a ground state."""
GROUND_MOVES = 1e4
"""Moves of each site in the search of a ground state, about: only the share of the time that is left depends on it."""


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


def words_of(networks: str | Path) -> dict[str, Words]:
    """Words of `physnn.samples.named.load_model` for the networks of a file, or of a bundled ensemble, by name.

    A name may end in ``/SEED``; errors are those of `load_model`.
    """
    name = str(networks)
    try:
        seeds = read_networks(resolve(name)).seeds
    except InputError:
        words = [canonical_words(("network", name))]
    else:
        words = [canonical_words(("network", f"{name}/{seed}")) for seed in seeds]
    return {load_model(one).name: one for one in words}


def models_of(networks: str | Path) -> dict[str, VectorModel]:
    """Networks of a file, or of a bundled ensemble, as models on a torus, by name; errors as in `words_of`."""
    return {name: load_model(words) for name, words in words_of(networks).items()}


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
        series = seam_series(seam, (L, L), t, rng.seed_sequence(seed, "chain", *words, t), measurements, interval)
        thermal[t] = seam_cost(t, series.strengths, series.crossing)
    return SeamResult(model.name, L, float(np.linalg.norm(model.bias)), ground, thermal)


class SeamSweep(Recipe):
    """Recipe of seams: in which models, at which sizes and temperatures, and along which axes.

    ``models`` are content identities by name, which alone decide the result; ``words`` say where the models are.
    """

    control: ClassVar[str] = "temperature"
    draws: ClassVar[str] = "model"
    grows: ClassVar[Mapping[str, Growth]] = {"L": more, "axes": more}
    located: ClassVar[tuple[str, ...]] = ("words",)

    kind: Literal["seam"] = "seam"
    L: Annotated[tuple[Annotated[int, Field(ge=2, le=2**12)], ...], Field(min_length=1)] = (8, 12, 16)
    T: tuple[Annotated[float, Field(gt=0, le=1e6)], ...] = ()
    words: dict[str, tuple[str, ...]]
    models: dict[str, str] = Field(default_factory=dict)
    axes: Annotated[tuple[Literal[0, 1], ...], Field(min_length=1)] = (0, 1)
    twist: bool = False
    measurements: Annotated[int, Field(ge=2)] = 4000
    interval: Annotated[int, Field(ge=1)] = 2
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0

    @field_validator("L", "axes")
    @classmethod
    def _distinct(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(sorted(set(values)))

    def resolved(self) -> SeamSweep:
        """Recipe with the identities of its models; raises InputError if one is not usable."""
        found = {name: identity(load_model(words)) for name, words in sorted(self.words.items())}
        return self.model_copy(update={"models": found})


PLACE = ("model", "axis")
"""Axes of what is measured once at every size."""
AT_ZERO = {
    "cost": "energy of the seam at T = 0",
    "sharp": "the same of the state cut at the seam",
    "spread": "the same of the state turned by pi along the lattice",
    "energy_periodic": "least energy without a seam",
    "energy_antiperiodic": "least energy with a seam",
    "twist": "boundary twist of least energy, in radians",
    "c": "|c|, which breaks the symmetry x -> -x",
    "from_periodic": "start of the lowest state without a seam",
    "from_antiperiodic": "start of the lowest state with a seam",
}
THERMAL = {
    "free_energy": "free energy of the seam: value, error and 95 % interval",
    "ratio": "P_anti / P_per: value, error and 95 % interval",
    "tau": "autocorrelation time in measurements",
    "overlap": "overlap of the distributions of neighbouring strengths",
}


class SeamSample(Sample):
    """Costs of seams at several sizes."""

    Recipe = SeamSweep
    recipe: SeamSweep
    footprint = Footprint(216e6, 108e6, 250e6)
    advice = "fewer or smaller --L, or fewer --jobs"

    @functools.cached_property
    def models(self) -> dict[str, VectorModel]:
        """Models by name; raises InputError if one is not that of the recipe any more."""
        return {name: checked_model(self.recipe.words[name], i) for name, i in self.recipe.models.items()}

    def axes(self, size: int) -> dict[str, Axis]:
        """Axes of the arrays of a size by name."""
        return {
            "model": Axis(tuple(self.recipe.models), meaning="name of the model"),
            "axis": Axis(self.recipe.axes, meaning="0: the seam lies between two rows, 1: between two columns"),
            "temperature": Axis(self.recipe.T, "T", "J/k_B", "temperature"),
        }

    def quantities(self, size: int) -> dict[str, Measured]:
        """Quantities that tasks measure by name."""
        found = {name: Measured("", "", meaning, PLACE) for name, meaning in AT_ZERO.items()}
        for name, meaning in THERMAL.items():
            inner = ("part",) if name in ("free_energy", "ratio") else ()
            found[name] = Measured("", "", meaning, (*PLACE, "temperature", *inner))
        return found

    def split(self, size: int) -> dict[str, int]:
        """A task for every model and axis; its temperatures share a ground state."""
        return {"model": 0, "axis": 0}

    def resources(self, size: int, at: Mapping[str, Any]) -> Resources:
        """Memory of the states, and updates of single sites, about."""
        moves = GROUND_MOVES + len(self.recipe.T) * self.recipe.measurements * self.recipe.interval
        return Resources(1e3 * size**2, float(size**2 * moves))

    def run(self, task: Task, checkpoint: Checkpoint) -> Arrays:
        """Cost of a seam in a model along an axis."""
        recipe, model, axis = self.recipe, self.models[task["model"]], task["axis"]
        how: dict[str, Any] = {"twist": recipe.twist, "measurements": recipe.measurements, "interval": recipe.interval}
        row = measure_seam(model, task.size, axis, recipe.T, seed=recipe.seed, **how).to_json()
        zero = row["T0"] | {"twist": row["twist"], "c": row["c"]}
        found = {name: np.array(zero[name], float) for name in AT_ZERO if name in zero}
        for name, start in zip(("from_periodic", "from_antiperiodic"), zero["from"], strict=True):
            found[name] = np.array(start.encode(), "S64")
        for name, key in (("free_energy", "cost"), ("ratio", "ratio")):
            parts = [[at[key]["value"], at[key]["error"], *at[key]["interval_95"]] for at in row["T"]]
            found[name] = np.array(parts, float).reshape(len(recipe.T), 4)
        return found | {name: np.array([at[name] for at in row["T"]], float) for name in ("tau", "overlap")}


def seam_rows(sweep: SweepFile, asked: SeamSweep) -> list[dict[str, Any]]:
    """Rows of a file that a recipe asks for, as `SeamResult.to_json` has them."""
    rows = []
    recipe = validated(SeamSweep, sweep.recipe)
    for name, L, axis in itertools.product(asked.words, asked.L, asked.axes):
        at = tuple(recipe.models).index(name), recipe.axes.index(axis)
        values = {key: variable.values[at] for key, variable in sweep.sizes[L].items() if variable.dims[:2] == PLACE}
        zero = {key: float(values[key]) for key in AT_ZERO if not key.startswith("from")}
        row = {"name": name, "L": L, "axis": axis, "c": zero.pop("c"), "twist": zero.pop("twist")}
        starts = [values[key].item().decode() for key in ("from_periodic", "from_antiperiodic")]
        row["T0"] = zero | {"from": starts}
        row["T"] = [
            {
                "T": T,
                "cost": _estimate(values["free_energy"][k]),
                "ratio": _estimate(values["ratio"][k]),
                "tau": float(values["tau"][k]),
                "overlap": float(values["overlap"][k]),
            }
            for k, T in enumerate(recipe.T)
        ]
        rows.append(row)
    return rows


def _estimate(parts: np.ndarray) -> dict[str, Any]:
    value, error, low, high = parts.tolist()
    return {"value": value, "error": error, "interval_95": [low, high]}


def seam_file(out: Path) -> Path:
    """File with the data of an ``--out`` that may end in .json, which is then an export beside it.

    Raises
    ------
    InputError
        If there is an export without its data.
    """
    data = out.with_suffix(".h5") if out.suffix == ".json" else out
    if out != data and out.exists() and not data.exists() and not Parts(data).folder.exists():
        raise InputError(f"{out} has no data beside it, as older versions left it: remove it, or choose another --out")
    return data


def seams(recipe: SeamSweep, out: Path | None = None, **run: Any) -> list[dict[str, Any]]:
    """Costs of all seams of a resolved recipe, as `SeamResult.to_json` has them.

    Parameters
    ----------
    recipe : SeamSweep
        What is measured.
    out : path, optional
        File in which results are kept, to which another call adds; one that ends in .json is an export of its rows.
    **run
        Of `physnn.samples.files.run`.

    Raises
    ------
    InputError
        If ``out`` holds results of other models or settings.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = seam_file(out) if out else Path(folder) / "seam.h5"
        files.run(recipe, data, extend=True, **run)
        return finished_seams(recipe, data, out) if data.exists() else []


def finished_seams(recipe: SeamSweep, data: Path, out: Path | None = None) -> list[dict[str, Any]]:
    """Rows of `seams` from a finished file, exported to ``out`` where that is another one."""
    rows = seam_rows(read_sweep(data), recipe)
    if out and out != data:
        text = json.dumps({"format": "physnn-seams", "recipe": recipe.canonical(), "seams": rows}, indent=1)
        commit(out, lambda path: path.write_text(text + "\n"))
    return rows


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
