from __future__ import annotations

import math

import numpy as np
import pytest

from physnn.errors import InputError
from physnn.exact.ising.histogram import configurations, enumerate_levels


def ones_and_first(chosen):
    return np.stack([chosen.sum(axis=1), chosen[:, 0]], axis=1).astype(np.int64), {"last": chosen[:, -1].astype(float)}


def test_every_configuration_comes_once_whatever_the_block():
    for block in (7, 100):
        rows = np.concatenate(list(configurations(4, 3, block)))
        assert rows.shape == (81, 4) and len(np.unique(rows, axis=0)) == 81
        assert rows.min() == 0 and rows.max() == 2


def test_counts_are_binomial_over_many_blocks():
    n = 16
    counted = enumerate_levels(n, 2, ("ones", "first"), ones_and_first)
    ones = counted.marginal("ones")
    assert ones.counts.tolist() == [math.comb(n, k) for k in range(n + 1)]
    # Given the number of ones, the last variable is one with probability k/n.
    np.testing.assert_allclose(ones.means["last"], np.arange(n + 1) / n, rtol=1e-14)
    first = counted.column("first") == 1
    assert counted.column("ones")[first].tolist() == list(range(1, n + 1))
    assert counted.counts[first].tolist() == [math.comb(n - 1, k) for k in range(n)]


def test_negative_properties_and_weights():
    counted = enumerate_levels(3, 2, ("m",), lambda s: (2 * s.sum(axis=1, keepdims=True, dtype=np.int64) - 3, {}))
    assert counted.column("m").tolist() == [-3, -1, 1, 3]
    # Independent spins in a field b: <m> = 3 tanh b, also where exp(b m) alone would overflow.
    for b in (0.3, 400.0):
        p = counted.probabilities(b * counted.column("m"))
        assert p @ counted.column("m") == pytest.approx(3 * math.tanh(b), rel=1e-14)


def test_results_cannot_be_changed():
    counted = enumerate_levels(3, 2, ("ones", "first"), ones_and_first)
    for array in (counted.counts, counted.levels, counted.means["last"]):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_too_many_or_unknown():
    with pytest.raises(InputError, match="too many to enumerate: use fewer variables"):
        enumerate_levels(23, 2, ("ones", "first"), ones_and_first)
    with pytest.raises(InputError, match="no level 'loss' in this histogram; use one of: ones, first"):
        enumerate_levels(3, 2, ("ones", "first"), ones_and_first).column("loss")
