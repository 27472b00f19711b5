"""The bench of counting."""

from __future__ import annotations

import pytest

from physnn.checks import bench, count
from physnn.models.signs import SignNetwork


@pytest.mark.slow  # a ratio of times
def test_every_row_is_there_and_brute_force_is_fast(monkeypatch):
    monkeypatch.setattr(bench, "TARGET", 0.02)
    monkeypatch.setattr(bench, "TIMED_CALLS", 3)
    monkeypatch.setattr(count, "COUNTED", (SignNetwork((1, 3, 3, 2, 1)),))
    monkeypatch.setattr(count, "VISITED", SignNetwork((1, 3, 3, 2, 1)))
    seen = []
    found = count.bench_count(lambda done, total, name: seen.append((done, total)))
    assert set(found) == {"machine", "rows", "ratios", "missing"}
    assert seen == sorted(seen) and seen[-1][0] == seen[-1][1] == 3 * len(found["rows"])
    assert found["ratios"]["brute force / plain loop"] > 30
    assert [r["unit"] for r in found["rows"]].count("s") == 1
