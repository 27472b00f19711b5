from __future__ import annotations

import numpy as np

from physnn.checks import bench, oscillators
from physnn.kernels.oscillators.phases import plain_phases
from physnn.samplers.oscillators import Oscillators, integrate


def test_rows_are_times_per_step_and_ratios_those_of_the_plain_loop(monkeypatch):
    monkeypatch.setattr(bench, "TIMED_CALLS", 2)
    monkeypatch.setattr(bench, "TARGET", 0.01)
    monkeypatch.setattr(oscillators, "OTHERS", ())
    monkeypatch.setattr(oscillators, "_others", lambda: ([], []))
    found = oscillators.bench_oscillators()
    assert all(0.1 < row["value"] < 1e4 and row["unit"] == "ns/step" for row in found["rows"])
    assert found["ratios"]["plain loop / physnn, N = 1000"] > 0
    assert found["ratios"]["physnn, N = 16000 / N = 1000"] < 8, "the time is linear in N: squares would have 16"


def test_the_plain_loop_does_the_same():
    omega, phases = oscillators._problem(50)
    theta = 2 * np.pi * phases
    plain_phases(theta, omega, 1.5, 0.05, 7)
    integrate(Oscillators(omega, 1.5, step=0.05, method="rk4"), phases, np.zeros(2, np.uint32), 0, 7, 1)
    assert np.allclose(theta, 2 * np.pi * phases, atol=1e-12)
