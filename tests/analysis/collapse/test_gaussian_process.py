"""The Gaussian process finds planted collapses, with errors that cover, and agrees with the polynomial."""

from __future__ import annotations

import numpy as np
import pytest

from physnn import rng
from physnn.analysis.collapse import gaussian_process as module
from physnn.analysis.collapse.gaussian_process import Likelihood, gaussian_process
from physnn.analysis.collapse.search import search
from physnn.analysis.curves.points import Form, Points
from physnn.errors import InputError

TRUTH = (0.45, 0.8)
CURVES = {"logistic": lambda u: 1 / (1 + np.exp(-u)), "tanh": lambda u: 0.3 + 0.2 * np.tanh(u - 0.3)}


def planted(
    seed: int, zeta_over_nu: float, curve: str = "logistic", noise: float = 0.005, number: int = 41, extra: float = 0.0
) -> Points:
    """Points of four sizes on a master curve; ``extra`` is scatter that the errors do not know of."""
    generator = rng.stream(seed, "synthetic", "gaussian process", curve)
    L = np.repeat([32.0, 64.0, 128.0, 256.0], number)
    u = np.tile(np.linspace(-3, 3, number), 4) + generator.uniform(-0.03, 0.03, len(L))
    factor = L**zeta_over_nu
    error = noise * factor * generator.uniform(0.5, 1.5, len(L))
    y = factor * CURVES[curve](u) + np.hypot(error, extra * factor) * generator.normal(size=len(L))
    return Points(L, TRUTH[0] + u * L ** -TRUTH[1], y, error)


def start(zeta_over_nu: float) -> np.ndarray:
    return np.array([0.4505, 0.9, 1.1 * zeta_over_nu, 1.0])


def errors(fit: module.GaussianProcessFit) -> np.ndarray:
    return np.sqrt(np.diag(fit.covariance))


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize(("zeta_over_nu", "zeta"), [(0.0, 0.0), (-0.125, -0.125), (-0.125, None), (1.75, None)])
def test_a_planted_collapse_is_found_within_errors(curve, zeta_over_nu, zeta):
    fit = gaussian_process(planted(0, zeta_over_nu, curve), (None, None, zeta), start(zeta_over_nu))
    off = fit.parameters - [*TRUTH, zeta_over_nu]
    assert (np.abs(off) <= 3 * errors(fit)).all()
    assert (errors(fit) < [1e-3, 0.02, 0.01]).all()
    assert (errors(fit) > 0).tolist() == [True, True, zeta is None]
    assert fit.n_points == 164


@pytest.mark.parametrize("zeta", [0.0, None])
def test_it_agrees_with_the_polynomial(zeta):
    for seed in range(3):
        points = planted(seed, 0.0, noise=0.003)
        fit = gaussian_process(points, (None, None, zeta), start(0.0))
        polynomial = search(points, Form(fixed=(None, None, zeta, None)))
        free = errors(fit) > 0
        assert (np.abs(fit.parameters - polynomial.parameters[:3])[free] < 0.5 * errors(fit)[free]).all()
        ratio = errors(fit)[free] / np.sqrt(np.diag(polynomial.covariance))[:3][free]
        assert ((ratio > 0.8) & (ratio < 1.3)).all()


def test_errors_of_planted_collapses_cover():
    z = []
    for seed in range(60):
        curve = tuple(CURVES)[seed % 2]
        fit = gaussian_process(planted(seed, -0.125, curve, number=21), (None, None, None), start(-0.125))
        z.append((fit.parameters - [*TRUTH, -0.125]) / errors(fit))
    inside = (np.abs(z) < 1).mean(0)
    # 68 % expected, 6 % its standard deviation over 60 sets.
    assert (inside > 0.54).all() and (inside < 0.82).all()
    assert ((np.abs(z) < 1 / 3).mean(0) < 0.54).all(), "errors three times too small would be seen"


def test_scatter_beyond_the_errors_is_found_and_widens_them():
    honest = gaussian_process(planted(0, 0.0), (None, None, 0.0), start(0.0))
    rough = gaussian_process(planted(0, 0.0, extra=0.02), (None, None, 0.0), start(0.0))
    assert honest.extra_noise < 0.002
    assert rough.extra_noise == pytest.approx(0.02, rel=0.2)
    assert (errors(rough)[:2] > 2 * errors(honest)[:2]).all()
    assert (np.abs(rough.parameters - [*TRUTH, 0.0]) <= 3 * errors(rough)).all()


@pytest.mark.parametrize("correlated", [False, True])
def test_the_gradient_is_that_of_finite_differences(correlated):
    points = planted(0, -0.125, number=11)
    covariance = np.diag(points.error**2) + 1e-6 * np.exp(-np.abs(np.subtract.outer(points.x, points.x)) * 50)
    points = Points(points.L, points.x, points.y, points.error, covariance if correlated else None)
    likelihood = Likelihood(points, 0.45, float(np.ptp(points.x)) / 2, 0.3, 0.002)
    position = np.array([0.01, 0.7, -0.1, 1.5, -0.3, -0.5])
    numerical = [(likelihood(position + move)[0] - likelihood(position - move)[0]) / 2e-5 for move in 1e-5 * np.eye(6)]
    assert np.allclose(likelihood(position)[1], numerical, rtol=1e-4)


def test_the_likelihood_is_that_of_the_raw_data():
    """Multiplied by L^q, data change their likelihood by the Jacobian and zeta/nu by q, and nothing else."""
    points, q = planted(0, 0.0), 1.5
    factor = points.L**q
    scaled = Points(points.L, points.x, points.y * factor, points.error * factor)
    before = gaussian_process(points, (None, None, None), start(0.0))
    after = gaussian_process(scaled, (None, None, None), start(q))
    assert np.allclose(after.parameters - before.parameters, [0, 0, q], atol=0.02 * errors(before).max())
    assert np.allclose(errors(after), errors(before), rtol=0.01)
    # The flat prior of the offset is in units of y at the largest size.
    jacobian = -np.log(factor).sum() + np.log(factor.max())
    assert after.log_likelihood - before.log_likelihood == pytest.approx(jacobian, abs=1e-3)


def test_the_likelihood_is_the_limit_of_a_broad_constant_kernel():
    points = planted(1, -0.125, number=8)
    likelihood = Likelihood(points, 0.45, 0.1, 1.0, 0.002)
    position, broad = np.array([0.02, 0.9, -0.1, 1.0, -0.5, -0.2]), 100.0
    h = likelihood.size ** position[2]
    scaled = (likelihood.control - position[0]) * likelihood.size ** position[1]
    kernel = np.exp(-(np.subtract.outer(scaled, scaled) ** 2) / (2 * np.exp(2 * position[5]))) * np.exp(2 * position[4])
    kernel += np.diag(np.full(len(h), likelihood.extra_noise(position) ** 2)) + broad**2
    total = likelihood.noise + kernel * np.outer(h, h)
    direct = 0.5 * (
        points.y @ np.linalg.solve(total, points.y) + np.linalg.slogdet(total)[1] + len(h) * np.log(2 * np.pi)
    )
    flat = direct - np.log(broad) - 0.5 * np.log(2 * np.pi)
    assert likelihood(position)[0] == pytest.approx(flat, abs=2e-3)


def test_a_covariance_takes_the_place_of_errors():
    points = planted(2, 0.0, number=21)
    diagonal = Points(points.L, points.x, points.y, points.error, np.diag(points.error**2))
    independent = gaussian_process(points, (None, None, 0.0), start(0.0))
    same = gaussian_process(diagonal, (None, None, 0.0), start(0.0))
    assert np.array_equal(same.parameters, independent.parameters)
    # One unknown shift for all points of a size, large against the errors, is told by the covariance alone.
    generator = rng.stream(0, "synthetic", "shifts")
    block = np.equal.outer(points.L, points.L) * 0.02**2
    shifted = points.y + 0.02 * np.repeat(generator.normal(size=4), 21)
    told = Points(points.L, points.x, shifted, points.error, np.diag(points.error**2) + block)
    fit = gaussian_process(told, (None, None, 0.0), start(0.0))
    assert (np.abs(fit.parameters - [*TRUTH, 0.0]) <= 3 * errors(fit)).all()
    assert errors(fit)[0] > 2 * errors(independent)[0]
    with pytest.raises(InputError, match="positive definite"):
        gaussian_process(Points(points.L, points.x, points.y, points.error, -np.eye(84)), (None, None, 0.0), start(0.0))


def test_many_points_are_thinned_and_refined_on_all_that_stay(monkeypatch):
    monkeypatch.setattr(module, "FEW_POINTS", 60)
    monkeypatch.setattr(module, "MOST_POINTS", 120)
    fit = gaussian_process(planted(0, 0.0), (None, None, 0.0), start(0.0))
    assert fit.n_points == 120
    assert (np.abs(fit.parameters - [*TRUTH, 0.0]) <= 3 * errors(fit)).all()
    thin = module.evenly_thinned(planted(0, 0.0), 120)
    assert all(29 <= (thin.L == L).sum() <= 31 for L in thin.sizes)


def test_fixed_values_stay():
    fit = gaussian_process(planted(0, 0.0), (0.4502, None, 0.0), np.array([0.9, 0.7, 3.0]))
    assert fit.parameters[[0, 2]].tolist() == [0.4502, 0.0]
    assert (errors(fit) > 0).tolist() == [False, True, False]
    assert not gaussian_process(planted(0, 0.0), (0.45, 0.8, 0.0), start(0.0)).covariance.any()


def test_where_nothing_can_be_fitted_there_is_no_fit():
    points = planted(0, 0.0)
    assert gaussian_process(points.chosen(points.L == 32), (None, None, 0.0), start(0.0)) is None
    assert gaussian_process(points.chosen(np.arange(164) % 24 == 0), (None, None, 0.0), start(0.0)) is None
    apart = Points(points.L, points.x, np.zeros(164), points.error)
    assert gaussian_process(apart, (None, None, 0.0), start(0.0)) is None
