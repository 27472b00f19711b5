"""Networks with weights +-1 and their task."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.models.signs import SignNetwork, Threshold


def test_numbers_of_weights():
    assert SignNetwork((1, 3, 3, 2, 1)).weights == 20
    assert SignNetwork((1, 3, 3, 2, 1), constant=0.5).weights == 23
    assert SignNetwork((1, 3, 3, 2, 1), bias="first").weights == 23
    assert SignNetwork((1, 3, 3, 2, 1), constant=0.5, bias="first").weights == 26
    assert SignNetwork((1, 3, 3, 2, 1), bias="all").weights == 20 + 3 + 3 + 2 + 1
    assert SignNetwork((1, 1)).weights == 1


def test_parameters_are_in_the_documented_order():
    """x, constant, bias of each unit; then the output's weights and its bias."""
    network = SignNetwork((1, 2, 1), "relu", constant=10.0, bias="all")
    w = np.array([+1, +1, -1, -1, +1, +1, +1, -1, -1])
    x = np.array([0.25])
    expected = (0.25 + 10 - 1) - (-0.25 + 10 + 1) - 1
    assert network.outputs(w, x) == pytest.approx(np.array([[expected]]))


def test_outputs_of_one_chain_of_units():
    x = np.linspace(0.1, 0.9, 5)
    w = [[-1, 1, -1]]
    np.testing.assert_allclose(SignNetwork((1, 1, 1, 1)).outputs(w, x)[0], np.tanh(np.tanh(x)))
    np.testing.assert_allclose(SignNetwork((1, 1, 1, 1), output="tanh").outputs(w, x)[0], np.tanh(np.tanh(np.tanh(x))))
    np.testing.assert_array_equal(SignNetwork((1, 1, 1, 1), "sign").outputs(w, x)[0], np.ones(5))
    np.testing.assert_array_equal(SignNetwork((1, 1, 1, 1), "relu").outputs(w, x)[0], np.zeros(5))


def test_configurations_are_bits():
    network = SignNetwork((1, 2, 1))
    assert network.configuration(0).tolist() == [[1, 1, 1, 1]]
    assert network.configuration(np.array([1, 8])).tolist() == [[1, 1, 1, -1], [-1, 1, 1, 1]]
    assert len(np.unique(network.configuration(np.arange(16)), axis=0)) == 16


def test_data():
    assert Threshold(4, None).x.tolist() == [0.125, 0.375, 0.625, 0.875]
    assert Threshold(4, None).y.tolist() == [0, 0, 1, 1]
    assert np.array_equal(Threshold(64, 3).x, Threshold(64, 3).x)
    assert not np.array_equal(Threshold(64, 3).x, Threshold(64, 4).x)
    x = Threshold(4096, 0).x
    assert x.min() > 0 and x.max() < 1 and abs(x.mean() - 0.5) < 4 / math.sqrt(12 * 4096)


def test_losses():
    task = Threshold(4, None, "cross-entropy")
    p = 1 / (1 + math.exp(-2))
    f = np.array([2.0, -2.0, 2.0, -2.0])
    assert task.losses(f) == pytest.approx(-(2 * math.log(p) + 2 * math.log(1 - p)) / 4)
    assert Threshold(4, None).losses(f) == pytest.approx((4 + 4 + 1 + 9) / 4)
    assert Threshold(4, None).losses(np.zeros((3, 4))).tolist() == [0.5] * 3


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: SignNetwork((1,)), "input and an output layer"),
        (lambda: SignNetwork((1, 0, 1)), "at least one unit"),
        (lambda: SignNetwork((2, 3, 1)), "begin and end with 1"),
        (lambda: SignNetwork((1, 3, 2)), "begin and end with 1"),
        (lambda: SignNetwork((1, 3, 1), constant=math.nan), "finite number"),
        (lambda: SignNetwork((1, 3, 1), constant=math.inf), "finite number"),
        (lambda: SignNetwork((1, 3, 1), "gelu"), "hidden activation"),
        (lambda: SignNetwork((1, 3, 1), output="sign"), "output"),
        (lambda: SignNetwork((1, 3, 1), bias="last"), "bias"),
        (lambda: SignNetwork((1, 3, 1)).outputs(np.ones((1, 5)), np.ones(2)), "6 weights"),
        (lambda: Threshold(0), "at least one point"),
        (lambda: Threshold(loss="hinge"), "mse or cross-entropy"),
    ],
)
def test_what_cannot_be_is_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
