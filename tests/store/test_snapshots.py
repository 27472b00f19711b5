"""Configurations kept by sweeps are read as they were written, and what is none is refused."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.samples.temperature.recipe import TemperatureSweep
from physnn.samples.temperature.work import TemperatureSample
from physnn.store.hdf5 import Variable
from physnn.store.snapshots import AXES, read_snapshots
from physnn.store.sweep_file import write_sweep
from tests.store.test_hostile import attribute, edited, put

COLOURS = np.random.default_rng(1).integers(0, 3, (2, 3, 4, 6, 6)).astype(np.int8)
"""Colours of three-state Potts configurations at two temperatures."""


def written(path, **recipe):
    chain = Variable(("T", "chain", "measurement"), np.zeros((2, 3, 8)))
    groups = {
        6: {
            "T": Variable(("T",), np.array([1.0, 2.0])),
            "snapshots": Variable(AXES, COLOURS),
            **{"energy": chain, "m": chain},
        }
    }
    write_sweep(path, {"kind": "temperature", "model": "potts", "q": 3, **recipe}, groups)
    return path


def test_colours_are_read_as_written_and_have_no_spins(tmp_path):
    (found,) = read_snapshots(written(tmp_path / "s.h5")).values()
    assert np.array_equal(found.colours, COLOURS) and found.q == 3 and found.T.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match="3 colours"):
        _ = found.spins


@pytest.mark.parametrize(
    ("edit", "recipe", "why"),
    [
        (None, {"field": [0.0, 0.1]}, "several values of --field"),
        (attribute("recipe", np.bytes_(b'{"kind": "noise"}')), {}, "holds a noise sweep"),
        (None, {"model": "ising"}, "not 0 to 1"),
        (put("L6/snapshots", COLOURS[0]), {}, "another shape"),
        (put("L6/T", np.array([1.0, np.nan])), {}, "without temperatures"),
        (lambda file: file["L6"].__delitem__("snapshots"), {}, "--snapshots EVERY"),
    ],
)
def test_what_holds_no_configurations_is_refused(tmp_path, edit, recipe, why):
    path = written(tmp_path / "s.h5", **recipe)
    with pytest.raises(InputError, match=why):
        read_snapshots(edited(path, edit) if edit else path)


def test_the_file_size_foreseen_counts_a_byte_a_site():
    few = TemperatureSweep(L=(64,), T=(2.2,), sweeps=100, chains=2).resolved()
    kept = few.model_copy(update={"snapshots": 10})
    more = TemperatureSample(kept).file_bytes() - TemperatureSample(few).file_bytes()
    assert 0 <= more - 2 * 10 * 64**2 < 1000, "two chains, ten configurations each, and numbers along the axis"
