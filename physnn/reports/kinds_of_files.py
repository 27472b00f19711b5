"""What is told of a file, by its format and kind: a row each, loaded where it is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from physnn.answers.describe import describe
from physnn.errors import InputError
from physnn.reports.told import Telling, told_table
from physnn.shipped import resolve
from physnn.store.ensemble_file import DISTANCES, ENSEMBLES
from physnn.store.hdf5 import is_hdf5
from physnn.store.network_file import NETWORKS
from physnn.store.sweep_file import FORMAT, kind_of, read_sweep

TELLERS = {
    NETWORKS: "networks:tell_networks",
    ENSEMBLES: "networks:tell_ensembles",
    DISTANCES: "networks:tell_distances",
    "memory": "physics:tell_memory",
    "seam": "physics:tell_seams",
    "ground-state": "physics:tell_ground",
    "landscape": "counted:tell_counts",
    "landscape-sampling": "counted:tell_sampled_counts",
    "train-eos": "trained:tell_state",
    "train-pde": "trained:tell_pde",
    "train-rbm": "physics:tell_machines",
    "train-colour": "trained:tell_colour",
    "train-sentiment": "trained:tell_sentiment",
    "train-labels": "trained:tell_labels",
    "energy-map": "physics:tell_maps",
    "recall": "recalled:tell_recall",
}
"""Who tells of a format or of a kind of sweep file, ``module:function``; of other kinds curves are told."""
AS_SWEEPS = ("train-rbm", "ground-state")
"""Kinds of which an observable asks for curves."""


def tell_file(name: str | Path, observable: str | None = None, at: Mapping[str, float] | None = None) -> list[Telling]:
    """What a file says, part by part; what cannot be answered is described instead, and the reason told.

    Parameters
    ----------
    name : str or path
        File of physnn, bundled ensemble, or plain table.
    observable : str, optional
        Of curves.
    at : mapping of str to float, optional
        Line of a file with several control parameters, see `physnn.on_line`.

    Raises
    ------
    InputError
        If there is no such file, it is not whole, or an observable or a line that was asked for is not in it.
    """
    path = resolve(str(name))
    if path.exists() and not is_hdf5(path):
        from physnn.reports.curves import tell_table

        return tell_table(path, observable)
    try:
        return _teller(path, observable, at)(path)
    except InputError as error:
        if observable or at:
            raise
        return [_described(path, str(error))]


def _teller(path: Path, observable: str | None, at: Mapping[str, float] | None) -> Callable[[Path], list[Telling]]:
    """What tells of a file."""
    format_name, _ = kind_of(path)
    kind = str(read_sweep(path, states=False).recipe.get("kind")) if format_name == FORMAT else format_name
    place = TELLERS.get(kind)
    if place is None or (kind in AS_SWEEPS and (observable or at)):
        from physnn.reports.curves import tell_curves

        return lambda path: tell_curves(path, observable, at)
    if observable or at:
        raise InputError(f"{path} has no curves: leave --observable and --at out")
    module, _, function = place.partition(":")
    found = getattr(import_module(f"physnn.reports.{module}"), function)
    assert callable(found)
    return found  # type: ignore[no-any-return]


def _described(path: Path, lack: str) -> Telling:
    """What a file holds, where it has no answer of its own."""
    facts: dict[str, Any] = describe(path)
    evidence: tuple[Any, ...] = (lack,)
    for name, value in facts.items():
        if isinstance(value, dict) and name != "recipe":
            rows = [(str(key), str(inner)) for key, inner in value.items()]
            evidence += told_table(name, ("", "what it holds"), rows)
    return Telling("This file is whole; what it holds is listed, and no verdict is made of it.", evidence)
