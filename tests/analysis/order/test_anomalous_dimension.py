"""The anomalous dimension from planted powers of L: values, errors that cover, and temperatures that sizes share."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.curves.curves import Curves
from physnn.analysis.order.decision import anomalous_dimension

SIZES = (4, 8, 16, 32)


def planted(eta: float, noise: float, generator: np.random.Generator, temperatures=(0.8, 0.9)) -> Curves:
    """<|m|> = L^(-eta / 2) with relative noise, but at L = 4, which is not to count."""
    x = {L: np.array(temperatures[: 1 if L == 32 else None]) for L in SIZES}
    true = {L: np.full(len(x[L]), 3.0 if L == 4 else L ** (-eta / 2)) for L in SIZES}
    y = {L: values * (1 + noise * generator.normal(size=len(values))) for L, values in true.items()}
    samples = {L: values * (1 + noise * generator.normal(size=(200, len(values)))) for L, values in y.items()}
    errors = {L: rows.std(0, ddof=1) for L, rows in samples.items()}
    return Curves(SIZES, x, y, samples, errors, 1, 1, "T", "m_abs", "m", False, 199)


def test_a_planted_power_is_found_at_shared_temperatures():
    found = anomalous_dimension(planted(0.25, 1e-9, rng.stream(0, "synthetic", "power")))
    assert list(found) == [0.8], "L = 32 has no other temperature"
    assert found[0.8].value == pytest.approx(0.25, abs=1e-6)


def test_its_errors_hold_the_truth():
    off = []
    for k in range(300):
        each = anomalous_dimension(planted(0.25, 0.02, rng.stream(k, "synthetic", "power noise")))[0.8]
        off.append((each.value - 0.25) / each.error)
    assert 0.62 < np.mean(np.abs(off) < 1) < 0.75
    assert np.mean(np.abs(off) < 0.5) < 0.5, "the control: half the error holds it too rarely"
