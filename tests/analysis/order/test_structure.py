"""Structure factors, order parameters and commensurability against states whose answers are known."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.order import structure
from physnn.analysis.order.equilibrium import compatible_sizes, drifted, whole_zone
from physnn.analysis.order.structure import Order
from physnn.errors import InputError
from physnn.models import couplings
from physnn.models.vectors import normalised, standing_waves

ZERO, HALF, EIGHTH = Fraction(0), Fraction(1, 2), Fraction(1, 8)


def order(k, *vectors):
    return Order((k,) * len(vectors), np.array(vectors, complex))


UNIFORM = order((ZERO, ZERO), (1, 0), (0, 1))
SPIRAL = order((EIGHTH, ZERO), (0.5**0.5, -1j * 0.5**0.5))


def noise(L, *words, N=2, states=3):
    g = rng.stream(0, "synthetic", "structure", *words)
    return normalised(g.normal(size=(states, L, L, N)) + 0.7 * np.eye(N)[0])


def turned(x, turns):
    """Return x with every vector turned by 2 pi turns . r."""
    L = x.shape[1]
    angle = 2 * np.pi * (float(turns[0]) * np.arange(L)[:, None] + float(turns[1]) * np.arange(L))
    c, s = np.cos(angle), np.sin(angle)
    return np.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]], axis=-1)


def test_the_number_of_components_counts_phases():
    assert UNIFORM.components == 2
    assert SPIRAL.components == 2
    assert order((HALF, HALF), (1, 0)).components == 1
    two_arms = Order(((EIGHTH, ZERO), (ZERO, EIGHTH)), np.ones((2, 2), complex))
    assert two_arms.components == 4


def test_the_order_parameter_is_one_where_order_is_perfect_and_the_same_in_every_gauge():
    x = noise(16, "gauge")
    plain = structure.moments(structure.transform(x), UNIFORM)
    spiral = structure.moments(structure.transform(turned(x, (EIGHTH, ZERO))), SPIRAL)
    assert np.allclose(plain, spiral, rtol=1e-12)
    assert np.allclose(plain[0], (x.mean((1, 2)) ** 2).sum(-1))
    perfect = np.broadcast_to(np.array([0.6, 0.8]), (1, 16, 16, 2))
    for state, o in ((perfect, UNIFORM), (turned(perfect, (EIGHTH, ZERO)), SPIRAL)):
        at, beside = structure.moments(structure.transform(state), o)
        assert at == pytest.approx(1)
        assert beside == pytest.approx(0, abs=1e-20)
    assert structure.moments(structure.transform(perfect), SPIRAL)[0] < 1e-20


def test_the_structure_factor_is_hermitian_and_sums_to_one_per_site():
    x = noise(6, "sum", N=3)
    S = structure.structure_factor(structure.transform(x))
    assert np.allclose(S, S.conj().swapaxes(-1, -2))
    assert np.trace(S, axis1=-1, axis2=-2).sum().real == pytest.approx(36)


def test_peaks_of_a_wave_are_found_up_to_its_sign():
    x = turned(noise(16, "peak"), (EIGHTH, Fraction(1, 4)))
    largest = structure.top(structure.structure_factor(structure.transform(x)))
    wave = order((EIGHTH, Fraction(1, 4)), (1, 1j))
    assert structure.at_order(structure.peak(largest), wave, 16)
    assert structure.at_order((14, 12), wave, 16)
    assert not structure.at_order((4, 2), wave, 16)
    assert not structure.at_order((2, 5), wave, 16)
    assert structure.at_order((2, 5), wave, 18), "a wave that does not fit may be beside"
    assert structure.peak_contrast(largest) > structure.RESOLVED_CONTRAST
    assert structure.peak_contrast(np.ones((4, 4))) == 1


def lorentzian(L, k, v, xi=3.0, floor=0.2):
    """Return S(k) of fluctuations along v about k, and flat ones besides."""
    turns = np.arange(L) / L
    distance = [2 - 2 * np.cos(2 * np.pi * (turns - float(q))) for q in k]
    height = 1 / (1 / xi**2 + distance[0][:, None] + distance[1])
    S = height[..., None, None] * np.outer(v, np.conj(v))
    back = np.roll(S.conj()[::-1, ::-1], (1, 1), (0, 1))
    return S + back + floor * np.eye(len(v))


@pytest.mark.parametrize(
    ("model", "k", "v", "components"),
    [
        (couplings.on(2), (ZERO, ZERO), (0.8, 0.6), 2),
        (couplings.on(3), (ZERO, ZERO), (0.8, 0.6, 0), 3),
        (couplings.diagonal(np.array([1.0, 0.0])), (ZERO, ZERO), (0.99, 0.1), 1),
        (couplings.diagonal(np.array([-1.0, 0.0])), (HALF, HALF), (0.99, -0.1), 1),
        (couplings.gauge_rotated_xy((np.pi / 4, 0)), (EIGHTH, ZERO), (0.75, -0.66j), 2),
    ],
    ids=["xy", "o3", "ising", "antiferromagnet", "rotated"],
)
def test_noise_of_the_measured_order_is_taken_out_by_the_symmetry_of_the_coupling(model, k, v, components):
    found = structure.order_of(lorentzian(20, k, np.array(v)), model.coupling)
    assert set(found.wave_vectors) == {k}
    assert found.components == components
    own = np.linalg.eigvalsh(structure.coupling_at(model.coupling, k))[-1]
    for vector in found.vectors:
        assert np.linalg.norm(vector) == pytest.approx(1)
        assert np.allclose(structure.coupling_at(model.coupling, k) @ vector, own * vector, atol=1e-6)


def test_order_that_the_coupling_does_not_prefer_stays_as_measured():
    v = np.array([0.8, 0.6])
    found = structure.order_of(
        lorentzian(20, (Fraction(1, 5), ZERO), v), couplings.diagonal(np.array([1.0, 0.5])).coupling
    )
    assert found.wave_vectors[0] == (Fraction(1, 5), ZERO)
    assert abs(found.vectors[0] @ v) == pytest.approx(1, abs=1e-6)


def test_stripes_along_both_axes_are_one_order_parameter():
    # Neighbours along diagonals want opposite signs: rows or columns alternate.
    J = 0.3 * couplings.diagonal(np.array([1.0, 0.0])).coupling
    for y, x in ((0, 0), (0, 2), (2, 0), (2, 2)):
        J[0, 0, y, x] = -1
    values = np.linalg.eigvalsh(couplings.VectorModel(J).spectrum((20, 20)))[..., -1]
    S = (1 / (1.1 * values.max() - values))[..., None, None] * np.diag([1.0, 0.1])
    found = structure.order_of(S, J)
    assert set(found.wave_vectors) == {(HALF, ZERO), (ZERO, HALF)}
    assert found.components == 2
    S[0, 10] /= 3
    assert structure.order_of(S, J).components == 1, "a symmetry that is broken in what was measured does not count"


def test_sizes_that_do_not_hold_whole_waves_are_kept_apart_and_fitting_ones_are_named():
    assert structure.fits([(EIGHTH, ZERO)], 16)
    assert not structure.fits([(EIGHTH, ZERO)], 18)
    assert structure.fits([(Fraction(33, 264), ZERO)], 16)
    assert structure.fits([(Fraction(126, 1000), ZERO)], 40)
    assert not structure.fits([(Fraction(127, 1000), ZERO)], 40)
    left, said = compatible_sizes(SPIRAL, [8, 12, 16])
    assert left == [8, 16]
    assert "L = 12 does not" in said
    assert "8, 16, 24, 32" in said
    assert compatible_sizes(UNIFORM, [5, 7]) == ([5, 7], "")
    with pytest.raises(InputError, match=r"take sizes such as L = 4, .*8"):
        compatible_sizes(order((HALF, HALF), (1, 0)), [5, 8, 9])
    assert compatible_sizes(SPIRAL, [12])[0] == []


def test_a_wave_state_has_its_wave():
    x = normalised(standing_waves((16, 16), [(2, 0)], [SPIRAL.vectors[0]], rng.stream(0, "synthetic", "wave")))
    assert structure.moments(structure.transform(x[None]), SPIRAL)[0] > 0.99


def fluctuations(L, k, xi, error, chains=4):
    """Return traces of S(k) (1, chains, L, L // 2 + 1) about +-k, with independent errors of each chain."""
    row, column = np.arange(L)[:, None] / L, np.arange(L // 2 + 1) / L
    S = 0.5
    for sign in (1, -1):
        far = 2 - np.cos(2 * np.pi * (row - sign * k[0])) - np.cos(2 * np.pi * (column - sign * k[1]))
        S = S + 1 / (xi**-2 + 2 * far)
    g = rng.stream(0, "synthetic", "structure", "drift", L, float(k[0]))
    return S * (1 + error * g.normal(size=(1, chains, *S.shape)))


@pytest.mark.parametrize(
    ("off", "error", "chains", "seen"),
    [(0.3, 0.02, 4, True), (0.3, 0.2, 2, False), (0.03, 0.001, 4, False), (0, 0.02, 4, False)],
)
def test_waves_of_another_length_above_an_order_are_seen(off, error, chains, seen):
    quarter, L = order((Fraction(1, 4), HALF), (1, 0)), 32
    traces = fluctuations(L, (0.25 + off / L, 0.5), 12.0, error, chains)
    # Below, at T = 1, the lattice holds the order, and neighbours only fluctuate.
    locked = fluctuations(L, (0.25, 0.5), 1.0, error, chains)
    locked[..., 8, 16] = 200
    found = drifted(
        quarter, {16: (np.array([1.0]), locked), L: (np.array([1.0, 2.0]), np.concatenate([locked, traces]))}
    )
    assert bool(found) == seen
    if seen:
        assert "at L = 32, T = 2 S(k) peaks beside k*, at k / 2 pi = (0.25" in found[0]
        assert not drifted(quarter, {L: (np.array([1.0]), locked)})
        assert not drifted(quarter, {L: (np.array([2.0]), traces[:, :1])})


def test_where_fluctuations_peak_between_wave_vectors_is_found():
    for off in (0.0, 0.2, -0.4):
        S = fluctuations(24, (0.25 + off / 24, 0.5), 5.0, 0.0)[0, 0]
        row, column = structure.placed(whole_zone(S), 6, 12)
        assert abs(row - 0.25 - off / 24) < 0.05 / 24
        assert abs(column - 0.5) < 1e-9
