"""Network files: weights of an ensemble trained by one recipe, with their history, in one sealed HDF5 file."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.store.claims.check import check_unwritten
from physnn.store.claims.ranges import range_of
from physnn.store.hdf5 import Group, Variable, malformed, numbered
from physnn.store.result_file import read_result, write_result

NETWORKS = "physnn-networks"
"""Kind of a network file."""
WEIGHTS = ("lift", "coupling", "readout", "readout_bias", "bias")
"""Names of the trained arrays; ``bias`` only where the symmetry is broken."""
_DIAGNOSIS = "diagnosis"
_SHAPE = {"components", "kernel", "gamma", "broken", "boundary"}
"""What every architecture says."""
_VARIANTS = {"layers", "symmetry", "point_group"}
"""What an architecture says only where it is not as usual."""
_LAYERED = {"coupling", "bias"}
"""Arrays that have a dimension ``layer`` after ``network`` where layers have weights of their own."""
_ARRAYS = {
    "lift": ("component", "input image to components"),
    "coupling": (
        "component component_in row column",
        "raw coupling kernel; the coupling in use is its symmetric part",
    ),
    "readout": ("component", "components to output image"),
    "readout_bias": ("output", "constant of the output image"),
    "bias": ("component", "constant c that breaks the symmetry x -> -x"),
    "loss": ("epoch", "mean squared error over one epoch of training"),
    "validation_rmse": ("", "pooled RMSE on fresh images at the training size and depth, pixels 0 and 1"),
    "soft_strength": ("epoch symmetry step", "strength of each symmetry after an epoch"),
    "soft_deviation": (
        "epoch symmetry step",
        "squared deviation of the coupling from each symmetry, 0 equivariant, 1 as at random",
    ),
    "soft_cost": ("symmetry", "rise of the validation RMSE if a symmetry is forced on the trained coupling"),
}
"""Dimensions after ``network``, and meaning, of every array."""


@dataclass(frozen=True)
class NetworkFile:
    """Trained networks of one file.

    Attributes
    ----------
    architecture, recipe : dict
        Keyword arguments of the architecture; the training recipe.
    seeds : tuple of int
        One per network.
    ids : tuple of str
        Content identity of each network: 16 hexadecimal digits of a SHA-256 over architecture and weights.
    weights : dict of ndarray
        By name, network first.
    loss, validation_rmse : ndarray
        Training loss ``(network, epoch)`` and error on fresh images ``(network,)``.
    measured : dict of ndarray
        Arrays of the diagnosis after training, network first; empty in older files.
    tuned : dict of ndarray
        Strengths of symmetries, deviations from them and their costs, where the coupling is drawn to some.
    """

    architecture: dict[str, Any]
    recipe: dict[str, Any]
    seeds: tuple[int, ...]
    ids: tuple[str, ...]
    weights: dict[str, np.ndarray]
    loss: np.ndarray
    validation_rmse: np.ndarray
    measured: dict[str, np.ndarray]
    tuned: dict[str, np.ndarray] = field(default_factory=dict)


def network_id(architecture: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> str:
    """Content identity of one network: 16 hexadecimal digits of a SHA-256 over architecture and weights."""
    sha = hashlib.sha256(json.dumps(dict(architecture), sort_keys=True).encode())
    for name in sorted(weights):
        sha.update(f"{name}{weights[name].shape}".encode() + np.ascontiguousarray(weights[name], "<f4").tobytes())
    return sha.hexdigest()[:16]


def dimensions(layered: bool) -> dict[str, tuple[str, ...]]:
    """Dimensions after ``network`` of every array by name, where layers have weights of their own or not."""
    return {
        name: (*(("layer",) if layered and name in _LAYERED else ()), *dims.split())
        for name, (dims, _) in _ARRAYS.items()
    }


def _dims(architecture: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Dimensions after ``network`` of every array of a file."""
    return dimensions(bool(architecture.get("layers"))) | {"seed": ()}


def write_networks(
    path: Path,
    architecture: Mapping[str, Any],
    recipe: Mapping[str, Any],
    seeds: Sequence[int],
    trained: Sequence[Mapping[str, np.ndarray]],
    measured: Sequence[Mapping[str, np.ndarray]] = (),
) -> None:
    """Write an ensemble: one mapping of arrays per seed (weights, ``loss``, ``validation_rmse``).

    ``measured`` are arrays that a diagnosis of each network rests on; else see `NetworkFile`.

    Raises
    ------
    Unfinished, InputError
        If the file cannot be written, or would contradict itself.
    """
    root = {}
    for name, dims in dimensions(bool(architecture.get("layers"))).items():
        if name in trained[0]:
            values = np.stack([t[name] for t in trained])
            root[name] = Variable(("network", *dims), values, {"long_name": _ARRAYS[name][1]})
    root["seed"] = Variable(("network",), np.array(seeds, np.int64), {"long_name": "training seed"})
    check_unwritten(path, _contradiction(architecture, recipe, {name: v.values for name, v in root.items()}))
    groups: dict[str, Group] = {"/": root}
    if measured:
        groups[_DIAGNOSIS] = {
            name: numbered(name, np.stack([m[name] for m in measured]), "network") for name in measured[0]
        }
    write_result(path, NETWORKS, recipe, groups, {"architecture": json.dumps(dict(architecture), sort_keys=True)})


def read_networks(path: str | os.PathLike[str]) -> NetworkFile:
    """Networks of a file; those of the latest files are kept in memory.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or its arrays do not belong together.
    """
    stat = Path(path).stat() if Path(path).is_file() else None
    return _read(str(path), (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None)


@functools.lru_cache(maxsize=8)
def _read(path: str, _version: tuple[int, ...] | None) -> NetworkFile:
    found = read_result(path, NETWORKS, rooted=True)
    with malformed(path):
        architecture, group = json.loads(str(found.attrs["architecture"])), found.root
        weights = {name: group[name].values for name in WEIGHTS if name in group}
        seeds, loss, rmse = (group[name].values for name in ("seed", "loss", "validation_rmse"))
        measured = found.groups.get(_DIAGNOSIS, {})
        tuned = {name: group[name].values for name in group if name.startswith("soft_")}
        sound = (
            len(seeds) > 0
            and _fits(architecture, found.recipe, weights, len(seeds))
            and loss.shape[:1] == rmse.shape == (len(seeds),)
            and all(group[name].dims == ("network", *own) for name, own in _dims(architecture).items() if name in group)
            and loss.dtype.kind == rmse.dtype.kind == "f"
            and all(len(v.values) == len(seeds) for v in measured.values() if v.dims[:1] == ("network",))
            and all(len(v) == len(seeds) and v.dtype.kind == "f" for v in tuned.values())
        )
        arrays = {"seed": seeds, "loss": loss, "validation_rmse": rmse} | weights | tuned
        if sound and (wrong := _contradiction(architecture, found.recipe, arrays)):
            raise InputError(f"{path} contradicts itself: {wrong}; restore the file or train it again")
        if not sound:
            raise InputError(f"{path} is not a valid network file: its arrays do not belong together; train it again")
        ids = tuple(network_id(architecture, {name: w[i] for name, w in weights.items()}) for i in range(len(seeds)))
        diagnosed = {name: v.values for name, v in measured.items() if v.dims != (name,)}
        own = tuple(seeds.tolist()), ids, weights, loss, rmse, diagnosed, tuned
        return NetworkFile(architecture, found.recipe, *own)
    raise AssertionError("not reached")


def _contradiction(architecture: Mapping[str, Any], recipe: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> str:
    """What in a file is not that of its recipe, or no training gives; nothing if all is well."""
    for name, values in arrays.items():
        if offence := range_of(NETWORKS, name).offence(values):
            return f"{name} {offence}"
    seeds = arrays["seed"].tolist()
    if len(set(seeds)) < len(seeds):
        return "it has a seed twice"
    told = {name: recipe[name] for name in _SHAPE if name in recipe}
    of_training = ("seeds", "epochs") if recipe.get("kind") == "train-kuramoto" else ()
    told |= {name: recipe[name] for name in of_training if name in recipe}
    own = {**architecture, "seeds": seeds, "epochs": arrays["loss"].shape[-1]}
    wrong = next((name for name, value in told.items() if value != own[name]), "")
    return f"its recipe says {wrong} = {str(told[wrong])[:60]}, not {str(own[wrong])[:60]}" if wrong else ""


def _fits(
    architecture: Mapping[str, Any], recipe: Mapping[str, Any], weights: Mapping[str, np.ndarray], count: int
) -> bool:
    """Whether an architecture is one that physnn has, and weights of a number of networks have its shapes."""
    n, k = operator.index(architecture["components"]), operator.index(architecture["kernel"])
    layers, symmetry = operator.index(architecture.get("layers", 0)), architecture.get("symmetry", "Z2")
    own = (layers,) if layers else ()
    shapes = {"lift": (n,), "coupling": (*own, n, n, k, k), "readout": (n,), "readout_bias": (1,)}
    if architecture["broken"]:
        shapes["bias"] = (*own, n)
    return (
        set(weights) == set(shapes)
        and set(architecture) - _VARIANTS == _SHAPE
        and architecture.get("point_group", "c1") in ("c1", "c2", "c4", "d1", "d2", "d4")
        and operator.index(recipe["steps"]) > 0
        and (layers == 0 or layers >= operator.index(recipe["steps"]))
        and (symmetry == "Z2" or (symmetry == "U1" and n % 2 == 0 and not architecture["broken"]))
        and all(weights[name].shape == (count, *shape) for name, shape in shapes.items())
        and all(w.dtype == np.float32 and bool(np.isfinite(w).all()) for w in weights.values())
        and 0 < float(architecture["gamma"]) < np.inf
    )
