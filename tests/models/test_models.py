from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.errors import InputError
from physnn.models import MODELS, QUANTITIES, Ising, Potts
from physnn.samplers import COLUMNS


def generator() -> np.random.Generator:
    return rng.stream(0, "synthetic", "initial")


def test_critical_temperatures():
    assert Ising().critical_temperature == pytest.approx(2.269185314213022, abs=1e-14)
    assert Ising(J=-2).critical_temperature == pytest.approx(2 * 2.269185314213022)
    assert Potts(3).critical_temperature == pytest.approx(0.994972861071817, abs=1e-14)
    assert Potts(2).critical_temperature == pytest.approx(Ising().critical_temperature / 2)
    assert Potts(2, J=-1).critical_temperature == Potts(2).critical_temperature
    assert Potts(3, J=-1).critical_temperature == 0


def test_initial_states():
    assert not Ising().initial((4, 6), generator(), 1.0).any()
    assert Ising(h=-0.1).initial((4, 6), generator(), 1.0).all()
    staggered = Ising(J=-1).initial((4, 6), generator(), 1.0)
    assert (staggered != np.roll(staggered, 1, 0)).all() and (staggered != np.roll(staggered, 1, 1)).all()
    for model, shape, T in ((Ising(), (32, 32), 3.0), (Ising(J=-1), (31, 32), 1.0), (Potts(4), (32, 32), math.inf)):
        counts = np.bincount(model.initial(shape, generator(), T).ravel())
        assert len(counts) == model.q and (np.abs(counts * model.q / np.prod(shape) - 1) < 0.25).all()
    assert Potts(3).initial((4, 4), generator(), 0.5).dtype == np.int8


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Ising(J=0), "finite J other than 0"),
        (lambda: Ising(h=math.nan), "finite h"),
        (lambda: Potts(5), "2, 3 or 4 colours"),
        (lambda: Potts(3, J=math.inf), "finite J"),
        (lambda: Ising().initial((1, 4), generator(), 2.0), "1 x 4"),
        (lambda: Ising().initial((4, 4), generator(), 0.0), "above 0"),
        (lambda: Ising().initial((4, 4), generator(), math.nan), "above 0"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_names_and_columns():
    assert all(MODELS[name].name == name for name in MODELS)
    assert tuple(QUANTITIES) == COLUMNS == ("energy", "m", "m2", "m4", "structure_x", "structure_y", "work")
