"""The free energy of a seam from planted series: its value, its error bar, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order.seam import seam_cost, stiffness
from physnn.errors import InputError

T, MEAN, WIDTH = 0.7, -1.1, 1.3
STRENGTHS = np.linspace(1, -1, 5)


def planted(n: int, *words, tau: float = 0.0, off: float = 0.0) -> np.ndarray:
    """Normal H with the exact law exp(-s H / T) of a normal density of states; Delta F = -2 MEAN."""
    noise = rng.stream(1, "synthetic", "seam cost", *words).normal(size=(len(STRENGTHS), n))
    keep = math.exp(-1 / tau) if tau else 0.0
    for t in range(1, n):
        noise[:, t] = keep * noise[:, t - 1] + math.sqrt(1 - keep**2) * noise[:, t]
    return MEAN + off - STRENGTHS[:, None] * WIDTH**2 / T + WIDTH * noise


def test_the_planted_free_energy_is_found():
    found = seam_cost(T, STRENGTHS, planted(4000))
    assert abs(found.cost.value + 2 * MEAN) < 4 * found.cost.error < 0.2
    assert found.ratio.value == pytest.approx(math.exp(-found.cost.value / T))
    assert 0.2 < found.overlap < 0.9
    again = seam_cost(T, STRENGTHS[::-1], planted(4000)[::-1])
    assert again.cost.value == pytest.approx(found.cost.value, rel=1e-6)
    wrong = seam_cost(T, STRENGTHS, planted(4000, off=0.3))
    assert abs(wrong.cost.value + 2 * MEAN) > 4 * wrong.cost.error


@pytest.mark.parametrize("tau", [0.0, pytest.param(4.0, marks=pytest.mark.slow)])
def test_errors_cover(tau):
    n, hits = 1500 if tau else 400, 0
    for k in range(200):
        found = seam_cost(T, STRENGTHS, planted(n, k, tau=tau))
        hits += abs(found.cost.value + 2 * MEAN) < found.cost.error
    assert 0.60 <= hits / 200 <= 0.76


@pytest.mark.parametrize(
    ("strengths", "H", "words"),
    [
        (STRENGTHS, planted(30), "too few"),
        (STRENGTHS[1:], planted(1000)[1:], "from 1 to -1"),
        (STRENGTHS[[0, 4]], planted(1000)[[0, 4]] * 20, "overlap"),
        (STRENGTHS, np.full((5, 100), np.nan), "finite"),
        (STRENGTHS, np.vstack([planted(1000)[:4], np.full((1, 1000), 2.5)]), r"strength -1: the series never changed"),
    ],
)
def test_what_cannot_be_answered_is_refused(strengths, H, words):
    with pytest.raises(InputError, match=words):
        seam_cost(T, strengths, H)


@pytest.mark.parametrize(
    ("given", "H"),
    [
        (T, planted(2000) / 16),
        (T, -planted(2000)),
        (1 / T, planted(2000)),
        (T, planted(2000) + STRENGTHS[:, None] ** 2),
    ],
    ids=["per site", "other sign", "beta for T", "two strengths out of equilibrium"],
)
def test_series_that_do_not_belong_to_their_strengths_are_refused(given, H):
    """Means at a strength against those from all strengths; `test_errors_cover` has 200 right ones, all accepted."""
    with pytest.raises(InputError, match=r"the mean of H is off by .* give dE/ds of the whole lattice, with its sign"):
        seam_cost(given, STRENGTHS, H)
    assert seam_cost(T, STRENGTHS, planted(2000)).cost.error > 0


def test_stiffness():
    L = np.array([8, 16, 32])
    assert stiffness(L, 2.0 * L).value == pytest.approx(1)
    assert abs(stiffness(L, np.full(3, 4.9)).value) < 1e-12
    found = stiffness(L, 1.5 * L + np.array([0.1, -0.2, 0.3]), np.full(3, 0.2))
    assert abs(found.value - 1) < 4 * found.error < 0.1
    assert stiffness(L, np.array([1, 0.1, 0.01]), np.full(3, 0.01)) is None
    assert stiffness(L[:1], L[:1]) is None
    assert stiffness(L[:2], 2.0 * L[:2]).error == math.inf
