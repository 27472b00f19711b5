"""Speed of training on differential equations: every way does the same work."""

from __future__ import annotations

import sys

import pytest

from physnn.checks import pde


@pytest.mark.slow
def test_every_way_does_the_same_work(monkeypatch):
    monkeypatch.setattr(pde, "PDE_CASES", (("burgers", 40), ("poisson-nd", 20)))
    monkeypatch.setattr(pde, "LAYER_WIDTH", 10)
    monkeypatch.setattr(pde, "PRODUCT_SIDE", 50)
    monkeypatch.setattr(pde, "TIMED_STEPS", (2, 2))
    monkeypatch.setitem(sys.modules, "deepxde", None)
    seen = []
    found = pde.bench_pde(lambda done, total, name: seen.append(done / total))
    assert seen == sorted(seen) and seen[-1] == 1
    assert found["missing"] == [pde.DEEPXDE]
    rows = {row["name"]: row for row in found["rows"]}
    for case in ("burgers, 40 points", "poisson-nd, 20 points"):
        kernel, plain = rows[f"kernel, {case}"], rows[f"torch, {case}"]
        assert kernel["loss"] == pytest.approx(plain["loss"], rel=1e-5)
        assert found["ratios"][f"kernel / torch, {case}"] == pytest.approx(kernel["value"] / plain["value"])
        assert 0 < found["ratios"][f"share of the floor, {case}"] < 1
    assert rows["kernel, burgers, 40 points"]["loss"] != rows["kernel, poisson-nd, 20 points"]["loss"]
    # Three passes, 2 operations, 3 streams, 40 points, and the weights of 2-10-10-10-10-10-1.
    work = 1e-9 * 3 * 2 * 3 * 40 * 430
    speed = work * rows["kernel, burgers, 40 points"]["value"]
    assert found["ratios"]["GFLOP/s of products, burgers, 40 points"] == pytest.approx(speed)
