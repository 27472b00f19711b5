"""The bench of training."""

from __future__ import annotations

import pytest

from physnn.checks import kuramoto as bench
from physnn.checks.kuramoto import optimiser_steps
from physnn.networks.kuramoto.training import TrainingRecipe

SMALL = TrainingRecipe(L=24, steps=6)


def test_every_row_is_there(monkeypatch):
    monkeypatch.setattr(bench, "TRAININGS", (SMALL,))
    monkeypatch.setattr(bench, "STEP_REPEATS", 3)
    seen = []
    found = bench.bench_kuramoto_training(lambda done, total, name: seen.append((done, total)))
    assert set(found) == {"machine", "rows", "ratios", "missing"}
    assert seen == [(1, 1)]
    assert [row["unit"] for row in found["rows"]] == ["pairs/s"] * 2
    assert found["ratios"] and all(ratio > 0 for ratio in found["ratios"].values())


@pytest.mark.parametrize("family", ["paper", "flow"])
def test_both_ways_take_the_same_steps(family):
    recipe = TrainingRecipe(family=family, L=24, steps=6)
    plain, compiled = (optimiser_steps(recipe, way)(12) for way in (True, False))
    assert compiled == pytest.approx(plain, rel=1e-4)
    assert compiled[-1] < compiled[0]
