"""Speed of training networks that colour images: both ways do the same work."""

from __future__ import annotations

import pytest

from physnn.checks import bench, colour


@pytest.mark.slow
def test_both_ways_do_the_same_work(monkeypatch):
    monkeypatch.setattr(colour, "COLOUR_CASES", ((4, 2, 8), (8, 1, 8)))
    monkeypatch.setattr(colour, "BATCH", 3)
    monkeypatch.setattr(colour, "COLOUR_THREADS", (1,))
    monkeypatch.setattr(bench, "TIMED_CALLS", 2)
    monkeypatch.setattr(bench, "TARGET", 0.01)
    found = colour.bench_colour()
    rows = {row["name"]: row for row in found["rows"]}
    for label in ("width 4, 8 x 8", "width 8, 8 x 8"):
        own, plain = rows[f"physnn, {label}"], rows[f"torch, {label}"]
        assert own["loss"] == pytest.approx(plain["loss"], rel=1e-5)
        assert found["ratios"][f"physnn / torch, {label}, 1 thread"] == pytest.approx(own["value"] / plain["value"])
    assert rows["physnn, width 4, 8 x 8"]["loss"] != rows["physnn, width 8, 8 x 8"]["loss"]
    # A step takes longer than its own convolutions and norms do in the same layout.
    alone = [rows[f"{part}, usual layout, width 8, 8 x 8"]["value"] for part in colour.TIMED_LAYERS]
    assert rows["torch, width 8, 8 x 8"]["value"] < 1 / sum(1 / each for each in alone)
    assert 1 < found["ratios"]["limit / torch, width 8, 8 x 8, 1 thread"] < 100
