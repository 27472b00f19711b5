"""Files with a valid seal and a wrong make-up end in one clear error: a seal proves wholeness, not sense."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from physnn.answers import fit
from physnn.errors import InputError
from physnn.store import guard
from physnn.store.network_file import read_networks
from physnn.store.sweep_file import write_sweep
from tests.conftest import planted_sizes


def edited(path: Path, edit) -> Path:
    """Change a sealed file and seal it again, as someone with bad intent would."""
    path.write_bytes(path.read_bytes()[: -guard.TRAILER_LENGTH])
    with h5py.File(path, "r+") as file:
        edit(file)
    guard.seal(path)
    guard.check_seal(path)
    return path


def put(name: str, value) -> callable:
    def edit(file: h5py.File) -> None:
        if name in file:
            del file[name]
        file[name] = value

    return edit


def attribute(name: str, value) -> callable:
    return lambda file: file.attrs.__setitem__(name, value)


SWEEPS = {
    "recipe is a list": attribute("recipe", b"[1]"),
    "recipe is no JSON": attribute("recipe", b"{"),
    "recipe is nested": attribute("recipe", b"[" * 20_000),
    "version is a word": attribute("format_version", b"x"),
    "format is an array": attribute("format", np.arange(3)),
    "size is a dataset": put("L32", np.arange(3)),
    "text instead of numbers": put("L32/rmse", np.full((15, 8, 16), b"a")),
    "complex numbers": put("L32/rmse", np.ones((15, 8, 16), complex)),
    "no dimensions": put("L32/rmse", np.ones((15, 8, 16))),
    "a loop of groups": lambda file: file["L32"].__setitem__("again", file["L32"]),
    "no control": lambda file: file["L32"].__delitem__("eta"),
    "repeated control": lambda file: file["L32/eta"].write_direct(np.zeros(15)),
    "control not finite": lambda file: file["L32/eta"].write_direct(np.full(15, np.nan)),
    "curve not finite": lambda file: file["L32/rmse"].write_direct(np.full((15, 8, 16), 1e200)),
}
NETWORKS = {
    "no loss": lambda file: file.__delitem__("loss"),
    "no weights": lambda file: file.__delitem__("lift"),
    "no recipe": lambda file: file.attrs.__delitem__("recipe"),
    "recipe without depth": attribute("recipe", b"{}"),
    "infinite architecture": attribute("architecture", b'{"components": Infinity}'),
    "nested architecture": attribute("architecture", b"[" * 20_000),
    "wrong error": put("validation_rmse", np.ones(5)),
    "other dtype": put("lift", np.ones((2, 16))),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_sweeps_of_wrong_make_up_are_refused(tmp_path, name):
    path = tmp_path / "s.h5"
    write_sweep(path, {"kind": "planted"}, planted_sizes(0))
    with pytest.raises(InputError):
        fit.fit(edited(path, SWEEPS[name]))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_wrong_make_up_are_refused(tmp_path, network_file, name):
    path = tmp_path / "n.h5"
    path.write_bytes(network_file.read_bytes())
    read_networks(path)
    with pytest.raises(InputError):
        read_networks(edited(path, NETWORKS[name]))
