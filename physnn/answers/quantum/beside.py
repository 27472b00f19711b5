"""Trained ground states beside an unbiased reference and exact values, in units of errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.analysis.statistics.estimate import Estimate, mean_over
from physnn.analysis.statistics.frames import Tabled, row_parts
from physnn.analysis.statistics.resampling import linear_error
from physnn.answers.quantum.ground_states import TRAINED_GROUND
from physnn.errors import InputError
from physnn.exact.quantum import FreeFermions, exact_ground
from physnn.models.quantum import QUANTUM_MODELS, QuantumModel
from physnn.store.hdf5 import Variable
from physnn.store.sweep_file import SweepFile, read_sweep

WORLD_LINES_KIND = "path-integral"
"""Kind of files of the reference."""
FOURTH_MOMENTS = 64
"""Spins up to which exact fourth moments of chains are computed; the work grows as L^5."""
APART_ERRORS = 3.0
"""Errors from which a difference is told."""
THERMAL_WEIGHT = 1e-3
"""Weight of the next level in a reference from which it is told."""
EXACT_SITES = 20
"""Sites up to which a model is diagonalised for its exact column."""

_BY_STAGE = ("stage_", "exact_")


@dataclass(frozen=True)
class Beside:
    """One observable of one size and parameter: of networks, of the reference, and exactly; None where there is none.

    ``energy`` is per site in J; ``m2`` the mean square of the order parameter per site, ``U4`` its cumulant; ``S(k)``
    the structure factor ``sum_r G(r) cos(k r)`` at the smallest wave vector; ``G(r)`` the two-point function.
    """

    L: int
    value: float
    name: str
    network: Estimate
    reference: Estimate | None
    exact: float | None

    def deviations(self) -> dict[str, float]:
        """Differences over their errors: of networks from the reference and from exact values, of the reference."""
        known = None if self.exact is None else Estimate(self.exact, 0.0)
        pairs = {
            "network - reference": (self.network, self.reference),
            "network - exact": (self.network, known),
            "reference - exact": (self.reference, known),
        }
        return {name: _apart(a, b) for name, (a, b) in pairs.items() if a is not None and b is not None}

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "L": self.L,
            "value": self.value,
            "observable": self.name,
            "network": self.network.as_json(),
            "reference": self.reference.as_json() if self.reference else None,
            "exact": self.exact,
            "deviations": self.deviations(),
        }


def _apart(a: Estimate, b: Estimate) -> float:
    error = math.hypot(a.error, b.error)
    return (a.value - b.value) / error if error > 0 else (0.0 if a.value == b.value else math.nan)


@dataclass(frozen=True)
class Stages:
    """Means over networks after each stage of their training, at one size and parameter.

    Attributes
    ----------
    L, value : int, float
        Size, and parameter of the model.
    energy : ndarray of float, shape (stages, 2)
        Relative excess of the energy over the exact one, and its error; NaN where none is known.
    order : ndarray of float, shape (stages, 2)
        Mean square of the order parameter over the exact one less 1, and its error.
    infidelity : ndarray of float, shape (stages,)
        Bound (E - E_0) / gap of the weight outside the ground state.
    """

    L: int
    value: float
    energy: np.ndarray
    order: np.ndarray
    infidelity: np.ndarray


@dataclass(frozen=True)
class SideBySide(Tabled):
    """Networks beside reference and exact values, how networks came there, and notes on the reference."""

    control: str
    rows: tuple[Beside, ...]
    stages: tuple[Stages, ...]
    notes: tuple[str, ...]

    @property
    def apart(self) -> list[Beside]:
        """Rows where networks differ from exact values, or else from the reference, by more than 3 errors."""
        found = []
        for row in self.rows:
            gone = row.deviations()
            worst = gone.get("network - exact", gone.get("network - reference", 0.0))
            found += [row] if abs(worst) > APART_ERRORS else []
        return found

    def table_rows(self) -> list[dict[str, object]]:
        """Rows of the observables, with the differences in errors."""
        return [{**row_parts(row), **row.deviations()} for row in self.rows]


def networks_beside(path: Path, other: Path | None = None) -> SideBySide:
    """Networks of a file of ground states beside world lines of another one, and exact values.

    Parameters
    ----------
    path : Path
        File of `physnn ground-state`.
    other : Path, optional
        File of `physnn path-integral` of the same lattice, with sizes and fields of the first one.

    Raises
    ------
    InputError
        If a file is of another kind, the lattices differ, or no size and field is in both.
    """
    sweep = read_sweep(path, states=False)
    if sweep.recipe.get("kind") != TRAINED_GROUND:
        raise InputError(f"{path} holds no trained ground states; make them with physnn ground-state")
    reference = None if other is None else read_sweep(other, states=False)
    if reference is not None:
        _check_pair(sweep, reference, other)
    control = QUANTUM_MODELS[sweep.recipe["model"]] or "delta"
    rows: list[Beside] = []
    stages, notes = [], []
    for L, group in sweep.sizes.items():
        values = np.asarray(group[control].values, float)
        for k, value in enumerate(values.tolist()):
            known = _exact(ground_model(sweep.recipe, L, value))
            networks = _of_networks(sweep.recipe, L, {n: v.values[k] for n, v in group.items() if _is_result(v)}, group)
            lines = _of_lines(reference, L, value)
            if reference is not None and lines:
                notes += _thermal(reference.recipe, ground_model(sweep.recipe, L, value))
            if reference is None or lines:
                rows += [
                    Beside(L, value, name, network, lines.get(name), known.get(name))
                    for name, network in networks.items()
                ]
            sites = float(group["energy"].attrs["sites"])
            stages.append(
                _stages(L, value, sites, {n: v.values[k] for n, v in group.items() if n.startswith(_BY_STAGE)})
            )
    if not rows:
        raise InputError(f"{other} has no size and field of {path}; sample those with physnn path-integral")
    return SideBySide(control, tuple(rows), tuple(stages), tuple(notes))


def ground_model(recipe: Mapping[str, Any], L: int, value: float) -> QuantumModel:
    """Model of a recipe at one size and parameter."""
    control = QUANTUM_MODELS[recipe["model"]]
    sides = (L,) * int(recipe.get("dimension", 1))
    varied: dict[str, Any] = {control: value} if control else {}
    return QuantumModel(recipe["model"], sides, periodic=not recipe.get("open"), **varied)


def _check_pair(sweep: SweepFile, reference: SweepFile, other: Path | None) -> None:
    """Raise `InputError` unless both files are of one lattice and model."""
    if reference.recipe.get("kind") != WORLD_LINES_KIND:
        raise InputError(f"{other} holds no world lines; make them with physnn path-integral")
    for name, default in (("model", "tfim"), ("dimension", 1), ("open", False)):
        a, b = (file.recipe.get(name, default) for file in (sweep, reference))
        if a != b:
            raise InputError(f"the files have different lattices: {name} is {a} and {b}")


def _is_result(variable: Variable) -> bool:
    return len(variable.dims) > 1


def _of_networks(
    recipe: Mapping[str, Any], L: int, arrays: Mapping[str, np.ndarray], group: Mapping[str, Variable]
) -> dict[str, Estimate]:
    """Observables of networks at one point, from arrays (seed, ...), with errors from the scatter of networks."""
    order = "m" if "m" in arrays else "staggered"
    chains = int(group["energy"].attrs.get("chains", 1))
    energy, m = (np.asarray(arrays[name], float).reshape(len(arrays[name]), chains, -1) for name in ("energy", order))
    found = {
        "energy": _over(energy.mean(axis=2), lambda e: e),
        "m2": _over((m**2).mean(axis=2), lambda m2: m2),
        "U4": _over(np.stack([(m**2).mean(axis=2), (m**4).mean(axis=2)]), lambda m2, m4: 1 - m4 / (3 * m2**2)),
    }
    correlation = np.asarray(arrays["correlation"], float)
    far = correlation.shape[1] - 1
    found[f"G({far})"] = mean_over(correlation[:, far])
    if int(recipe.get("dimension", 1)) == 1 and not recipe.get("open"):
        r = np.arange(L)
        wave = np.cos(2 * math.pi * r / L)
        found["S(k)"] = mean_over(correlation[:, np.minimum(r, L - r)] @ wave)
    return found


def _over(means: np.ndarray, function: Callable[..., np.ndarray]) -> Estimate:
    """Function of means of moments, shape (..., seeds, chains): over seeds, or over chains of a single one."""
    moments = means if means.ndim == 3 else means[None]
    if moments.shape[1] > 1:
        return mean_over(function(*moments.mean(axis=2)))
    n = moments.shape[2]
    if n < 2:
        return mean_over(function(*moments.mean(axis=2)))
    without = (moments.sum(axis=2, keepdims=True) - moments) / (n - 1)
    each = function(*without)[0]
    error = math.sqrt((n - 1) * float(each.var()))
    return Estimate.student(float(function(*moments.mean(axis=2))[0]), error, n - 1)


def _of_lines(reference: SweepFile | None, L: int, value: float) -> dict[str, Estimate]:
    """Observables of world lines at one size and field; none where there are no such lines."""
    if reference is None or L not in reference.sizes:
        return {}
    group = reference.sizes[L]
    fields = np.asarray(group["h"].values, float)
    k = int(np.argmin(np.abs(fields - value)))
    if abs(fields[k] - value) > 1e-9 * max(1.0, abs(value)):
        return {}
    names = {"energy": ("energy",), "m2": ("m2_improved",), "U4": ("m2_improved", "m4_improved")}
    names["S(k)"] = ("structure_x_improved",)
    found = {}
    for name, columns in names.items():
        if all(column in group for column in columns):
            series = [np.asarray(group[column].values[k], float) for column in columns]
            rule = (lambda m2, m4: 1 - m4 / (3 * m2**2)) if len(columns) == 2 else (lambda x: x)
            found[name] = linear_error(rule, *series)
    if "correlation" in group:
        each = np.asarray(group["correlation"].values[k], float)
        found[f"G({each.shape[1] - 1})"] = mean_over(each[:, -1])
    return found


def _thermal(recipe: Mapping[str, Any], model: QuantumModel) -> list[str]:
    """Note on the weight that the level next to the ground state has in world lines of a chain, where it counts."""
    if len(model.sides) > 1:
        return []
    beta = float(recipe.get("beta") or recipe["beta_per_L"] * model.N)
    gap = FreeFermions(model.N, model.h, model.periodic).gap
    weight = 1 / (1 + math.exp(min(beta * gap, 700.0)))
    if weight < THERMAL_WEIGHT:
        return []
    return [
        f"the reference is at beta = {beta:g}/J: at L = {model.N}, h = {model.h:g} {weight:.1%} of it is the odd state "
        f"{gap:.2g} J above"
    ]


def _exact(model: QuantumModel) -> dict[str, float]:
    """Exact observables by name, where they are known."""
    chain = model.name == "tfim" and len(model.sides) == 1
    if not chain and model.N > EXACT_SITES:
        return {}
    known = exact_ground(model, gap=False)
    order = known.staggered2 if model.conserves else known.m2
    found = {"energy": known.E0 / model.N}
    far = model.sides[0] // 2
    if len(model.sides) == 1 or model.periodic:  # along the last axis, whose sites are neighbours in the order
        row = known.two_point[0, far] if model.periodic else np.diagonal(known.two_point, far).mean()
        found[f"G({far})"] = float(row)
    if order is not None:
        found["m2"] = order
        if (FOURTH_MOMENTS if model.periodic else FOURTH_MOMENTS // 2) >= model.N:
            fourth = known.staggered4 if model.conserves else known.m4
            found |= {} if fourth is None else {"U4": 1 - fourth / (3 * order**2)}
    if len(model.sides) == 1 and model.periodic:
        wave = np.cos(2 * math.pi * np.arange(model.N) / model.N)
        found["S(k)"] = float(known.two_point[0] @ wave)
    return found


def _stages(L: int, value: float, sites: float, arrays: Mapping[str, np.ndarray]) -> Stages:
    """Stages of a training beside exact values, from arrays (seed, stage)."""
    energy, order = (np.asarray(arrays[name], float) for name in ("stage_energy", "stage_order2"))
    exact, order2, gap = (
        float(np.mean(arrays.get(name, math.nan))) for name in ("exact_energy", "exact_order2", "exact_gap")
    )
    relative, moved = (energy - exact) / abs(exact), order / order2 - 1
    return Stages(L, value, _with_errors(relative), _with_errors(moved), (energy.mean(axis=0) - exact) * sites / gap)


def _with_errors(values: np.ndarray) -> np.ndarray:
    """Means over the first axis and standard errors, shape (stages, 2)."""
    n = len(values)
    error = values.std(axis=0, ddof=1) / math.sqrt(n) if n > 1 else np.full(values.shape[1], math.nan)
    return np.stack([values.mean(axis=0), error], axis=1)


def beside_rows(rows: Sequence[Beside]) -> list[list[str]]:
    """Rows of a table: point, observable, three values, and differences in errors."""
    found = []
    for row in rows:
        gone = row.deviations()
        exact = "-" if row.exact is None else f"{row.exact:.7g}"
        cells = [str(row.L), f"{row.value:g}", row.name, str(row.network), str(row.reference or "-"), exact]
        names = "network - reference", "network - exact", "reference - exact"
        found.append([*cells, *(f"{gone[name]:+.1f}" if name in gone else "-" for name in names)])
    return found


def draw_beside(found: SideBySide, out: Path) -> Path:
    """Figure of networks by stage and beside reference and exact values."""
    from physnn.figures.quantum.beside import beside_figure
    from physnn.figures.style import save

    return save(beside_figure(found.control, found.rows, found.stages), out)
