from __future__ import annotations

import math

import pytest

from physnn.errors import InputError
from physnn.exact.ising.enumeration import ising_enumeration, potts_enumeration
from physnn.exact.ising.kaufman import kaufman
from physnn.exact.ising.oracle import EXACT_OBSERVABLES, exact
from physnn.exact.ising.transfer import ising_transfer
from physnn.models import Ising

CRITICAL_TEMPERATURE = Ising().critical_temperature


def test_each_size_gets_the_best_method():
    small, middle, large = (exact("ising", L, CRITICAL_TEMPERATURE) for L in (4, 8, 64))
    assert tuple(small.values) == tuple(middle.values) == EXACT_OBSERVABLES and set(large.values) == {"energy", "c"}
    assert set(small.sources.values()) == {"enumeration"} and set(large.sources.values()) == {"Kaufman 1949"}
    assert middle.sources["m2"] == "transfer matrix" and middle.sources["energy"] == "Kaufman 1949"
    for answer in (small, middle, large):
        assert answer.sources.keys() == answer.values.keys()
        assert all(type(value) is float and math.isfinite(value) for value in answer.values.values())
    assert small.values["binder"] == ising_enumeration((4, 4), CRITICAL_TEMPERATURE)["binder"]
    assert middle.values["xi_over_L"] == ising_transfer((8, 8), CRITICAL_TEMPERATURE)["xi_over_L"]
    assert large.values["c"] == kaufman((64, 64), CRITICAL_TEMPERATURE).c


def test_methods_join_smoothly():
    # 4 x 4 is enumerated, 4 x 5 is not: the second must be what an enumeration of it gives.
    counted, found = ising_enumeration((4, 5), 2.3), exact("ising", (4, 5), 2.3).values
    assert found == pytest.approx({name: counted[name] for name in EXACT_OBSERVABLES}, rel=1e-11)


def test_other_models_and_couplings():
    assert exact("potts", 3, 1.0).values == {
        name: potts_enumeration((3, 3), 3, 1.0)[name] for name in EXACT_OBSERVABLES
    }
    assert exact("potts", (2, 3), 1.0, q=4).sources["m4"] == "enumeration"
    turned = exact("ising", 8, 2.0, J=-1.0).values
    assert turned == {"energy": kaufman((8, 8), 2.0).energy, "c": kaufman((8, 8), 2.0).c}
    assert exact("ising", (3, 5), 2.0, J=-1.0).values["energy"] > kaufman((3, 5), 2.0).energy


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("xy", 8, 1.0), "No exact results for a model 'xy'; use ising or potts"),
        (("potts", 8, 1.0), "3-state Potts model on 64 sites"),
        (("ising", 1, 1.0), "two whole sides of 2 or more"),
        (("ising", 9, 1.0, -1.0), "frustrated"),
        (("potts", 3, 1.0, 1.0, 0), "q = 0 states does not exist"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        exact(*arguments)
