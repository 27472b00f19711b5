"""The free energy of a seam against rings and against transfer matrices of small tori."""

from __future__ import annotations

import itertools
import math
from functools import cache

import numpy as np
import pytest
from scipy import special

from physnn import rng
from physnn.analysis.order.seam import seam_cost
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.seam import Seam
from physnn.models.vectors import VectorModel
from physnn.samplers.seam import cooled, seam_series
from tests.synthetic.vector_chain import on_chain

LIMIT = 4
"""Standard errors that count as agreement."""


def measured(seam: Seam, shape, T: float, *words, n: int = 6000, interval: int = 2):
    sequence = rng.seed_sequence(3, "chain", "seam", *words)
    series = seam_series(seam, shape, T, sequence, n, interval)
    return seam_cost(T, series.strengths, series.crossing), series


def ring_ratio(N: int, L: int, T: float) -> float:
    """Z_anti / Z_per of a ring of O(N) vectors: harmonics of degree l have the parity (-1)^l."""
    l = np.arange(80)  # noqa: E741
    value = special.ive(l + N / 2 - 1, 1 / T)
    count = np.where(l == 0, 1.0, 2.0) if N == 2 else (2 * l + N - 2) / (N - 2) * special.binom(l + N - 3, l)
    weight = count * (value / value[0]) ** L
    return float((weight * (-1.0) ** l).sum() / weight.sum())


@pytest.mark.parametrize(("N", "L", "T"), [(2, 8, 0.5), (2, 10, 0.2), (3, 8, 0.4), (4, 5, 0.5)])
def test_rings_have_the_exact_free_energy(N, L, T):
    # Two rings that know nothing of each other: the lattice has two rows, coupled along rows only.
    found, series = measured(Seam(on_chain(N), axis=1), (2, L), T, N, L)
    exact = ring_ratio(N, L, T) ** 2
    assert abs(found.cost.value + T * math.log(exact)) < LIMIT * found.cost.error < 0.1
    assert abs(found.ratio.value - exact) < LIMIT * found.ratio.error
    assert series.swapped.min() > 0.15
    assert 0.25 < series.accepted.mean() < 0.55


@cache
def angles(width: int, n: int) -> np.ndarray:
    """All rows of ``width`` unit vectors at n angles, shape (n^width, width, 2)."""
    a = 2 * np.pi * np.array(list(itertools.product(range(n), repeat=width))) / n
    return np.stack([np.cos(a), np.sin(a)], axis=-1)


def torus_ratio(model: VectorModel, height: int, width: int, T: float, n: int) -> float:
    """Z_anti / Z_per of a torus of two-component vectors, by a transfer matrix between rows.

    Angles take n values: the trapezoidal rule, whose error falls exponentially with n.
    """
    rows, J = angles(width, n), model.coupling
    inner, between = -(rows @ model.bias).sum(1), np.zeros((len(rows),) * 2)
    for dr, dc in itertools.product((0, 1), (-1, 0, 1)):
        there = np.roll(rows, -dc, axis=1) @ J[:, :, 1 + dr, 1 + dc].T
        if dr == 0:
            inner -= 0.5 * (rows * there).sum((1, 2))
        else:
            between -= rows.reshape(len(rows), -1) @ there.reshape(len(rows), -1).T
    # Row i, row j below it; across the seam the bonds between them change sign.
    half = np.exp(-inner / (2 * T))
    step, seam = (half[:, None] * np.exp(-s * between / T) * half for s in (1, -1))
    most = np.linalg.matrix_power(step / step.max(), height - 1)
    return float((most * (seam / step.max()).T).sum() / (most * (step / step.max()).T).sum())


def model_of(name: str) -> VectorModel:
    if name == "random":
        g = rng.stream(8, "synthetic", "torus")
        return couplings.from_weights(
            {"coupling": g.normal(size=(2, 2, 3, 3)) / 2, "bias": g.normal(size=2)}, "periodic"
        )
    return {"ising": couplings.diagonal(np.array([1.0, 0.0])), "xy": couplings.on(2)}[name]


TORI = [("ising", 3, 3, 0.7), ("xy", 3, 3, 0.8), ("random", 4, 2, 0.6), ("random", 3, 3, 1.0)]


@pytest.mark.parametrize(("name", "height", "width", "T"), TORI)
def test_small_tori_have_the_exact_free_energy(name, height, width, T):
    model, n = model_of(name), 10 if width == 3 else 32
    exact = torus_ratio(model, height, width, T, n)
    if width == 2:
        assert torus_ratio(model, height, width, T, n - 8) == pytest.approx(exact, rel=1e-6)
    found, _ = measured(Seam(model), (height, width), T, name, height, width)
    assert abs(found.cost.value + T * math.log(exact)) < LIMIT * found.cost.error < 0.1
    other, _ = measured(Seam(transposed(model), axis=1), (width, height), T, name, height, width, "columns")
    assert abs(other.cost.value + T * math.log(exact)) < LIMIT * other.cost.error


def transposed(model: VectorModel) -> VectorModel:
    return VectorModel(model.coupling.transpose(0, 1, 3, 2), model.bias)


def test_ten_per_cent_of_temperature_and_a_sign_are_seen():
    T, exact = 0.5, ring_ratio(3, 8, 0.5) ** 2
    colder, _ = measured(Seam(on_chain(2), axis=1), (2, 8), T / 1.1, "colder", n=15000)
    assert abs(colder.cost.value + T * math.log(ring_ratio(2, 8, T) ** 2)) > LIMIT * colder.cost.error
    # Bonds of the other sign on an odd ring are a seam of their own.
    wrong, _ = measured(Seam(on_chain(3, K=-1.0), axis=1), (2, 7), T, "sign")
    assert abs(wrong.cost.value + T * math.log(exact)) > LIMIT * wrong.cost.error


def test_a_twist_makes_a_pitch_that_does_not_fit_plain_xy():
    # Exact: gauge-rotated XY with this twist is XY, with and without the seam.
    theta, T, exact = 0.8, 0.8, torus_ratio(couplings.on(2), 3, 3, 0.8, 10)
    model = couplings.gauge_rotated_xy((theta, 2 * np.pi / 3))
    found, _ = measured(Seam(model, 0, 1.0, 3 * theta, np.eye(2)), (3, 3), T, "twist")
    assert abs(found.cost.value + T * math.log(exact)) < LIMIT * found.cost.error < 0.15
    without, _ = measured(Seam(model), (3, 3), T, "no twist")
    assert abs(without.cost.value + T * math.log(exact)) > LIMIT * without.cost.error


def test_runs_repeat_and_strengths_are_added_where_swaps_fail():
    seam = Seam(couplings.diagonal(np.array([1.0, 0.0])))
    one, two = (seam_series(seam, (6, 6), 0.3, rng.seed_sequence(0, "chain", "seam"), 50) for _ in range(2))
    assert np.array_equal(one.crossing, two.crossing)
    assert len(one.strengths) > 5
    assert one.strengths[0] == 1
    assert one.strengths[-1] == -1
    assert (np.diff(one.strengths) < 0).all()


def test_cooling_finds_the_ground_states_of_a_small_lattice():
    for strength, energy in ((1.0, -32.0), (-1.0, -24.0)):
        seam = Seam(couplings.diagonal(np.array([1.0, 0.0])), 0, strength)
        x = min((cooled(seam, (4, 4), rng.seed_sequence(k, "chain", "cooled")) for k in range(3)), key=seam.energy)
        assert seam.energy(x) == pytest.approx(energy, rel=0.02)


@pytest.mark.parametrize(("T", "n", "words"), [(0.0, 100, "above 0"), (1.0, 1, "at least two")])
def test_wrong_settings_are_refused(T, n, words):
    with pytest.raises(InputError, match=words):
        seam_series(Seam(couplings.on(2)), (4, 4), T, rng.seed_sequence(0, "chain", "seam"), n)
