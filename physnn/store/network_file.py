"""Network files: the weights of an ensemble trained by one recipe, with their history, in one sealed HDF5 file."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from physnn.errors import InputError
from physnn.store.hdf5 import Group, Variable, malformed, open_sealed, read_attrs, read_group, write_sealed
from physnn.store.provenance import provenance

FORMAT, VERSION = "physnn-networks", 1
DIAGNOSIS = "/diagnosis"
WEIGHTS = ("lift", "coupling", "readout", "readout_bias", "bias")
_DIMS = {
    "lift": ("network", "component"),
    "coupling": ("network", "component", "component_in", "row", "column"),
    "readout": ("network", "component"),
    "readout_bias": ("network", "output"),
    "bias": ("network", "component"),
    "loss": ("network", "epoch"),
    "validation_rmse": ("network",),
}
_LAYERED = {"coupling", "bias"}
"""Arrays that have a dimension ``layer`` after ``network`` where layers have weights of their own."""
_LONG_NAMES = {
    "lift": "input image to components",
    "coupling": "raw coupling kernel; the coupling in use is its symmetric part",
    "readout": "components to output image",
    "readout_bias": "constant of the output image",
    "bias": "constant c that breaks the symmetry x -> -x",
    "loss": "mean squared error over one epoch of training",
    "validation_rmse": "pooled RMSE on fresh images at the training size and depth, pixels 0 and 1",
}


@dataclass(frozen=True)
class NetworkFile:
    """What a network file holds.

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
        ``(network, epoch)`` and ``(network,)``.
    measured : dict of ndarray
        What the diagnosis after training measured, network first; empty in older files.
    """

    architecture: dict[str, Any]
    recipe: dict[str, Any]
    seeds: tuple[int, ...]
    ids: tuple[str, ...]
    weights: dict[str, np.ndarray]
    loss: np.ndarray
    validation_rmse: np.ndarray
    measured: dict[str, np.ndarray]


def network_id(architecture: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> str:
    """Return the content identity of one network."""
    sha = hashlib.sha256(json.dumps(dict(architecture), sort_keys=True).encode())
    for name in sorted(weights):
        sha.update(f"{name}{weights[name].shape}".encode() + np.ascontiguousarray(weights[name], "<f4").tobytes())
    return sha.hexdigest()[:16]


def write_networks(
    path: Path,
    architecture: Mapping[str, Any],
    recipe: Mapping[str, Any],
    seeds: Sequence[int],
    trained: Sequence[Mapping[str, np.ndarray]],
    measured: Sequence[Mapping[str, np.ndarray]] = (),
) -> None:
    """Write an ensemble: one mapping of arrays per seed (weights, ``loss``, ``validation_rmse``).

    ``measured`` is what a diagnosis of each network rests on, if there is one.
    """
    own = bool(architecture.get("layers"))
    group = {
        name: Variable(
            (dims[0], "layer", *dims[1:]) if own and name in _LAYERED else dims,
            np.stack([t[name] for t in trained]),
            {"long_name": _LONG_NAMES[name]},
        )
        for name, dims in _DIMS.items()
        if name in trained[0]
    }
    group["seed"] = Variable(("network",), np.array(seeds, np.int64), {"long_name": "training seed"})
    attrs = {
        "architecture": json.dumps(dict(architecture), sort_keys=True),
        "recipe": json.dumps(dict(recipe), sort_keys=True),
    }
    groups: dict[str, Group] = {"/": group}
    if measured:
        arrays = {name: np.stack([m[name] for m in measured]) for name in measured[0]}
        groups[DIAGNOSIS] = {
            name: Variable(("network", *(f"{name}_{k}" for k in range(1, values.ndim))), values)
            for name, values in arrays.items()
        }
    write_sealed(path, groups, {"format": FORMAT, "format_version": VERSION} | attrs | provenance())


def read_networks(path: str | os.PathLike[str]) -> NetworkFile:
    """Read a network file.

    Raises
    ------
    InputError
        If the file is missing, damaged, of another kind, or its arrays do not belong together.
    """
    stat = Path(path).stat() if Path(path).is_file() else None
    return _read(str(path), (stat.st_mtime_ns, stat.st_size, stat.st_ino) if stat else None)


@functools.lru_cache(maxsize=8)
def _read(path: str, _version: tuple[int, ...] | None) -> NetworkFile:
    with open_sealed(path, FORMAT, VERSION) as file:
        attrs, group = read_attrs(file), read_group(file)
        measured = read_group(file[DIAGNOSIS]) if DIAGNOSIS in file else {}
    with malformed(path):
        architecture, recipe = json.loads(str(attrs["architecture"])), json.loads(str(attrs["recipe"]))
        weights = {name: group[name].values for name in WEIGHTS if name in group}
        n, k = operator.index(architecture["components"]), operator.index(architecture["kernel"])
        count = len(group["seed"].values)
        layers, symmetry = operator.index(architecture.get("layers", 0)), architecture.get("symmetry", "Z2")
        own = (layers,) if layers else ()
        shapes = {"lift": (n,), "coupling": (*own, n, n, k, k), "readout": (n,), "readout_bias": (1,)}
        if architecture["broken"]:
            shapes["bias"] = (*own, n)
        sound = (
            set(weights) == set(shapes)
            and count > 0
            and set(architecture) - {"layers", "symmetry"} == {"components", "kernel", "gamma", "broken", "boundary"}
            and (layers == 0 or layers >= operator.index(recipe["steps"]))
            and (symmetry == "Z2" or (symmetry == "U1" and n % 2 == 0 and not architecture["broken"]))
            and all(weights[name].shape == (count, *shape) for name, shape in shapes.items())
            and all(w.dtype == np.float32 and np.isfinite(w).all() for w in weights.values())
            and 0 < float(architecture["gamma"]) < np.inf
            and operator.index(recipe["steps"]) > 0
            and group["loss"].values.shape[:1] == group["validation_rmse"].values.shape == (count,)
            and all(len(v.values) == count for v in measured.values() if v.dims[:1] == ("network",))
            and group["loss"].values.dtype.kind == group["validation_rmse"].values.dtype.kind == "f"
        )
        if not sound:
            raise InputError(f"{path} is not a valid network file: its arrays do not belong together; train it again")
        ids = tuple(network_id(architecture, {name: w[i] for name, w in weights.items()}) for i in range(count))
        return NetworkFile(
            architecture,
            recipe,
            tuple(group["seed"].values.tolist()),
            ids,
            weights,
            group["loss"].values,
            group["validation_rmse"].values,
            {name: v.values for name, v in measured.items() if v.dims != (name,)},
        )
    raise AssertionError("not reached")
