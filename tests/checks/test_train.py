"""The bench of training: what it reports, and that all ways do the same work."""

from __future__ import annotations

import numpy as np
import pytest

from physnn.checks import train
from physnn.machine import available_cores
from physnn.networks.device import set_threads


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(train, "SMALL_IMAGES", (32, 3))
    monkeypatch.setattr(train, "COLOURED_IMAGES", (16, 2))
    monkeypatch.setattr(train, "EPOCHS", 1)
    before = set_threads(1)
    yield
    set_threads(before)


def losses(found: dict, case: str) -> list[float]:
    return [row["loss"] for row in found["rows"] if row["name"].endswith(f", {case}")]


def test_every_way_is_there_and_does_the_same_work(small):
    seen, before = [], set_threads(1)
    try:
        found = train.bench_train(lambda done, total, name: seen.append(done / total))
        assert set_threads(before) == 1, "threads are as before"
    finally:
        set_threads(before)
    assert set(found) == {"machine", "rows", "ratios", "missing"}
    assert seen == sorted(seen) and seen[-1] == 1
    cores = {1, available_cores()}
    for case in ("8 x 8", "3 x 32 x 32"):
        threads = {}
        for row in found["rows"]:
            assert set(row) == {"name", "value", "unit", "threads", "loss"} and row["unit"] == "replica steps/s"
            name, of = row["name"].split(", ")
            if of == case and "GPU" not in name:
                threads.setdefault(name, []).append(row["threads"])
        assert threads.pop("best plain loop")[0] in cores
        assert threads == {"plain loop": [max(cores)], "stacked": sorted(cores), "compiled": sorted(cores)}
        assert np.ptp(losses(found, case)) < 1e-5, "the same work gives the same losses"
        for base in ("plain loop", "best plain loop"):
            assert found["ratios"][f"compiled, {case}, 1 thread / {base}"] > 0
        assert f"best plain loop, {case}, 1 thread / best plain loop" not in found["ratios"]
    speeds = {(row["name"], row["threads"]): row["value"] for row in found["rows"]}
    ratio = speeds["stacked, 8 x 8", 1] / speeds["plain loop, 8 x 8", max(cores)]
    assert found["ratios"]["stacked, 8 x 8, 1 thread / plain loop"] == pytest.approx(ratio)


def test_other_work_would_be_seen(small):
    case, problem, replicas = train._problems()[0]
    same = {way.run(1) for way in train._ways(case, problem, replicas)}
    assert max(same) - min(same) < 1e-5
    fewer = train.on_a_pool(problem, 1)(replicas.take([0, 1])).mean()
    assert abs(fewer - max(same)) > 1e-4


def test_the_best_of_the_plain_loops_is_kept():
    names = ["plain loop, a", *["best plain loop, a"] * 2, "best plain loop, b", *["compiled, a"] * 2]
    rows = [{"name": name, "value": value} for name, value in zip(names, (1, 2, 3, 9, 4, 5), strict=True)]
    assert [row["value"] for row in train._fastest(rows)] == [1, 3, 9, 4, 5]
