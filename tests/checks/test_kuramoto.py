"""The bench of noisy steps."""

from __future__ import annotations

from physnn.checks import kuramoto


def test_every_row_is_there_and_steps_are_fast(monkeypatch):
    monkeypatch.setattr(kuramoto, "STEP_SIDES", (32,))
    monkeypatch.setattr(kuramoto, "STEP_ROUNDS", 4)
    monkeypatch.setattr(kuramoto, "available_cores", lambda: 1)
    monkeypatch.setattr(kuramoto, "CHAIN", (8, 0.205, 500, 8))
    seen = []
    found = kuramoto.bench_kuramoto(lambda done, total, name: seen.append((done, total)))
    assert set(found) == {"machine", "rows", "ratios", "missing"}
    assert seen == [(1, 2), (2, 2)]
    assert len(found["rows"]) == 13
    assert found["ratios"]["eager torch / physnn, L = 32, 1 thread"] > 0
    assert found["ratios"]["Metropolis with over-relaxation / without, L = 8"] > 0
