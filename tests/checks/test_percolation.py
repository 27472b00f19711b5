from __future__ import annotations

from physnn.checks import bench, percolation


def test_rows_are_times_per_site_and_ratios_those_of_the_plain_loop(monkeypatch):
    monkeypatch.setattr(bench, "TIMED_CALLS", 2)
    monkeypatch.setattr(bench, "TARGET", 0.01)
    found = percolation.bench_percolation()
    assert [row["name"] for row in found["rows"][:2]] == ["percolation, L = 64", "plain loop, L = 64"]
    assert all(1 < row["value"] < 1e4 and row["unit"] == "ns/site" for row in found["rows"])
    assert found["ratios"]["plain loop / percolation, L = 1024"] > 0
