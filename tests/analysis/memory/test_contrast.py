"""What is measured of a domain: known states have known contrasts, lifetimes and walls."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.memory.contrast import (
    Memories,
    at_time,
    domain,
    domain_contrast,
    domain_lifetimes,
    held,
    losses,
    sample_times,
    wall_width,
)

SIZES = (16, 32, 64, 128)


def test_times_are_whole_periods_and_longer_lists_begin_with_shorter_ones():
    times = sample_times(5000, 2)
    assert (times % 2 == 0).all() and times[0] == 0 and times[-1] <= 5000
    assert (np.diff(times) <= np.maximum(2, times[:-1] / 32)).all()
    assert times[: len(sample_times(100, 2))].tolist() == sample_times(100, 2).tolist()


def test_a_uniform_drift_has_no_contrast():
    for pattern in ("half", "box"):
        inside = domain(pattern, 12)
        assert inside.sum() == {"half": 72, "box": 36}[pattern]
        p = np.where(inside, 1.0, -1.0)
        assert domain_contrast(p, inside) == pytest.approx(1)
        assert domain_contrast(0.3 * p + 0.7, inside) == pytest.approx(0.3)
        assert domain_contrast(np.stack([p, -p]), inside).tolist() == pytest.approx([1, -1])


def test_a_memory_is_lost_where_the_line_between_samples_falls_below_half():
    times = np.array([0, 1, 2, 4, 6])
    curve = np.array([[1, 0.9, 0.7, 0.3, 0.6], [1, 0.9, 0.9, 0.8, 0.8], [1, 0.2, np.nan, np.nan, np.nan]])
    when, lost = losses(times, curve)
    assert lost.tolist() == [True, False, True]
    assert when.tolist() == pytest.approx([3, 6, 0.625])
    assert held(curve)[2].tolist() == [1, 0.2, 0.2, 0.2, 0.2]
    assert at_time(times, curve, 3.0).tolist() == pytest.approx([0.5, 0.85, 0.2])
    assert at_time(times, curve, 6).tolist() == pytest.approx([0.6, 0.8, 0.2])


def test_the_roughness_of_a_wall_is_that_it_was_given():
    generator = rng.stream(0, "synthetic", "wall")
    L = 64
    heights = 32 + generator.integers(-3, 4, L)
    p = np.where(np.arange(L)[:, None] < heights, 1.0, -1.0)
    assert wall_width(p) == pytest.approx(heights.var())
    # Single sites turned over inside leave a flat wall where it is; a count of positive sites would not.
    flat = np.where(np.arange(L)[:, None] < 32, 1.0, -1.0)
    noisy = np.where(generator.random((L, L)) < 0.02, -flat, flat)
    assert wall_width(noisy) < 0.3 < 0.9 < (noisy > 0).sum(0).var()


def decay(tau, times, shape, generator, end=np.inf):
    life = tau * generator.weibull(3.0, shape)
    curve = np.exp(-np.log(2) * times / life[..., None])
    return np.where(times > end, np.nan, curve)


def planted(noiseless_tau=1e9):
    generator, times = rng.stream(3, "synthetic", "memory"), sample_times(4000, 1)
    laws = {0.1: lambda L: 0.3 * L**2.0, 0.5: lambda L: 60.0}
    sizes = {}
    for L in SIZES:
        curve = np.stack([decay(law(L), times, (3, 16), generator) for law in laws.values()])
        noiseless = decay(np.full((3, 1), noiseless_tau), times, (3, 2), generator)
        rough = 0.1 * L * generator.gamma(20, 1 / 20, (2, 3, 16))
        sizes[L] = Memories(times, curve, noiseless, np.ones(3), np.zeros(3), rough)
    return domain_lifetimes(list(laws), ["a", "b", "c"], [0.25] * 3, sizes)


def test_the_answer_has_the_planted_laws():
    answer = planted()
    assert [row.growth.verdict for row in answer.rows] == ["power", "saturation"]
    z, rough = answer.rows[0].growth.z, answer.rows[0].roughness_power
    assert abs(z.value - 2) < 4 * z.error < 0.5
    assert abs(rough.value - 1) < 4 * rough.error < 1
    assert answer.edge() == answer.edge(0) == (0.1, 0.5)
    assert answer.controls == ("keeps",) * 3
    assert "longer in larger systems up to eta = 0.1" in answer.verdict
    assert answer.as_json()["eta"][0]["lifetimes"][0]["L"] == 16


def test_what_fades_without_noise_is_said_to():
    # Negative control: noise is not to blame where the domain would not have lasted anyway.
    answer = planted(noiseless_tau=50.0)
    assert answer.controls == ("forgets",) * 3
    assert "3 of 3 networks do not keep" in answer.verdict
