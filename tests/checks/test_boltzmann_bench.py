from __future__ import annotations

import math

import pytest

from physnn.checks import bench, boltzmann


@pytest.mark.slow
def test_updates_are_faster_than_products_of_matrices(monkeypatch):
    monkeypatch.setattr(bench, "TIMED_CALLS", 3)
    monkeypatch.setattr(bench, "TARGET", 0.05)
    found = boltzmann.bench_machines()
    assert found["ratios"]["Gibbs updates: ours / torch"] > 4
    assert found["ratios"]["Gibbs updates: ours / numpy"] > 2
    trained = found["ratios"].get("training: scikit-learn / ours, seconds")
    assert trained is None or 5 < trained < math.inf
