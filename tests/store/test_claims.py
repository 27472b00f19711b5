"""What sealed files say of themselves is held against their recipes, and against what can be measured."""

from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from physnn.cli import run
from physnn.errors import InputError
from physnn.samples.kinds import KINDS, class_of
from physnn.store.claims.kinds import SWEEP_KINDS
from physnn.store.claims.ranges import Range, range_of
from physnn.store.sweep_file import FORMAT, read_sweep, write_sweep
from tests.every_kind import kept
from tests.store.test_hostile import edited


def scaled(name: str, factor: float):
    return lambda file: file[name].__setitem__(..., file[name][()] * factor)


def said(**changes):
    def edit(file: h5py.File) -> None:
        file.attrs["recipe"] = np.bytes_(json.dumps(json.loads(file.attrs["recipe"]) | changes))

    return edit


def noted(name: str, attribute: str, value):
    return lambda file: file[name].attrs.__setitem__(attribute, value)


ISING = {
    "another size": (lambda file: file.move("L3", "L9"), r"L = \[2, 3\], and it holds \[2, 9\]"),
    "a magnetisation of 7": (scaled("L3/m", 7), "m has .*7, but holds numbers from -1 to 1"),
    "other components": (noted("L3/m", "components", 2), "m has components 2 at L = 3, where its recipe says 1"),
    "no magnetisation": (lambda file: file["L3"].__delitem__("m"), "it holds no m at L = 3"),
    "networks": (said(kind="noise"), "holds no rmse"),
    "NaN": (lambda file: file["L2/energy"].__setitem__((0, 1, 2), np.nan), "energy has nan, but holds finite numbers"),
    "other temperatures": (said(T=[2.0, 3.5]), r"T is \[2.0, 3.0\] at L = 2, where its recipe says \[2.0, 3.5\]"),
    "more chains": (said(chains=3), "has 2 along chain at L = 2, where its recipe says 3"),
    "another seed": (said(seed=5), "seed = 5, and it has 0"),
    "a list of lists": (said(T=[[2.0], [3.0]]), "makes no sense|where its recipe says"),
    "a group that is no size": (lambda file: file.create_group("L08"), "a group L08, which is no size"),
}
"""Lies of a file of Ising chains, each with what is said of it."""


@pytest.mark.parametrize("name", ISING)
def test_a_sweep_that_contradicts_itself_is_refused_in_one_line(tmp_path, capsys, name):
    edit, words = ISING[name]
    path = tmp_path / "s.h5"
    path.write_bytes(kept("temperature").read_bytes())
    edited(path, edit)
    with pytest.raises(InputError, match=f"s.h5 contradicts itself: .*({words})"):
        read_sweep(path)
    for command in (["show"], ["fit"]):
        assert run([*command, str(path)]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_none_is_written_that_would_be_refused(tmp_path):
    sweep = read_sweep(kept("percolation"))
    sweep.sizes[6]["largest"].values[0, 0, 0] = 1.5
    with pytest.raises(InputError, match=r"not written.* largest has 1.5, but holds numbers from 0 to 1 \(L = 6\)"):
        write_sweep(tmp_path / "p.h5", sweep.recipe, sweep.sizes)
    assert not (tmp_path / "p.h5").exists()
    write_sweep(tmp_path / "p.h5", sweep.recipe | {"kind": "mine"}, sweep.sizes)
    assert read_sweep(tmp_path / "p.h5").sizes[6]["largest"].values[0, 0, 0] == 1.5, (
        "a kind of one's own claims nothing"
    )


def test_sizes_that_hold_other_things_are_not_written(tmp_path):
    sweep = read_sweep(kept("temperature"))
    del sweep.sizes[3]["structure_x"]
    with pytest.raises(InputError, match=r"not written, for .*it has structure_x at L = 2 and not at L = 3"):
        write_sweep(tmp_path / "s.h5", sweep.recipe, sweep.sizes)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow  # every kind loads its libraries
def test_every_kind_of_sweep_makes_claims(tmp_path):
    """Kinds, their size and the axes of their quantities are said where they are run as well: nothing may differ."""
    assert {kind for kind in KINDS if class_of(kind, tmp_path).format == FORMAT} == SWEEP_KINDS.keys()
    for kind, claims in SWEEP_KINDS.items():
        recipe = class_of(kind, tmp_path).Recipe
        if isinstance(claims.size, str):
            assert claims.size.partition(".")[0] in (recipe.size, "images"), kind
        assert {field for field in claims.axes.values() if isinstance(field, str)} <= recipe.model_fields.keys(), kind
        names = read_sweep(kept(kind)).sizes
        for word in " ".join(claims.arrays.values()).split():
            assert not word.endswith("!") or all(word[:-1] in group for group in names.values()), (kind, word)


@pytest.mark.parametrize(
    ("limits", "good", "bad"),
    [
        (Range(0, 1), [0.0, 1.0, 1 + 1e-9], [[-0.1], [1.1], [np.nan], [np.inf], [1]]),
        (Range(0, whole=True), [0, 5], [[-1], [0.5]]),
        (Range(0, absent=True), [0.0, np.nan, np.inf], [[-1.0], [-np.inf]]),
        (Range(), [-1e300, 1e300], [[np.nan], [b"x"]]),
    ],
)
def test_ranges_hold_what_they_say(limits, good, bad):
    assert not limits.offence(np.array(good)) and not limits.offence(np.array(good[:0], np.array(good).dtype))
    assert all(limits.offence(np.array(values)) for values in bad)


def test_ranges_are_found_by_kind_and_name():
    assert range_of("temperature", "m") == Range(-1, 1) and range_of("none", "m") == Range()
    assert range_of("train-rbm", "kl_error").low == 0 and range_of("memory", "flow").absent
    assert range_of("own", "m") == Range() and range_of("own", "interval").low == 1, "models that are brought"
