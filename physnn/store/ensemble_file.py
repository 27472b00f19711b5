"""Ensemble files: weights of replicas, one group for every ensemble; and distance files: matrices over their pairs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.store.claims.check import check_unwritten
from physnn.store.claims.ranges import range_of
from physnn.store.hdf5 import Variable, malformed, numbered
from physnn.store.result_file import read_result, write_result
from physnn.store.sweep_file import kind_of

ENSEMBLES = "physnn-ensembles"
"""Kind of an ensemble file."""
DISTANCES = "physnn-distances"
"""Kind of a distance file."""
MEASURED = {
    "loss": (("replica", "epoch"), "mean cross-entropy over one epoch of training"),
    "train_accuracy": (("replica",), "share of the training images classified rightly"),
    "test_accuracy": (("replica",), "share of the test images classified rightly"),
    "test_loss": (("replica",), "mean cross-entropy on the test images"),
    "predictions": (("replica", "test_image"), "class predicted for each test image"),
}
"""Arrays of replicas besides their weights: dimensions and meaning."""
CHARGED = {
    "charge_measured": (("replica", "mark", "component"), "charges of learning at first and after every epoch"),
    "charge_predicted": (("replica", "mark", "component"), "the same from first values and lengths of the steps alone"),
    "charge_steps": (("replica", "mark"), "steps of the optimiser until then"),
    "charge_reach": (("replica", "component"), "most that the steps could have changed a charge, to first order"),
    "charge_rounding": (("replica", "component"), "variance of a charge by rounding of the weights"),
}
"""Arrays of replicas whose charges of learning were followed: dimensions and meaning."""

TUNED = {
    "soft_strength": (("replica", "epoch", "symmetry", "layer"), "strength of each symmetry after an epoch"),
    "soft_deviation": (
        ("replica", "epoch", "symmetry", "layer"),
        "squared deviation of weights from each symmetry, 0 equivariant, 1 as at random",
    ),
    "soft_cost": (("replica", "symmetry"), "rise of the test loss if a symmetry is forced on the trained weights"),
    "soft_cost_error": (("replica", "symmetry"), "standard error of that rise from the number of test images"),
    "soft_learned": (("replica",), "entropy of the classes of the test images less the test loss"),
}
"""Arrays of replicas whose weights are drawn to symmetries: dimensions and meaning."""


@dataclass(frozen=True)
class Ensemble:
    """Replicas of one network: their seeds, weights by name (running statistics among them) and what is `MEASURED`.

    ``tuned`` are arrays of the names of `TUNED`, where weights are drawn to symmetries.
    Where charges of learning were followed, ``charges`` are the arrays of `CHARGED`, with ``components`` for their last
    axis.
    """

    seeds: np.ndarray
    weights: dict[str, np.ndarray]
    measured: dict[str, np.ndarray]
    tuned: dict[str, np.ndarray] = field(default_factory=dict)
    charges: dict[str, np.ndarray] = field(default_factory=dict)
    components: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnsembleFile:
    """Ensembles of one file by name, with their recipe."""

    recipe: dict[str, Any]
    ensembles: dict[str, Ensemble]


def write_ensembles(path: Path, recipe: Mapping[str, Any], ensembles: Mapping[str, Ensemble]) -> None:
    """Write ensembles as one sealed file, atomically; errors as for `physnn.store.network_file.write_networks`."""
    groups = {}
    for name, ensemble in ensembles.items():
        check_unwritten(path, _contradiction(name, ensemble, recipe))
        group = {"seed": Variable(("replica",), ensemble.seeds, {"long_name": "training seed"})}
        for key, (dims, meaning) in MEASURED.items():
            group[key] = Variable(dims, ensemble.measured[key], {"long_name": meaning})
        for key, values in ensemble.tuned.items():
            group[key] = Variable(TUNED[key][0], values, {"long_name": TUNED[key][1]})
        for key, values in ensemble.charges.items():
            group[key] = Variable(CHARGED[key][0], values, {"long_name": CHARGED[key][1]})
        if ensemble.components:
            words = np.array([word.encode() for word in ensemble.components])
            group["component"] = Variable(("component",), words, {"long_name": "kind, place and unit of a charge"})
        groups[f"/{name}"] = group | {key: numbered(key, v, "replica") for key, v in ensemble.weights.items()}
    write_result(path, ENSEMBLES, recipe, groups)


def read_ensembles(path: str | os.PathLike[str]) -> EnsembleFile:
    """Ensembles of a file; `InputError` as for `read_result`, or if its arrays do not belong together."""
    found = read_result(path, ENSEMBLES)
    ensembles = {}
    with malformed(path):
        for name, group in found.groups.items():
            arrays = {key: v.values for key, v in group.items() if v.dims != (key,)}
            seeds = arrays.pop("seed")
            measured = {key: arrays.pop(key) for key in MEASURED}
            tuned = {key: arrays.pop(key) for key in TUNED if key in arrays}
            charges = {key: arrays.pop(key) for key in CHARGED if key in arrays}
            words = group["component"].values.tolist() if charges else []
            ensemble = Ensemble(seeds, arrays, measured, tuned, charges, tuple(w.decode() for w in words))
            told_dims = MEASURED | TUNED | CHARGED | {"seed": (("replica",), "")}
            along = all(group[key].dims == dims for key, (dims, _) in told_dims.items() if key in group)
            along &= all(group[key].dims == numbered(key, values, "replica").dims for key, values in arrays.items())
            if not along or not _sound(ensemble):
                raise InputError(f"{path} is not a valid ensemble file: arrays of {name} do not belong together")
            if wrong := _contradiction(name, ensemble, found.recipe):
                raise InputError(f"{path} contradicts itself: {wrong}; restore the file or train it again")
            ensembles[name] = ensemble
        told = found.recipe.get("ensembles")
        if told is not None and sorted(told) != sorted(ensembles):
            raise InputError(f"{path} contradicts itself: its recipe names other ensembles than it holds")
    if not ensembles:
        raise InputError(f"{path} holds no ensembles; train some with physnn train classify")
    return EnsembleFile(found.recipe, ensembles)


def _sound(ensemble: Ensemble) -> bool:
    """Whether seeds are distinct whole numbers, and all arrays hold finite numbers in one row for each of them."""
    seeds, measured = ensemble.seeds, ensemble.measured
    whole = seeds.ndim == 1 and seeds.dtype.kind in "iu" and 0 < len(seeds) == len(set(seeds.tolist()))
    return (
        whole
        and len(ensemble.weights) > 0
        and all(a.dtype.kind == "f" for a in ensemble.weights.values())
        and measured["predictions"].dtype.kind in "iu"
        and all(a.dtype.kind in "fiu" and a.ndim == len(MEASURED[key][0]) for key, a in measured.items())
        and all(
            a.shape[:1] == seeds.shape and bool(np.isfinite(a).all())
            for arrays in (ensemble.weights, measured, ensemble.tuned, ensemble.charges)
            for a in arrays.values()
        )
        and all(a.dtype.kind == "f" and a.ndim == len(TUNED[key][0]) for key, a in ensemble.tuned.items())
        and _charges_sound(ensemble)
    )


def _contradiction(name: str, ensemble: Ensemble, recipe: Mapping[str, Any]) -> str:
    """What of an ensemble is not that of its recipe, or no training gives; nothing if all is well."""
    arrays = ensemble.weights | ensemble.measured | ensemble.tuned | ensemble.charges
    for key, values in arrays.items():
        if offence := range_of(ENSEMBLES, key).offence(values):
            return f"{key} {offence} ({name})"
    if recipe["kind"] != "train-classify":
        return f"its recipe has the kind {str(recipe['kind'])[:40]}"
    if "ensembles" not in recipe:
        return ""
    member = recipe["ensembles"][name]
    epochs, classes = member["recipe"]["epochs"], member.get("images", {}).get("classes")
    if sorted(ensemble.seeds.tolist()) != sorted(recipe["seeds"]):
        return f"its recipe has other seeds than {name}"
    if ensemble.measured["loss"].shape[1] != epochs:
        return f"its recipe says {str(epochs)[:60]} epochs, {name} has {ensemble.measured['loss'].shape[1]}"
    told = ensemble.measured["predictions"]
    beyond = bool(classes) and told.size > 0 and int(told.max()) >= len(classes)
    return f"{name} predicts class {told.max()} of {len(classes)}" if beyond else ""


def _charges_sound(ensemble: Ensemble) -> bool:
    """Whether charges are there as a whole, or not at all."""
    found, components = ensemble.charges, len(ensemble.components)
    return not found or (
        found.keys() == CHARGED.keys()
        and all(a.dtype.kind == "f" and a.ndim == len(CHARGED[key][0]) for key, a in found.items())
        and found["charge_measured"].shape == found["charge_predicted"].shape
        and {a.shape[-1] for key, a in found.items() if CHARGED[key][0][-1] == "component"} == {components}
        and found["charge_steps"].shape == found["charge_measured"].shape[:2]
    )


def check_distance_file(out: Path) -> None:
    """Raise InputError if what distances would replace is a file of another format, such as the trained networks."""
    if out.exists() and (there := kind_of(out)[0]) != DISTANCES:
        raise InputError(f"{out} is a file of kind {there[:40]!r}, not of distances; choose another --out")


def write_distances(path: Path, recipe: Mapping[str, Any], distances: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write matrices over pairs of replicas, by ensemble and kind of distance, as one sealed file, atomically.

    Raises
    ------
    InputError
        As for `check_distance_file`.
    """
    check_distance_file(path)
    groups = {
        f"/{name}": {kind: Variable(("replica", "other"), matrix) for kind, matrix in matrices.items()}
        for name, matrices in distances.items()
    }
    write_result(path, DISTANCES, recipe, groups)


def read_distances(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Recipe and matrices of a distance file, by ensemble and kind of distance; errors as for `read_ensembles`."""
    found, distances = read_result(path, DISTANCES), {}
    for name, group in found.groups.items():
        matrices = {kind: v.values for kind, v in group.items() if v.dims != (kind,)}
        if any(group[kind].dims != ("replica", "other") for kind in matrices):
            raise InputError(f"{path} is not a valid distance file: {name[:60]} holds what is no matrix of replicas")
        sides = {side for matrix in matrices.values() for side in matrix.shape}
        if len(sides) != 1 or any(matrix.dtype.kind != "f" for matrix in matrices.values()):
            raise InputError(f"{path} is not a valid distance file: matrices of {name} do not belong together")
        for kind, matrix in matrices.items():
            if offence := range_of(DISTANCES, kind).offence(matrix):
                raise InputError(f"{path} contradicts itself: {kind[:60]} {offence} ({name[:60]}); make it again")
        distances[name] = matrices
    return found.recipe, distances
